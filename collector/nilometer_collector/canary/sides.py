"""Finds the series of a candidate and of the stable side."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from nilometer.values.entity import PERFORMANCE, SCHEMA, is_logged
from nilometer.values.labels import LabelFilter
from nilometer_collector.canary.records import Question
from nilometer_collector.errors import Unknown
from nilometer_collector.store import Samples, SeriesRecord


@dataclass(frozen=True, slots=True)
class Sides:
    """The series of both sides; either may be empty."""

    candidate: Sequence[SeriesRecord]
    stable: Sequence[SeriesRecord]


def sides_of(stored: Samples, question: Question) -> Sides:
    """Return the series of both sides.

    Raises:
        Unknown: If an entity has no data.
    """
    own = _series(stored, question.entity, question.summary)
    if question.candidate_entity not in (None, question.entity):
        other = _series(stored, question.candidate_entity or "", question.summary)
        candidate = _matching(other, question.candidate)
        return Sides(candidate, _matching(own, question.stable))
    chosen = question.candidate or _newest(own, question.newest)
    if chosen is None:
        return Sides((), _matching(own, question.stable))
    candidate = _matching(own, chosen)
    rest = [one for one in own if not chosen.matches(one.labels)]
    return Sides(candidate, _matching(rest, question.stable))


def label_sets(series: Sequence[SeriesRecord]) -> list[str]:
    """List the label sets of *series* as text, each once."""
    return sorted({str(one.labels) for one in series})


def _series(stored: Samples, entity: str, pattern: str) -> list[SeriesRecord]:
    """Return the series to compare, without performance and those that users log."""
    known = stored.series(entity)
    if not known:
        raise Unknown(f"entity {entity!r} has no data")
    judged = (
        one
        for one in known
        if one.summary not in {SCHEMA, PERFORMANCE} and not is_logged(one.summary)
    )
    return [one for one in judged if fnmatchcase(one.summary, pattern)]


def _matching(series: Sequence[SeriesRecord], labels: LabelFilter | None) -> Sequence[SeriesRecord]:
    if labels is None:
        return series
    return [one for one in series if labels.matches(one.labels)]


def _newest(series: Sequence[SeriesRecord], key: str) -> LabelFilter | None:
    """Return the filter of the newest value of *key*; None with fewer than two values."""
    first: dict[str, int] = {}
    for one in series:
        value = one.labels.as_dict().get(key)
        if value is not None:
            first[value] = min(first.get(value, one.first_start_ns), one.first_start_ns)
    if len(first) < 2:
        return None
    newest = max(first, key=lambda value: (first[value], value))
    return LabelFilter.of([(key, newest)])
