"""Roll-ups of a store without a running collector."""

from collections.abc import Mapping

from nilometer.profile import FeatureProfile, SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import sample_from_bytes
from nilometer_collector.counters import Counters
from nilometer_collector.rollups.worker import RollUpWorker
from nilometer_collector.store import LEVELS, ROLLED_UP, Level, SampleRecord, Store

DAY_NS = Level.DAY.length_ns
MINUTE_NS = 60 * 10**9
END_NS = 1 << 62
KEEP_NS = {level: days * DAY_NS for level, days in zip(LEVELS, (2, 35, 400, 1826), strict=True)}


class Rolling:
    """A roll-up worker for *store*, at times that a test chooses."""

    def __init__(self, store: Store, keep_ns: Mapping[Level, int] = KEEP_NS) -> None:
        self.clock = SteppedClock()
        self.counters = Counters()
        self.worker = RollUpWorker(store, keep_ns, self.clock, self.counters)

    def roll_up(self, now_ns: int) -> int:
        """Roll up all parts that are due at *now_ns*."""
        self.clock.wall_ns = now_ns
        done = 0
        while more := self.worker.roll_up():
            done += more
        return done

    def roll_up_all(self, now_ns: int) -> int:
        """Roll up all parts that are due at *now_ns*, then the coarser levels."""
        return sum(self.roll_up(now_ns + step * MINUTE_NS) for step in range(len(ROLLED_UP)))

    def retire(self, now_ns: int) -> int:
        """Remove all expired data at *now_ns*; the first call only decides what to remove."""
        self.clock.wall_ns = now_ns
        removed = self.worker.retire()
        while more := self.worker.retire():
            removed += more
        return removed


def read(store: Store, level: Level, start_ns: int = 0, end_ns: int = END_NS) -> list[SampleRecord]:
    """Read all samples of *store* at *level*, by window."""
    found = store.samples.read(store.samples.series(), start_ns, end_ns, 100_000, level)
    return sorted((one for each in found for one in each.records()), key=lambda one: one[:4])


def merged(records: list[SampleRecord]) -> SummarySample:
    """Merge *records* into one sample."""
    samples = [sample_from_bytes(record.payload) for record in records]
    return SummarySample.merge_all(samples, Window(0, END_NS), Labels())


def exact(records: list[SampleRecord]) -> object:
    """Return the values of the merged *records* that are bit-identical at every level."""
    sample = merged(records)
    content = sample.content
    assert isinstance(content, FeatureProfile)
    numbers = content.numbers
    counts = (numbers.count, numbers.nan, numbers.zero, numbers.negative, content.missing)
    return sample.coverage, counts, content.types, numbers.histogram, numbers.digest.count
