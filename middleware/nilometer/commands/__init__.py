"""The commands of the library; those of the agent and the collector join by entry point."""
