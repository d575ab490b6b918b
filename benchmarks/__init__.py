"""Benchmarks: each measures nilometer and a peer or a lower bound in one run, and compares them."""
