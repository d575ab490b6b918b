"""Fits the baselines of a summary of performance, from its mature windows.

Counts are read anew at each fit, because labels that arrived later have revised the windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from nilometer.alert.calibrated.baseline import window_length
from nilometer.alert.calibrated.counting import SummaryColumn, is_pooled
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.watch.fitting import MOST_SEGMENTS, Kept, fitted, must_reset
from nilometer_collector.watch.labelled.columns import (
    merged_rows,
    performance_column,
    performance_vector,
)
from nilometer_collector.watch.labelled.windows import (
    LabelledWindow,
    PerformanceReader,
    joined_windows,
)
from nilometer_collector.watch.memory import DAY_NS, LEARNED_DAYS, Book, Watched
from nilometer_collector.watch.normals import Spans
from nilometer_collector.watch.performance_memory import PerformanceMemory

BLOCK = 12  # base windows that are decided together before a baseline is learned: an hour
LENGTHS = (1, 2, 6, 12, 24, 72, 288)  # window lengths, each of which divides the next


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceFit:
    """The result of a fit.

    Attributes:
        book: All subjects of the entity, with the new baselines of the summary.
        reset: Subjects whose evidence starts again.
    """

    book: Book
    reset: frozenset[PartKey]


def length_of(book: Book, reader: PerformanceReader) -> int:
    """Return the number of base windows of the summary that are decided together."""
    pooled = PartKey(reader.summary)
    known = next((one for one in book.performance if one.key == pooled), None)
    if known is not None and known.baseline is not None:
        return known.length
    least = max(BLOCK, reader.shortest)
    return next((length for length in LENGTHS if length >= least), LENGTHS[-1])


def must_fit(memory: PerformanceMemory) -> bool:
    """Return whether the baselines are a day old, in the time of judged windows."""
    if memory.end_ns < memory.live_ns or memory.end_ns - memory.begun_ns < DAY_NS:
        return False
    return memory.end_ns - memory.fitted_ns >= DAY_NS


def fit(
    reader: PerformanceReader,
    memory: PerformanceMemory,
    book: Book,
    spans: Spans,
    rule: WatchRule,
    least_share: float,
) -> PerformanceFit:
    """Fit the baselines of the summary of *reader*, from the windows up to ``memory.end_ns``.

    Args:
        reader: Reader of the summary.
        memory: How far it is judged.
        book: All subjects of the entity.
        spans: Drifts, which baselines do not learn from.
        rule: Settings for the entity.
        least_share: Smallest share of labels of a block that is learned from.
    """
    before = {one.key: one for one in book.performance if one.key.summary == reader.summary}
    others = tuple(one for one in book.performance if one.key.summary != reader.summary)
    keys, is_moved = _keys(reader), book.in_other_zone(rule.time_zone)
    if not is_moved and all(key in before and before[key].frozen for key in keys):
        return PerformanceFit(book=book, reset=frozenset())
    begun_ns = max(memory.begun_ns, memory.end_ns - LEARNED_DAYS * DAY_NS)
    windows = _mature(reader, length_of(book, reader), least_share, begun_ns, memory.end_ns)
    counted = next((one.counted for one in before.values()), None) or _learned(reader, windows)
    if counted is None:
        return PerformanceFit(book=book, reset=frozenset())
    shortest, slot = reader.shortest, book.next_slot
    after, reset = [], set()
    for key in keys:
        one = before.get(key) or Watched(key=key, slot=slot, counted=counted)
        slot += key not in before
        found = one
        if is_moved or not one.frozen:
            kept: Kept = {
                window.end_ns: {one.slot: _counts(one, window)}
                for window in windows
                if key in window.rows
            }
            length = partial(window_length, shortest=shortest, lengths=LENGTHS)
            found = fitted(one, kept, memory.end_ns, spans, rule, length)
            if key not in before or must_reset(one, found, rule):
                reset.add(key)
        shortest = found.length if is_pooled(key) else shortest
        after.append(found)
    performance = tuple(sorted((*others, *after), key=lambda one: one.key))
    return PerformanceFit(
        book=replace(book, performance=performance, next_slot=slot), reset=frozenset(reset)
    )


def _keys(reader: PerformanceReader) -> list[PartKey]:
    """Return all traffic, and then the label sets with the most rows."""
    labelled = sorted(reader.series, key=lambda one: (-one.seen, one.labels.pairs))
    some = [PartKey(reader.summary, one.labels) for one in labelled if len(one.labels)]
    return [PartKey(reader.summary), *(some[:MOST_SEGMENTS] if len(labelled) > 1 else [])]


def _learned(reader: PerformanceReader, windows: Sequence[LabelledWindow]) -> SummaryColumn | None:
    """Return the column of the summary, from its first mature windows."""
    pooled = PartKey(reader.summary)
    rows = merged_rows([window.rows[pooled] for window in windows if pooled in window.rows])
    return None if rows is None else performance_column(reader.summary, rows)


def _counts(one: Watched, window: LabelledWindow) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return performance_vector(one.counted, window.rows[one.key]).astype(np.float32)


def _mature(
    reader: PerformanceReader, length: int, least_share: float, start_ns: int, end_ns: int
) -> list[LabelledWindow]:
    """Return the base windows of all blocks of *length* base windows with enough labels."""
    blocks: dict[int, list[LabelledWindow]] = {}
    for window in reader.windows(start_ns, end_ns):
        blocks.setdefault(-(-window.end_ns // (length * BASE_NS)), []).append(window)
    found = []
    for _, windows in sorted(blocks.items()):
        share = joined_windows(start_ns, end_ns, windows).share(PartKey(reader.summary))
        if share is not None and share >= least_share:
            found += windows
    return found
