"""Detects two agents that ship under the same name."""

from collections import OrderedDict

from nilometer.values.clock import Clock

DUPLICATE_SECONDS = 60.0  # time after the last conflict for which a name counts as duplicate
MAX_AGENTS = 10_000  # agent names that are remembered
MAX_PROCESSES = 8  # processes remembered for each name


class DuplicateAgents:
    """Detects two processes that ship under one name, because a volume or a setting was copied.

    After a restart, the old process never ships again. If it does ship, both processes are running.
    Not thread-safe.

    Args:
        clock: Clock for monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._current: OrderedDict[str, bytes] = OrderedDict()
        self._replaced: dict[str, list[bytes]] = {}
        self._duplicate_at: dict[str, float] = {}

    def see(self, agent: str, instance: bytes) -> tuple[bool, bool]:
        """Record a call; return whether two processes use the name, and whether this is new.

        Args:
            agent: Name of the agent.
            instance: Random id of the agent's process.
        """
        if not agent or not instance:
            return False, False
        now = self._clock.monotonic()
        current = self._current.get(agent)
        news = False
        if current is not None and instance != current:
            before = self._replaced.setdefault(agent, [])
            if instance in before:
                before.remove(instance)
                news = agent not in self._duplicate_at
                self._duplicate_at[agent] = now
            before.append(current)
            del before[:-MAX_PROCESSES]
        self._current[agent] = instance
        self._current.move_to_end(agent)
        if len(self._current) > MAX_AGENTS:
            gone, _ = self._current.popitem(last=False)
            self._replaced.pop(gone, None)
            self._duplicate_at.pop(gone, None)
        at = self._duplicate_at.get(agent)
        if at is not None and now - at > DUPLICATE_SECONDS:
            del self._duplicate_at[agent]
            at = None
        return at is not None, news
