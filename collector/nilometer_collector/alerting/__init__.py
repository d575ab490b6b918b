"""Definitions of alerters, their episodes over all agents, and their Prometheus rules."""
