"""Counts of segments: failed requests, and the share of a feature that changed most."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from nilometer.causes import FeatureSides, Segment, SegmentRate
from nilometer.causes.movement import Moved, counted_in, movements_of
from nilometer.profile import (
    Content,
    FeatureProfile,
    ReferenceColumn,
    ServiceProfile,
    SummarySample,
)
from nilometer.values.entity import SERVICE
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.causes.reading import Reader
from nilometer_collector.store import SeriesRecord

MOST_SERIES = 256  # label sets of one summary
Counts = tuple[float, float]  # counted rows, and all rows


def rates(
    reader: Reader, now: Window, before: Sequence[Window], leads: Sequence[FeatureSides]
) -> list[SegmentRate]:
    """Return the failures of the service, and the moved share of each of *leads*, by segment."""
    found = [_rate(reader, SERVICE, "of the requests fail", now, before, _failures)]
    moved = movements_of(leads)
    for sides in leads:
        movement = moved[sides.summary]
        if movement is None or not movement.strength:
            continue
        told = movement.told
        what = f"of the {told.of} of {sides.summary} are {told.where}"
        count = partial(_moved, told, sides.column)
        found.append(_rate(reader, sides.summary, what, now, before, count))
    return [one for one in found if one is not None]


def _moved(told: Moved, column: ReferenceColumn, content: Content) -> Counts:
    if not isinstance(content, FeatureProfile):
        return 0.0, 0.0
    return counted_in(told, column, content)


def _failures(content: Content) -> Counts:
    if not isinstance(content, ServiceProfile):
        return 0.0, 0.0
    return float(content.failures), float(content.count)


def _rate(
    reader: Reader,
    summary: str,
    what: str,
    now: Window,
    before: Sequence[Window],
    count: Callable[[Content], Counts],
) -> SegmentRate | None:
    """Return a share by every label value; None without a label that has several values."""
    series = [one for one in reader.of(summary) if len(one.labels)]
    values: dict[str, set[str]] = defaultdict(set)
    for one in series:
        for key, value in one.labels:
            values[key].add(value)
    keys = {key for key, known in values.items() if len(known) > 1}
    if not keys or len(series) > MOST_SERIES:
        return None
    if reader.size(series, [now, *before]) > reader.left:
        return None
    current = _by_value(reader.merged(series, now, _labels), keys, count)
    past: dict[tuple[str, str], Counts] = {}
    for window in before:
        for pair, (part, rows) in _by_value(
            reader.merged(series, window, _labels), keys, count
        ).items():
            known = past.get(pair, (0.0, 0.0))
            past[pair] = known[0] + part, known[1] + rows
    segments = [
        Segment(
            key=key,
            value=value,
            before=past.get((key, value), (0.0, 0.0))[0],
            before_rows=past.get((key, value), (0.0, 0.0))[1],
            now=part,
            now_rows=rows,
        )
        for (key, value), (part, rows) in sorted(current.items())
    ]
    return SegmentRate(what=what, summary=summary, segments=segments)


def _labels(series: SeriesRecord) -> Labels:
    return series.labels


def _by_value(
    samples: Mapping[Labels, SummarySample], keys: Iterable[str], count: Callable[[Content], Counts]
) -> dict[tuple[str, str], Counts]:
    """Return the counts of each (label key, value), added over label sets."""
    found: dict[tuple[str, str], Counts] = {}
    wanted = set(keys)
    for labels, sample in samples.items():
        part, rows = count(sample.content)
        for pair in labels:
            if pair[0] in wanted:
                known = found.get(pair, (0.0, 0.0))
                found[pair] = known[0] + part, known[1] + rows
    return found
