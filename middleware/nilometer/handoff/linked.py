"""The common part of the outlets to an agent: they forward the worker's questions to their link."""

from nilometer.handoff.link import AgentLink
from nilometer.wire.frames import Cost


class LinkedOutlet:
    """An outlet that sends batches through a link to the agent.

    Args:
        link: Connection to the agent.
    """

    def __init__(self, link: AgentLink) -> None:
        self._link = link

    @property
    def trouble(self) -> str:
        """Reason why batches do not reach the agent; empty if they do."""
        return self._link.trouble

    def has_room(self) -> bool:
        """Return whether the link accepts another batch."""
        return self._link.has_room()

    def report_cost(self, cost: Cost) -> None:
        """Send *cost* with the next batch."""
        self._link.cost.add(cost)
