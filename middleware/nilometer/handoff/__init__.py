"""From the server's process to the agent: queue, pack, redact, send."""
