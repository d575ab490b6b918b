"""The agent's durable outbox: acknowledged data survives a crash and a loss of power."""
