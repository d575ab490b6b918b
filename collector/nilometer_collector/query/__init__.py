"""Questions to the store: entities, summaries, windows, distances."""
