"""Captures observations in the model server: O(1) work per request, the rest in a thread."""
