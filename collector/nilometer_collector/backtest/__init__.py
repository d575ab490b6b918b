"""Backtests: what alerters would have done over stored history, judged as live. They change nothing."""
