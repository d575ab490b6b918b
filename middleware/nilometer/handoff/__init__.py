"""Sends observations from the server's process to the agent: queue, pack, redact, send."""
