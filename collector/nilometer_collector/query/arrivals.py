"""Tells how far the windows of an entity have arrived, and which agents to wait for."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from nilometer.values.clock import NANOSECONDS
from nilometer.values.senders import TABLES
from nilometer_collector.store import HeardRecord

PATIENCE_WINDOWS = 2  # windows without an arrival until an agent is no longer awaited
PATIENCE_NS = 120 * NANOSECONDS  # shortest wall time until then
FARTHEST_BEHIND_NS = 3600 * NANOSECONDS  # an agent with a larger lag is not awaited
AHEAD_NS = 300 * NANOSECONDS  # largest lead of an agent's clock that is believed

log = logging.getLogger("nilometer.collector")


class Laggards:
    """Remembers agents that still send, but far behind the others. Not thread-safe.

    An agent lags if its newest window is more than `PATIENCE_WINDOWS` windows older than that of
    another agent. It gets as much time to catch up, such as after it was cut off. Then alarms do not
    wait for it any longer, until it has caught up.
    """

    def __init__(self) -> None:
        self._since: dict[str, dict[str, int]] = {}  # wall time, by entity and agent
        self._told: set[tuple[str, str]] = set()  # entity and agent of a warning

    def timely(
        self, entity: str, heard: Sequence[HeardRecord], window_ns: int, now_ns: int
    ) -> list[HeardRecord]:
        """Return *heard* without agents that have lagged for too long; warn once about each.

        Args:
            entity: Name of the entity.
            heard: How far the windows of each of its agents have arrived.
            window_ns: Length of the windows.
            now_ns: Wall time now.
        """
        patience = patience_ns(window_ns)
        newest_ns = max((one.end_ns for one in believed(heard, now_ns, patience)), default=0)
        known = self._since.get(entity, {})
        since = {
            one.agent: known.get(one.agent, now_ns)
            for one in heard
            if one.agent != TABLES
            and one.end_ns < newest_ns - patience
            and one.received_ns > now_ns - patience
        }
        self._since[entity] = since
        late = {agent for agent, since_ns in since.items() if now_ns - since_ns > patience}
        self._warn(entity, late, {one.agent: newest_ns - one.end_ns for one in heard})
        return [one for one in heard if one.agent not in late]

    def _warn(self, entity: str, late: set[str], behind_ns: dict[str, int]) -> None:
        self._told -= {told for told in self._told if told[0] == entity and told[1] not in late}
        for agent in sorted(late):
            if (entity, agent) not in self._told:
                self._told.add((entity, agent))
                log.warning(
                    "the windows of an agent arrive late, alerters judge without them: check its "
                    "clock and its connection",
                    extra={
                        "entity": entity,
                        "agent": agent,
                        "seconds": behind_ns[agent] // NANOSECONDS,
                    },
                )


def closed_until(heard: Sequence[HeardRecord], window_ns: int, now_ns: int, started_ns: int) -> int:
    """Return the time up to which every awaited agent has sent its windows, Unix nanoseconds.

    Without an awaited agent, every window that has arrived is closed. `awaited_ends` explains the
    arguments.
    """
    known = believed(heard, now_ns, patience_ns(window_ns))
    newest_ns = max((one.end_ns for one in known), default=0)
    return min(awaited_ends(heard, window_ns, now_ns, started_ns), default=newest_ns)


def awaited_ends(
    heard: Sequence[HeardRecord], window_ns: int, now_ns: int, started_ns: int
) -> list[int]:
    """Return the end of the newest window of each awaited agent, Unix nanoseconds.

    An agent is awaited while its last window arrived at most `PATIENCE_WINDOWS` windows ago. Windows
    of the future, which an agent with a wrong clock sends, do not count before their time (see
    `believed`).

    Args:
        heard: How far the windows of each agent have arrived.
        window_ns: Length of the windows.
        now_ns: Wall time now.
        started_ns: Wall time since which this collector listens.
    """
    patience = patience_ns(window_ns)
    known = believed(heard, now_ns, patience)
    newest_ns = max((one.end_ns for one in known), default=0)
    since_ns = now_ns - patience
    return [
        one.end_ns
        for one in known
        if max(one.received_ns, started_ns) > since_ns
        and one.end_ns > newest_ns - FARTHEST_BEHIND_NS
    ]


def patience_ns(window_ns: int) -> int:
    """Return for how long to wait for the windows of an agent, in nanoseconds of wall time."""
    return max(PATIENCE_WINDOWS * window_ns, PATIENCE_NS)


def believed(heard: Sequence[HeardRecord], now_ns: int, silent_ns: int) -> list[HeardRecord]:
    """Return the agents whose windows tell how far time has gone on, without tables.

    An agent is ahead if its newest window ends more than `AHEAD_NS` after now. It counts only if no
    agent with windows near the present still sends, such as after a deployment. Then its newest
    window counts as one that ends now, so that agents with the right time can return. If all agents
    are ahead, they are returned as they are.

    Args:
        heard: How far the windows of each agent, and of tables, have arrived.
        now_ns: Wall time now.
        silent_ns: Wall time without an arrival until an agent no longer sends.
    """
    agents = [one for one in heard if one.agent != TABLES]
    latest_ns = now_ns + AHEAD_NS
    timely = [one for one in agents if one.end_ns <= latest_ns]
    if not timely:
        return agents
    near_ns = now_ns - max(FARTHEST_BEHIND_NS, silent_ns)
    near = (one.received_ns for one in timely if one.end_ns > near_ns)
    stopped_ns = max(near, default=0) + silent_ns
    ahead = [one for one in agents if one.end_ns > latest_ns and one.received_ns > stopped_ns]
    return timely + [replace(one, end_ns=now_ns) for one in ahead]
