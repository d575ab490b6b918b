"""Predictions with their labels, which arrive late: their columns, windows and status."""
