"""Rolls samples up in the background, and removes what is too old, on one thread.

The store remembers which parts are stale. So nothing is lost if the collector ends at any time, and
after a pause the worker goes on where it was.
"""

import logging
import threading
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter

from nilometer.values.clock import Clock
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.rollups.merging import Merging
from nilometer_collector.store import ROLLED_UP, Level, RollUp, Store

MOST_PARTS = 128  # parts in one step
IDLE_SECONDS = 5.0  # time between two looks for due parts
RETIRE_SECONDS = 60.0  # time between two looks for days that are too old
PAUSE_SECONDS = 30.0  # time after a failure

log = logging.getLogger("nilometer.collector")


class RollUpWorker:
    """Rolls up the samples of one store, on its own thread.

    Args:
        store: Store of the samples.
        keep_ns: Time in nanoseconds to keep each level, counted from the arrival.
        clock: Clock for the wall time.
        counters: Counters of rolled up parts and of samples left out.
    """

    def __init__(
        self, store: Store, keep_ns: Mapping[Level, int], clock: Clock, counters: Counters
    ) -> None:
        self._store = store
        self._keep_ns = keep_ns
        self._clock = clock
        self._counters = counters
        self._edges = ReferenceEdges(store.references)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-rollup", daemon=True)

    def start(self) -> None:
        """Start to roll up, beginning with parts of an earlier run."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Finish the running step and end; other parts stay stale. Safe to repeat."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def roll_up(self) -> int:
        """Roll up the parts that are due, at most `MOST_PARTS` of each level; return their number.

        A level waits until the finer ones have nothing left to do, so that it is rolled up once.
        """
        done = 0
        for level in ROLLED_UP:
            rolled = self._roll_up(level)
            done += rolled
            if rolled >= MOST_PARTS:
                break
        return done

    def retire(self) -> int:
        """Remove some of what is too old; return the number of removed rows."""
        removed = self._store.rollups.retire(self._clock.now_ns(), self._keep_ns)
        self._counters.add(Counter.ROWS_RETIRED, removed)
        return removed

    def _roll_up(self, level: Level) -> int:
        stored = self._store.rollups
        stale = stored.take(level, self._clock.now_ns(), MOST_PARTS)
        rolled: list[RollUp] = []
        left_out = 0
        for one, pages in groupby(stored.samples(stale), itemgetter(0)):
            merging = Merging(one, self._edges.of(one.part.entity))
            for _, payloads in pages:
                if self._stopping.is_set():
                    return 0
                merging.add(payloads)
            rolled.append(merging.finish())
            left_out += merging.left_out
        done = stored.put(rolled, self._clock.now_ns()) if rolled else 0
        self._counters.add(Counter.PARTS_ROLLED_UP, done)
        self._counters.add(Counter.SAMPLES_LEFT_OUT, left_out)
        return done

    def _run(self) -> None:
        retire_at = 0.0
        while not self._stopping.is_set():
            started = self._clock.monotonic()
            try:
                done = self.roll_up()
                if started >= retire_at:
                    removed = self.retire()
                    done += removed
                    retire_at = started if removed else started + RETIRE_SECONDS
                # Ingest and queries get at least as much time as the work.
                wait = self._clock.monotonic() - started if done else IDLE_SECONDS
            except StoreUnavailable as error:
                log.warning(
                    "store unavailable, roll-ups will be made later: check the database's disk",
                    extra={"reason": str(error)},
                )
                wait = PAUSE_SECONDS
            except Exception:
                log.exception("internal error in a roll-up, will retry: report this error")
                wait = PAUSE_SECONDS
            self._stopping.wait(wait)
