"""The agent's own alerts, which it sends while it cannot reach its collector."""

from nilometer_agent.direct.direct import DirectAlerts, can_judge_by_default

__all__ = ["DirectAlerts", "can_judge_by_default"]
