"""Judges the merged windows of every entity by the alerters that users set."""
