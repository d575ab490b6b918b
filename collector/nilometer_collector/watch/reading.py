"""Reads stored samples, and counts the cells of base windows.

Counts of agents and label sets add up. A sample belongs to the base window in which it ends, so that
longer windows of agents are counted, too. The order of arrival does not matter.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nilometer.alert.calibrated.columns import Column, Floats
from nilometer.alert.calibrated.counting import Counted, SummaryColumn, added, counts_of
from nilometer.alert.calibrated.episodes import NO_LABELS, PartKey
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.profile import (
    Content,
    FeatureProfile,
    SummarySample,
)
from nilometer.values.entity import PERFORMANCE, is_logged
from nilometer.values.errors import NilometerError
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf
from nilometer.wire.samples import merged_sample_from_bytes, sample_from_bytes
from nilometer_collector.store import Samples, SeriesRecord
from nilometer_collector.store.levels import Level
from nilometer_collector.watch.memory import DAY_NS

MOST_SAMPLES = 20_000  # samples read at once; a larger base window is still read whole
MERGED_AT_ONCE = 500  # samples merged in one pass
MOST_OF_A_WINDOW = 1 << 20  # most samples read from one base window

log = logging.getLogger("nilometer.collector")


@dataclass(frozen=True, slots=True)
class BaseWindow:
    """The counts of a base window.

    Attributes:
        end_ns: End of the window.
        counts: Vector of each subject that had data.
        has_data: Whether any sample ended in the window, counted or not.
    """

    end_ns: int
    counts: Mapping[PartKey, Floats] = field(default_factory=dict)
    has_data: bool = False


class Reader:
    """Reads the samples of one entity.

    Args:
        samples: Stored samples.
        edges_of: Function that finds the edges of the entity's references by id.
        level: Level of resolution to read. Roll-ups are faster to read; samples as shipped have
            the same counts before and after they are rolled up.
    """

    def __init__(self, samples: Samples, edges_of: EdgesOf, level: Level = Level.SHIPPED) -> None:
        self._samples = samples
        self._level = level
        self._edges_of = edges_of
        self._wants_digest = False  # whether the last sample was counted by its t-digest

    def contents(
        self, series: Sequence[SeriesRecord], start_ns: int, end_ns: int
    ) -> Iterator[Content]:
        """Read the contents of one summary that end in ``(start_ns, end_ns]``, merged in parts."""
        waiting: list[bytes] = []
        for _, payloads in self.payloads(series, start_ns, end_ns):
            waiting += payloads
            if len(waiting) >= MERGED_AT_ONCE:
                yield from self._merged(waiting, start_ns, end_ns)
                waiting = []
        yield from self._merged(waiting, start_ns, end_ns)

    def _merged(self, payloads: Sequence[bytes], start_ns: int, end_ns: int) -> Iterator[Content]:
        """Merge samples in one pass; if that fails, merge each sample separately."""
        if not payloads:
            return
        try:
            window = Window(start_ns, end_ns)
            yield merged_sample_from_bytes(payloads, window, NO_LABELS, self._edges_of).content
            return
        except (ValueError, NilometerError):
            pass
        for payload in payloads:
            sample = self._sample(payload, digest=True)
            if sample is not None:
                yield sample.content

    def base_windows(
        self,
        series: Sequence[SeriesRecord],
        columns: Mapping[str, SummaryColumn],
        start_ns: int,
        end_ns: int,
    ) -> Iterator[BaseWindow]:
        """Count the cells of each base window of ``(start_ns, end_ns]`` that has data, in order."""
        for window_end_ns, payloads in self.payloads(series, start_ns, end_ns):
            counts = self.counts(payloads, columns)
            yield BaseWindow(window_end_ns, counts, has_data=True)

    def counts(
        self, payloads: Sequence[bytes], columns: Mapping[str, SummaryColumn]
    ) -> dict[PartKey, Floats]:
        """Return the counts of each subject in the samples of a base window, given by `payloads`."""
        parts: dict[PartKey, list[tuple[float, Floats]]] = {}
        for payload in payloads:
            for one in self._counted(payload, columns):
                for key in {PartKey(one.summary), PartKey(one.summary, one.labels)}:
                    parts.setdefault(key, []).append((one.share, one.vector))
        return {key: added(vectors) for key, vectors in parts.items()}

    def samples(
        self, series: Sequence[SeriesRecord], start_ns: int, end_ns: int
    ) -> Iterator[tuple[int, list[SummarySample]]]:
        """Read the samples that end in ``(start_ns, end_ns]``, by the end of their base window."""
        for window_end_ns, payloads in self.payloads(series, start_ns, end_ns):
            found = (self._sample(payload, digest=True) for payload in payloads)
            yield window_end_ns, [sample for sample in found if sample is not None]

    def next_data_ns(self, series: Sequence[SeriesRecord], start_ns: int, end_ns: int) -> int:
        """Return a late time in [*start_ns*, *end_ns*] such that no sample ends before it.

        It is a multiple of the base window if both arguments are.
        """
        step = DAY_NS
        while start_ns < end_ns:
            until = min(start_ns + step, end_ns)
            if self._samples.size(series, start_ns, until, 1).samples:
                return start_ns
            start_ns, step = until, 2 * step
        return end_ns

    def payloads(
        self, series: Sequence[SeriesRecord], start_ns: int, end_ns: int
    ) -> Iterator[tuple[int, list[bytes]]]:
        """Read the samples that end in ``(start_ns, end_ns]``, by the end of their base window.

        They are sorted by their bytes, so that results are repeatable.
        """
        step = 12 * BASE_NS
        while start_ns < end_ns:
            until = min(start_ns + step, end_ns)
            limit = MOST_SAMPLES if step > BASE_NS else MOST_OF_A_WINDOW
            found = self._samples.read(series, start_ns, until, limit, self._level)
            if sum(map(len, found)) >= limit and step > BASE_NS:
                step = max(step // 2 // BASE_NS * BASE_NS, BASE_NS)
                continue
            windows: dict[int, list[bytes]] = {}
            for stretch in found:
                for end, payload in zip(stretch.ends, stretch.payloads, strict=True):
                    if start_ns < end <= until:
                        windows.setdefault(-(-end // BASE_NS) * BASE_NS, []).append(payload)
            for end, payloads in sorted(windows.items()):
                yield end, sorted(payloads)
            start_ns = until
            if not windows:  # long gaps are crossed quickly
                step *= 2

    def _counted(self, payload: bytes, columns: Mapping[str, SummaryColumn]) -> Iterator[Counted]:
        """Yield the counts of each column that the sample in *payload* holds."""
        has_digest = self._wants_digest
        sample = self._sample(payload, digest=has_digest)
        if sample is None:
            return
        counted, content = columns.get(sample.summary), sample.content
        if counted is not None and isinstance(content, FeatureProfile):
            self._wants_digest = _needs_digest(content, counted.column)
            if self._wants_digest and not has_digest:
                sample = self._sample(payload, digest=True)
        if sample is not None:
            yield from counts_of(sample, columns)

    def _sample(self, payload: bytes, *, digest: bool) -> SummarySample | None:
        """Decode a stored sample; log an error and return None if it cannot be decoded."""
        try:
            return sample_from_bytes(payload, self._edges_of, digest=digest)
        except (ValueError, NilometerError):
            pass
        try:  # the reference with its edges was deleted: the t-digest is enough
            return sample_from_bytes(payload)
        except (ValueError, NilometerError) as error:
            log.error(  # noqa: TRY400
                "stored sample cannot be decoded, not judged: install the package of its content "
                "type",
                extra={"reason": type(error).__name__},
            )
            return None


def _needs_digest(content: FeatureProfile, column: Column) -> bool:
    """Return whether numbers of *content* are not counted on the edges of *column*."""
    numbers = content.numbers
    if not numbers.count or not (column.edges or column.bins):
        return False
    return numbers.binned is None or numbers.binned.edges != column.edges


def without_gaps(windows: Iterable[BaseWindow], start_ns: int, end_ns: int) -> Iterator[BaseWindow]:
    """Yield *windows* and, for each other base window of ``(start_ns, end_ns]``, an empty one.

    Args:
        windows: Base windows with data, in order.
        start_ns: Start of the first base window, Unix nanoseconds.
        end_ns: End of the last one.
    """
    at_ns = start_ns
    for window in windows:
        for empty_ns in range(at_ns + BASE_NS, window.end_ns, BASE_NS):
            yield BaseWindow(empty_ns)
        at_ns = window.end_ns
        yield window
    for empty_ns in range(at_ns + BASE_NS, end_ns + 1, BASE_NS):
        yield BaseWindow(empty_ns)


def watched_series(samples: Samples, entity: str) -> list[SeriesRecord]:
    """Return the series of *entity* that alerters judge: all except logged ones and performance.

    Users log whenever they measure, and ground truth comes whenever it is known. So a window without
    samples means nothing.
    """
    return [
        one
        for one in samples.series(entity)
        if one.summary != PERFORMANCE and not is_logged(one.summary)
    ]
