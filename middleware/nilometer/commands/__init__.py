"""The commands of the library; the agent and the collector add theirs by entry points."""
