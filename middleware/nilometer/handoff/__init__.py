"""Sends observations from the server's process to the agent: queues, packs, redacts and sends."""
