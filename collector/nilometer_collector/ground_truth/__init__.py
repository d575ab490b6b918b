"""Ground truth: what is judged, the rows that tell it, and their join with logged predictions.

Nothing in this room reads or writes a store.
"""
