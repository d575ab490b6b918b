"""Frozen values that every room shares: errors, labels, windows, names, reasons, clocks."""
