"""Reads the stored windows of series, merged over all agents, in the order of their ends."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nilometer.profile import SummarySample
from nilometer.values.window import Window
from nilometer.wire.contents.codec import EdgesOf
from nilometer_collector.query.merging import merged_payloads
from nilometer_collector.store import Level, Samples, SeriesRecord

STEP_NS = Level.HOUR.length_ns  # time that is read at once
MOST_AT_ONCE = 200_000  # most samples read at once


class MergedWindow(NamedTuple):
    """A window of a series, merged over all agents."""

    series: SeriesRecord
    sample: SummarySample


def merged_windows(
    samples: Samples,
    series: Sequence[SeriesRecord],
    start_ns: int,
    end_ns: int,
    edges_of: EdgesOf,
) -> Iterator[list[MergedWindow]]:
    """Read the windows that end in ``(start_ns, end_ns]``, some at once, ordered by their ends.

    Args:
        samples: Stored samples.
        series: Series to read.
        start_ns: Time after which the windows end.
        end_ns: Time up to which they end.
        edges_of: Function that finds the edges of references.
    """
    known = {one.id: one for one in series}
    step_ns = STEP_NS
    while known and start_ns < end_ns:
        until_ns = min(start_ns + step_ns, end_ns)
        groups: dict[tuple[int, Window], list[bytes]] = {}
        for stretch in samples.read(series, start_ns, until_ns, MOST_AT_ONCE):
            for record in stretch.records():
                if start_ns < record.window_end_ns <= until_ns:
                    window = Window(record.window_start_ns, record.window_end_ns)
                    groups.setdefault((record.series, window), []).append(record.payload)
        found = []
        ordered = sorted(groups, key=lambda key: (key[1].end_ns, known[key[0]].summary, key[0]))
        for identity, window in ordered:
            labels = known[identity].labels
            sample = merged_payloads(groups[identity, window], window, labels, edges_of)
            if sample is not None:
                found.append(MergedWindow(known[identity], sample))
        if found:
            yield found
        step_ns = STEP_NS if groups else 2 * step_ns  # long gaps are crossed quickly
        start_ns = until_ns


def merged_sample(
    samples: Samples,
    series: Sequence[SeriesRecord],
    window: Window,
    edges_of: EdgesOf,
    level: Level = Level.SHIPPED,
    hour: int | None = None,
) -> SummarySample | None:
    """Return all samples of *series* inside *window* as one; None without any.

    Args:
        samples: Stored samples.
        series: Series to read.
        window: Time to read.
        edges_of: Function that finds the edges of references.
        level: Level to read.
        hour: Hour of the day, UTC, to which the samples are limited; None for all hours.
    """
    if not series:
        return None
    payloads = []
    for stretch in samples.read(series, window.start_ns, window.end_ns, MOST_AT_ONCE, level):
        for record in stretch.records():
            inside = window.start_ns <= record.window_start_ns <= record.window_end_ns
            if not inside or record.window_end_ns > window.end_ns:
                continue
            if hour is None or record.window_start_ns // STEP_NS % 24 == hour:
                payloads.append(record.payload)
    if not payloads:
        return None
    return merged_payloads(payloads, window, series[0].labels, edges_of)
