"""Actions: sends the runs that are due to their targets, and watches whether they work."""

from nilometer_collector.actions.actor import Actor
from nilometer_collector.actions.targets import Targets

__all__ = ["Actor", "Targets"]
