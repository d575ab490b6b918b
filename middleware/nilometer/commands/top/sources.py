"""Runs all sources: agents over their sockets, a collector over HTTP.

Each source has its own thread, so a source that hangs delays neither the others nor the keys.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nilometer.commands.top.agent_source import AgentSource
from nilometer.commands.top.agents import AgentRow
from nilometer.commands.top.collector_source import CollectorSource, CollectorState
from nilometer.commands.top.entities import EntityRow, entity_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All data that is shown, at one time."""

    agents: tuple[AgentRow, ...]
    entities: tuple[EntityRow, ...]
    collector: CollectorState

    @property
    def answered(self) -> bool:
        """Whether at least one source answers."""
        return any(agent.up for agent in self.agents) or (
            bool(self.collector.url) and not self.collector.reason and self.collector.answered
        )


class Sources:
    """All sources and their combined data.

    Args:
        agents: Addresses of the agents for gRPC.
        collector: Source for the collector, or None.
        seconds: Time between requests to an agent.
        on_change: Function that is called when there may be new data, from any thread.
    """

    def __init__(
        self,
        agents: Sequence[str],
        collector: CollectorSource | None,
        seconds: float,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._agents = [AgentSource(address, seconds, on_change) for address in agents]
        self._collector = collector

    def start(self) -> None:
        """Start all sources."""
        for source in self._agents:
            source.start()
        if self._collector is not None:
            self._collector.start()

    def stop(self) -> None:
        """Stop all sources."""
        for source in self._agents:
            source.stop()
        if self._collector is not None:
            self._collector.stop()

    def asked(self) -> int:
        """Return how many requests each source has finished: the minimum over the agents.

        A collector counts as complete after one response.
        """
        collector = self._collector.asked if self._collector is not None else 1
        least = min((source.asked for source in self._agents), default=2)
        return least if collector else 0

    def picture(self, span: float) -> Picture:
        """Return the current data; rates are over *span* seconds."""
        rows = tuple(source.row(span) for source in self._agents)
        for source in self._agents:
            source.held.acquire()
        try:
            entities = entity_rows([source.share() for source in self._agents], span)
        finally:
            for source in self._agents:
                source.held.release()
        state = CollectorState()
        if self._collector is not None:
            state = self._collector.state
        return Picture(agents=rows, entities=with_collector(entities, state), collector=state)


def with_collector(rows: Sequence[EntityRow], state: CollectorState) -> tuple[EntityRow, ...]:
    """Return *rows* with the collector's status, plus entities that only the collector knows."""
    found = {row.name: row for row in rows}
    fresh = not state.reason
    for name, fleet in state.entities.items():
        row = found.get(name)
        if row is None:
            found[name] = replace(fleet, fresh=fresh)
        elif fresh:
            found[name] = replace(row, health=fleet.health, open_episodes=fleet.open_episodes)
    return tuple(found[name] for name in sorted(found))
