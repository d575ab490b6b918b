"""Queries over the store: entities, summaries, windows, distances."""
