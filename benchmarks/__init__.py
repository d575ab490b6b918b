"""Benchmarks. Each compares a figure with a peer or a lower bound, in one run, as a ratio."""
