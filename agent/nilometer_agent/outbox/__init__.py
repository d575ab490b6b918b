"""The agent's durable outbox: what the agent acknowledged survives a crash and power loss."""
