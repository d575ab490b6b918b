"""Captures observations in the model server: O(1) work per request, all else in a thread."""
