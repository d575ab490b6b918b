"""Limits on the content of a message; larger content is an attack or corrupt."""

MAX_COUNT = 1 << 53  # most observations, because float64 counts exactly up to here
