"""Reads merged samples of many series at once, within a bound for the whole answer."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from nilometer.profile import SummarySample
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import Together, merged_samples_from_bytes
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.query.merging import merged_payloads
from nilometer_collector.query.spans import spans_of
from nilometer_collector.store import LEVELS, Level, SeriesRecord, Store, Stretch

MOST_SAMPLES = 6_000  # stored samples that are read for one answer

K = TypeVar("K", bound=Hashable)
KeyOf = Callable[[SeriesRecord], K]


class Reader:
    """Reads the samples of one entity for one answer. Not thread-safe.

    Args:
        store: Store of the samples.
        edges: Edges of all references.
        entity: Name of the entity.

    Attributes:
        left: Number of stored samples that may still be read.
    """

    def __init__(self, store: Store, edges: ReferenceEdges, entity: str) -> None:
        self._store = store
        self._edges_of = edges.of(entity)
        self.entity = entity
        self.left = MOST_SAMPLES
        self.series: Sequence[SeriesRecord] = store.samples.series(entity)

    def of(self, summary: str) -> list[SeriesRecord]:
        """Return the series of one summary."""
        return [one for one in self.series if one.summary == summary]

    def size(self, series: Sequence[SeriesRecord], windows: Sequence[Window]) -> int:
        """Return the number of stored samples of *series* in *windows*, at most one more than `left`."""
        total = 0
        for window in windows:
            for span in spans_of(window.start_ns, window.end_ns, _UP_TO_HOURS):
                limit = self.left + 1 - total
                if limit <= 0 or not series:
                    return total
                total += self._store.samples.size(
                    series, span.start_ns, span.end_ns, limit, span.level
                ).samples
        return total

    def has_samples(self, series: Sequence[SeriesRecord], window: Window) -> bool:
        """Return whether any of *series* has a sample in *window*."""
        held = [
            one
            for one in series
            if one.first_start_ns < window.end_ns and one.last_end_ns > window.start_ns
        ]
        return bool(held) and any(
            self._store.samples.size(held, span.start_ns, span.end_ns, 1, span.level).samples
            for span in spans_of(window.start_ns, window.end_ns, _UP_TO_HOURS)
        )

    def merged(
        self, series: Sequence[SeriesRecord], window: Window, key_of: KeyOf[K]
    ) -> dict[K, SummarySample]:
        """Return the samples of *series* in *window*, merged by key.

        Args:
            series: Series to read.
            window: Time to read, whole base windows.
            key_of: Function that returns the key of a series. Only series of one summary may share it.
        """
        keys = {one.id: key_of(one) for one in series}
        payloads: dict[K, list[bytes]] = defaultdict(list)
        for stretch in self._stretches(series, window, _UP_TO_HOURS):
            payloads[keys[stretch.series]] += stretch.payloads
        return self._merged({key: (window, some) for key, some in payloads.items()})

    def by_window(
        self, series: Sequence[SeriesRecord], window: Window, length_ns: int
    ) -> dict[tuple[int, Labels], SummarySample]:
        """Return the samples of one summary by start of a window of *length_ns* and by labels."""
        labels = {one.id: one.labels for one in series}
        payloads: dict[tuple[int, Labels], list[bytes]] = defaultdict(list)
        for stretch in self._stretches(series, window, _UP_TO_MINUTES):
            for start, payload in zip(stretch.starts, stretch.payloads, strict=True):
                payloads[start - start % length_ns, labels[stretch.series]].append(payload)
        return self._merged(
            {
                key: (Window(key[0], key[0] + length_ns), some)
                for key, some in sorted(payloads.items())
            }
        )

    def _stretches(
        self, series: Sequence[SeriesRecord], window: Window, levels: Sequence[Level]
    ) -> list[Stretch]:
        found: list[Stretch] = []
        for span in spans_of(window.start_ns, window.end_ns, levels):
            if not series or self.left <= 0:
                break
            some = self._store.samples.read(
                series, span.start_ns, span.end_ns, self.left, span.level
            )
            self.left -= sum(map(len, some))
            found += some
        return found

    def _merged(self, groups: Mapping[K, tuple[Window, Sequence[bytes]]]) -> dict[K, SummarySample]:
        """Return the merged samples of each group; the t-digests of all groups are decoded together.

        If a sample cannot be decoded or merged, each group is merged by itself, without that sample.
        """
        together = [
            Together(some, window, Labels(), self._edges_of) for window, some in groups.values()
        ]
        try:
            return dict(zip(groups, merged_samples_from_bytes(together), strict=True))
        except (ValueError, NilometerError):
            pass
        found = {
            key: merged_payloads(some, window, Labels(), self._edges_of)
            for key, (window, some) in groups.items()
        }
        return {key: sample for key, sample in found.items() if sample is not None}


_UP_TO_HOURS = LEVELS[: LEVELS.index(Level.HOUR) + 1]
_UP_TO_MINUTES = LEVELS[: LEVELS.index(Level.FIVE_MINUTES) + 1]
