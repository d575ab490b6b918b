"""A store for replays: it reads the real store, and keeps all changes in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nilometer.profile import Reference
from nilometer.profile.reference import LEARNED
from nilometer.wire.references import reference_to_bytes
from nilometer_collector.store import (
    EntityTotals,
    EpisodeStep,
    HeardRecord,
    Level,
    ReferenceRecord,
    References,
    Samples,
    SeriesRecord,
    Size,
    Store,
    Stretch,
    WatchRecord,
    WatchStep,
)
from nilometer_collector.store.watching import Watching


class Overlay:
    """The parts of a store that the default alerter uses.

    Args:
        store: Real store, which is only read.
        begun_ns: Start of the history that the replay reads.
        record: State to start with, or None.
    """

    def __init__(self, store: Store, begun_ns: int, record: WatchRecord | None) -> None:
        self.samples = _History(store.samples, begun_ns)
        self.history = store.history
        self.references = _References(store.references)
        self.watching = _Watching(record, store.watching)


@dataclass(frozen=True, slots=True)
class _History:
    """Samples since a time. It reads roll-ups: same counts per base window, but faster."""

    stored: Samples
    begun_ns: int

    def series(self, entity: str | None = None, summary: str | None = None) -> list[SeriesRecord]:
        return [
            replace(one, first_start_ns=max(one.first_start_ns, self.begun_ns))
            for one in self.stored.series(entity, summary)
            if one.last_end_ns > self.begun_ns
        ]

    def totals(self) -> list[EntityTotals]:
        return self.stored.totals()

    def size(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        limit: int,
        level: Level = Level.SHIPPED,
    ) -> Size:
        start_ns = max(start_ns, self.begun_ns)
        return self.stored.size(series, start_ns, end_ns, limit, _rolled_up(level))

    def read(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        limit: int,
        level: Level = Level.SHIPPED,
    ) -> list[Stretch]:
        start_ns = max(start_ns, self.begun_ns)
        return self.stored.read(series, start_ns, end_ns, limit, _rolled_up(level))

    def read_all(
        self,
        series: Sequence[SeriesRecord],
        start_ns: int,
        end_ns: int,
        most: Size,
        level: Level = Level.SHIPPED,
    ) -> list[Stretch]:
        start_ns = max(start_ns, self.begun_ns)
        return self.stored.read_all(series, start_ns, end_ns, most, _rolled_up(level))


def _rolled_up(level: Level) -> Level:
    return Level.FIVE_MINUTES if level is Level.SHIPPED else level


class _References:
    """References made by users, and the bins that the replay learns."""

    def __init__(self, stored: References) -> None:
        self._stored = stored
        self._learned: dict[str, Reference] = {}

    @property
    def generation(self) -> int:
        return self._stored.generation

    def put(
        self,
        reference: Reference,
        now_ns: int,
        *,
        is_current: bool = True,
        expires_ns: int | None = None,
    ) -> None:
        del now_ns, is_current, expires_ns
        self._learned[reference.entity] = reference

    def records(self, entity: str | None = None, *, current: bool = True) -> list[ReferenceRecord]:
        return self._stored.records(entity, current=current)

    def read(self, record: ReferenceRecord) -> Reference | None:
        learned = self._learned.get(record.entity) if record.name == LEARNED else None
        return learned or self._stored.read(record)

    def packed(self, record: ReferenceRecord) -> bytes | None:
        reference = self.read(record)
        return None if reference is None else reference_to_bytes(reference)


@dataclass
class _Watching:
    """The state, kept windows and changes of episodes, in memory."""

    record: WatchRecord | None
    _stored: Watching
    steps: list[EpisodeStep] = field(default_factory=list)
    _kept: dict[int, bytes] = field(default_factory=dict)

    def entities(self) -> list[str]:
        return []

    def heard(self, entity: str) -> list[HeardRecord]:
        return self._stored.heard(entity)

    def forget_agents(self, before_ns: int) -> None:
        """Do nothing: a replay only reads which agents are known."""

    def hold(self, entity: str) -> bool:
        del entity
        return True

    def load(self, entity: str) -> WatchRecord | None:
        del entity
        return self.record

    def windows(self, entity: str, start_ns: int, end_ns: int) -> list[tuple[int, bytes]]:
        del entity
        return [(end, self._kept[end]) for end in sorted(self._kept) if start_ns < end <= end_ns]

    def save(self, entity: str, step: WatchStep, now_ns: int) -> int:
        del entity, now_ns
        if step.forget is not None:
            first, last = step.forget
            self._kept = {end: row for end, row in self._kept.items() if not first < end <= last}
        self._kept.update(step.windows)
        self.steps += step.episodes
        return sum(one.change is not None for one in step.episodes)

    def report(self, entity: str, report: bytes) -> None:
        """Do nothing: nobody reads the status of a replay."""

    def reports(self, entity: str | None = None) -> list[tuple[str, bytes]]:
        del entity
        return []

    def open_parts(self) -> set[tuple[str, str]]:
        return set()
