"""Finds the series that a query reads, and groups them by label."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from nilometer.values.labels import LabelFilter, Labels
from nilometer.values.nearest import did_you_mean
from nilometer_collector.errors import TooMuch, Unknown
from nilometer_collector.store import Samples, SeriesRecord, label_text

MAX_SERIES = 20_000  # most label sets that one query merges, over all summaries
WILDCARDS = frozenset("*?[")


class Key(NamedTuple):
    """The sort key of a group in an answer."""

    summary: str
    labels: str  # label set as text


@dataclass(frozen=True, slots=True)
class Group:
    """Series of one summary that are merged with each other.

    Attributes:
        labels: Labels of the group: the values of the keys to group by.
        series: Series with these labels.
        first_ns: Start of the oldest window.
        last_ns: End of the newest window.
    """

    key: Key
    labels: Labels
    series: Sequence[SeriesRecord]
    first_ns: int
    last_ns: int


def groups_of(
    stored: Samples,
    entity: str,
    summaries: Sequence[str],
    labels: LabelFilter,
    by: Sequence[str] = (),
) -> list[Group]:
    """Return the groups of matching series, ordered by summary and labels.

    Args:
        stored: Samples of the store.
        entity: Name of the entity.
        summaries: Names of summaries, or patterns such as ``input.*``.
        labels: Filter of the label sets.
        by: Label keys to group by. Series without a key form a group of their own.

    Raises:
        Unknown: If the entity has no data, or a name or pattern matches no summary.
        TooMuch: If too many label sets match.
    """
    known = _series(stored, entity, summaries)
    found: dict[Key, list[SeriesRecord]] = {}
    sets: dict[Key, Labels] = {}
    count = 0
    for one in known:
        if not labels.matches(one.labels):
            continue
        count += 1
        group = Labels(tuple(pair for pair in one.labels.pairs if pair[0] in by))
        key = Key(one.summary, label_text.to_text(group))
        sets[key] = group
        found.setdefault(key, []).append(one)
    if count > MAX_SERIES:
        raise TooMuch(
            f"summary: {count} label sets match, the limit is {MAX_SERIES}: ask for fewer summaries "
            "or labels",
            "summary",
        )
    return [
        Group(
            key,
            sets[key],
            series,
            min(one.first_start_ns for one in series),
            max(one.last_end_ns for one in series),
        )
        for key, series in sorted(found.items())
    ]


def _series(stored: Samples, entity: str, summaries: Sequence[str]) -> list[SeriesRecord]:
    """Return the series of all named summaries, each once."""
    if not any(WILDCARDS.intersection(name) for name in summaries):
        known = [one for name in dict.fromkeys(summaries) for one in stored.series(entity, name)]
        if len({one.summary for one in known}) == len(set(summaries)):
            return known
    every = stored.series(entity)
    names = {one.summary for one in every}
    if not names:
        raise Unknown(f"entity {entity!r} has no data")
    chosen: set[str] = set()
    for asked in summaries:
        matching = {name for name in names if name == asked or fnmatchcase(name, asked)}
        if not matching:
            hint = did_you_mean(asked, sorted(names))
            raise Unknown(f"{entity} has no summary {asked!r}{hint}")
        chosen |= matching
    return [one for one in every if one.summary in chosen]
