"""Tells operators that an agent is newer than the collector, which does not use all that it ships."""

import logging
import threading
from collections import OrderedDict

from nilometer.values.clock import Clock
from nilometer.values.once import HOUR_SECONDS, OnceEvery
from nilometer.wire.services import ShipRequest
from nilometer.wire.unknown_fields import has_unknown_fields

EXAMINED_SECONDS = 300.0  # between two examined shipments of an agent; each costs some milliseconds
MAX_AGENTS = 10_000  # agents that are remembered

log = logging.getLogger("nilometer.collector")


class NewerAgents:
    """Finds agents that ship fields of a newer version. Thread-safe.

    Args:
        clock: Clock for monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hourly = OnceEvery(HOUR_SECONDS)
        self._lock = threading.Lock()
        self._examined: OrderedDict[str, float] = OrderedDict()  # monotonic time by agent

    def see(self, request: ShipRequest) -> bool:
        """Examine *request* if it is due; return whether it has fields that only a newer version knows."""
        if not self._is_due(request.agent) or not has_unknown_fields(request):
            return False
        if self._hourly.due(self._clock.monotonic()):
            log.warning(
                "an agent is newer than this collector, which does not use the new parts of its rows: "
                "update the collector",
                extra={"agent": request.agent},
            )
        return True

    def _is_due(self, agent: str) -> bool:
        at = self._clock.monotonic()
        with self._lock:
            last = self._examined.get(agent)
            if last is not None and at - last < EXAMINED_SECONDS:
                return False
            self._examined[agent] = at
            self._examined.move_to_end(agent)
            if len(self._examined) > MAX_AGENTS:
                self._examined.popitem(last=False)
        return True
