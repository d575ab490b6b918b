"""Benchmarks: each one measures nilometer and a peer or a lower bound in the same run."""
