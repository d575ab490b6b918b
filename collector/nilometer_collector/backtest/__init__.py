"""Backtests: they replay alerters over stored history as if live, and change nothing."""
