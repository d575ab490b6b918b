"""The central side of nilometer: ingest, store, query, notify, serve."""
