"""Frozen values that all rooms share: errors, labels, windows, names, reasons, clocks."""
