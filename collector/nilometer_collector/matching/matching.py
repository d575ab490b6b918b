"""The thread that looks for the predictions of ground truth that waits."""

import logging

from nilometer.values.clock import Clock
from nilometer_collector.background import Background, Pause
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import Conflict, StoreUnavailable
from nilometer_collector.query.definitions import performance_of
from nilometer_collector.store import MOST_ROWS, Store

IDLE_SECONDS = 1.0  # time between two searches
PAUSE_SECONDS = 10.0  # time to wait after a failure

log = logging.getLogger("nilometer.collector")


class Matching:
    """Joins waiting ground truth of one store, on its own `thread`.

    Several collectors may share the store: a row is joined once.

    Args:
        store: Store of predictions and ground truth.
        clock: Clock for wall time.
        counters: Counters of removed labels.
        keep_ns: Time in nanoseconds to keep labels after the end of their windows.
    """

    def __init__(self, store: Store, clock: Clock, counters: Counters, keep_ns: int) -> None:
        self._store = store
        self._clock = clock
        self._counters = counters
        self._keep_ns = keep_ns
        self.thread = Background(
            "match",
            self._turn,
            after_error=Pause(PAUSE_SECONDS),
            unavailable="store unavailable, ground truth that waits is joined later: check the "
            "database's disk",
            failed="internal error in ground truth, will retry: report this error",
        )

    def step(self) -> int:
        """Look for predictions of rows that are due, and remove old labels; return the rows done."""
        now_ns = self._clock.now_ns()
        done = 0
        for entity in self._store.truths.waiting_entities(now_ns):
            try:
                definition = performance_of(self._store, entity)
                done += self._store.truths.join_waiting(definition, now_ns, MOST_ROWS)
            except Conflict:  # its definition was removed: the rows wait for another one
                continue
            except StoreUnavailable:
                raise
            except Exception:  # the other entities go on
                log.exception(
                    "internal error in a join of ground truth, will retry: report this error",
                    extra={"entity": entity},
                )
        removed = self._store.truths.retire(now_ns, self._keep_ns)
        self._counters.add(Counter.LABELS_RETIRED, removed)
        return done + removed

    def _turn(self) -> Pause:
        return Pause(0.0 if self.step() >= MOST_ROWS else IDLE_SECONDS)
