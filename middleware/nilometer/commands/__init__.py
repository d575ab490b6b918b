"""The library's commands; the agent and the collector add their own by entry points."""
