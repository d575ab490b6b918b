"""What the agent measures: entities, series, its own counters and their laws."""
