"""The types of summaries that users log.

All samples of a summary have one type, so that they merge. The first sample settles it; a later one may
only tell what the earlier ones left open, such as the kind of a column that had no value yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from nilometer.profile import Content, FeatureProfile, ScoreProfile
from nilometer.profile.logged.amounts import Aggregation
from nilometer.profile.logged.logged import Logged, Shape
from nilometer.profile.logged.table import Table
from nilometer_collector.errors import Conflict

FIELDS = ("content.type", "aggregation", "unit")  # of a logged sample, in the order of `LoggedType`
FEATURES = ("categories", "distribution")  # types of a `FeatureProfile`


class LoggedType(NamedTuple):
    """The type of a summary whose samples users log.

    Attributes:
        data_type: Word of the API for the type of its samples, such as ``number``; empty if no sample
            has a value yet.
        aggregation: How its samples are merged; empty if the type decides.
        unit: Unit of its numbers; may be empty.
        shape: Columns of its tables or size of its matrices, if they are merged; else empty.
    """

    data_type: str
    aggregation: str = ""
    unit: str = ""
    shape: Shape = ()


Key: TypeAlias = tuple[str, str]  # entity, summary


class Settled(NamedTuple):
    """The effect of some samples on the types of their summaries.

    Attributes:
        types: Types to store: those that are new or that the samples completed.
        refused: Contradictions of samples that must not be stored, by their sequence.
    """

    types: Mapping[Key, LoggedType]
    refused: Mapping[int, Conflict]


def type_of(content: Content) -> LoggedType:
    """Return the type of a *content*."""
    if isinstance(content, Logged):
        amounts = content.amounts
        shape = () if amounts.aggregation is Aggregation.LAST else content.shape
        return LoggedType(content.kind, amounts.aggregation.value, amounts.unit, shape)
    if isinstance(content, FeatureProfile):
        numbers, categories = content.type_counts
        if not content.count:
            return LoggedType("")
        return LoggedType("categories" if categories > numbers else "distribution")
    return LoggedType("score_histogram" if isinstance(content, ScoreProfile) else content.kind)


def settled(
    known: Mapping[Key, LoggedType], samples: Iterable[tuple[int, Key, LoggedType]]
) -> Settled:
    """Return the effect of *samples*, in order, on the types that are *known*.

    Args:
        known: Stored types of the summaries of the samples; those without one are left out.
        samples: Sequence, summary and type of each sample.
    """
    types: dict[Key, LoggedType] = {}
    refused: dict[int, Conflict] = {}
    for sequence, key, wanted in samples:
        before = types.get(key, known.get(key))
        try:
            after = wanted if before is None else _joined(before, wanted, key[1])
        except Conflict as error:
            refused[sequence] = error
            continue
        if after != before and after.data_type:
            types[key] = after
    return Settled(types, refused)


def _joined(known: LoggedType, wanted: LoggedType, summary: str) -> LoggedType:
    """Return the type of a summary with samples of both types.

    Raises:
        Conflict: If they contradict each other; it names the field of the sample.
    """
    if not wanted.data_type and known.data_type in FEATURES:
        return known
    for field, ours, theirs in zip(FIELDS, wanted, known, strict=False):
        if ours != theirs:
            raise Conflict(f"{field}: is {ours!r}, and {summary} has {theirs!r}", field)
    if not known.shape or not wanted.shape:  # types that were stored earlier have no shape
        return known._replace(shape=known.shape or wanted.shape)
    return known._replace(shape=_joined_shapes(known.shape, wanted, summary))


def _joined_shapes(known: Shape, wanted: LoggedType, summary: str) -> Shape:
    field = "content.columns" if wanted.data_type == Table.kind else "content.rows"
    if len(wanted.shape) != len(known):
        reason = f"{field}: has {len(wanted.shape)}, and {summary} has {len(known)}"
        raise Conflict(reason, field)
    shape = []
    for (name, ours), (known_name, theirs) in zip(wanted.shape, known, strict=True):
        if name != known_name or (ours and theirs and ours != theirs):
            told = f"has {name!r} ({ours}), and {summary} has {known_name!r} ({theirs})"
            raise Conflict(f"{field}: {told}", field)
        shape.append((name, ours or theirs))
    return tuple(shape)


def logged_columns(one: LoggedType) -> tuple[str, str, str, str]:
    """Return the columns of a stored type: data type, aggregation, unit and shape."""
    return (one.data_type, one.aggregation, one.unit, msgspec.json.encode(one.shape).decode())


def logged_type_of(columns: Sequence[str]) -> LoggedType:
    """Return the type in the columns of `logged_columns`."""
    data_type, aggregation, unit, shape = columns
    return LoggedType(data_type, aggregation, unit, msgspec.json.decode(shape, type=Shape))
