"""Measurements of the agent: entities, series, its own counters and their laws."""
