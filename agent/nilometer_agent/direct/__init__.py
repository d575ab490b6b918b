"""The agent's own alerts, which it sends while it cannot reach its collector."""

from nilometer_agent.direct.direct import DirectAlerts

__all__ = ["DirectAlerts"]
