"""Decode, profile, commit, close windows and evaluate alerters, on one thread."""
