"""The thread that rolls samples up in the background, and removes old samples.

The store remembers which parts are stale. So nothing is lost if the collector ends at any time; the
worker goes on where it stopped.
"""

import logging
from collections.abc import Mapping, Sequence
from itertools import chain, groupby, islice, takewhile
from operator import itemgetter

from nilometer.values.clock import Clock, SystemClock
from nilometer_collector.background import Background, Pause
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.rollups.merging import Merged, Read, merged, merged_in_pages
from nilometer_collector.store import ROLLED_UP, Level, Store

MOST_TOGETHER = 512  # most samples of small parts to decode together
MOST_BYTES = 4 << 20  # approximate bytes of small parts to decode together, and of roll-ups to put
MOST_PARTS = 128  # most parts in one step
IDLE_SECONDS = 5.0  # time between two checks for due parts
RETIRE_SECONDS = 60.0  # time between two removals of old days
PAUSE_SECONDS = 30.0  # time to wait after a failure
KEEP_PREDICTIONS_NS = 35 * Level.DAY.length_ns
REAL = SystemClock()  # the worker waits in real time, so it measures its work in real time

log = logging.getLogger("nilometer.collector")


class RollUpWorker:
    """Rolls up the samples of one store, on its own `thread`, beginning with those of earlier runs.

    Args:
        store: Store of the samples.
        keep_ns: Time in nanoseconds to keep each level, counted from the arrival.
        clock: Clock for the wall time.
        counters: Counters of rolled up parts and of samples left out.
        keep_predictions_ns: Time in nanoseconds to keep logged predictions, counted from the arrival.
    """

    def __init__(
        self,
        store: Store,
        keep_ns: Mapping[Level, int],
        clock: Clock,
        counters: Counters,
        keep_predictions_ns: int = KEEP_PREDICTIONS_NS,
    ) -> None:
        self._store = store
        self._keep_ns = keep_ns
        self._keep_predictions_ns = keep_predictions_ns
        self._clock = clock
        self._counters = counters
        self._edges = ReferenceEdges(store.references)
        self._retire_at = 0.0
        self.thread = Background(
            "rollup",
            self._step,
            after_error=Pause(PAUSE_SECONDS),
            unavailable="store unavailable, roll-ups will be made later: check the database's disk",
            failed="internal error in a roll-up, will retry: report this error",
        )

    def roll_up(self) -> int:
        """Roll up the parts that are due, at most `MOST_PARTS` of each level; return their number.

        A level waits until all finer levels are done, so that each part is rolled up once.
        """
        done = 0
        for level in ROLLED_UP:
            rolled = self._roll_up(level)
            done += rolled
            if rolled >= MOST_PARTS:
                break
        return done

    def retire(self) -> int:
        """Remove some expired rows; return their number."""
        now_ns = self._clock.now_ns()
        removed = self._store.rollups.retire(now_ns, self._keep_ns)
        self._counters.add(Counter.ROWS_RETIRED, removed)
        predictions = self._store.predictions.retire(now_ns, self._keep_predictions_ns)
        self._counters.add(Counter.PREDICTIONS_RETIRED, predictions)
        return removed + predictions

    def _step(self) -> Pause:
        started, began = self._clock.monotonic(), REAL.monotonic()
        done = self.roll_up()
        if started >= self._retire_at:
            removed = self.retire()
            done += removed
            self._retire_at = started if removed else started + RETIRE_SECONDS
        # Ingest and queries get at least as much real time as the work.
        return Pause(REAL.monotonic() - began if done else IDLE_SECONDS)

    def _roll_up(self, level: Level) -> int:
        stored = self._store.rollups
        stale = stored.take(level, self._clock.now_ns(), MOST_PARTS)
        done = 0
        results: list[Merged] = []
        small: list[Read] = []
        for one, pages in groupby(stored.samples(stale), itemgetter(0)):
            edges_of = self._edges.of(one.part.entity)
            first = [payloads for _, payloads in islice(pages, 2)]
            if len(first) == 1:
                small.append(Read(one, first[0], edges_of))
            else:
                rest = (payloads for _, payloads in pages)
                wanted = takewhile(lambda _: not self.thread.is_stopping, chain(first, rest))
                results.append(merged_in_pages(one, wanted, edges_of))
            if _is_enough(small):
                results.append(merged(small))
                small = []
            if self.thread.is_stopping:
                return done
            if sum(one.bytes for one in results) >= MOST_BYTES:
                done += self._put(results)
                results = []
        return done + self._put([*results, merged(small)])

    def _put(self, results: Sequence[Merged]) -> int:
        """Store roll-ups; return the number of parts."""
        rolled = [one for result in results for one in result.rolled]
        done = self._store.rollups.put(rolled, self._clock.now_ns()) if rolled else 0
        self._counters.add(Counter.PARTS_ROLLED_UP, done)
        self._counters.add(Counter.SAMPLES_LEFT_OUT, sum(one.left_out for one in results))
        return done


def _is_enough(small: Sequence[Read]) -> bool:
    """Return whether the parts in *small* are enough to be merged together."""
    payloads = [payload for read in small for payload in read.payloads]
    return len(payloads) >= MOST_TOGETHER or sum(map(len, payloads)) >= MOST_BYTES
