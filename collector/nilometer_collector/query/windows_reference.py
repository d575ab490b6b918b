"""Computes a reference from stored windows, with edges and dictionaries as uploaded ones have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nilometer.compare import reference_column
from nilometer.profile import Dictionary, FeatureProfile, Reference, ReferenceColumn
from nilometer.profile.category import MASK_PREFIX
from nilometer.profile.reference import INPUT_BINS, LEARNED, OUTPUT_BINS
from nilometer.values.entity import Role, is_logged, role_of
from nilometer.values.times import time_text
from nilometer.wire.references import with_digest
from nilometer_collector.errors import Unknown
from nilometer_collector.query.declared_summaries import declared_edges
from nilometer_collector.query.groups import groups_of
from nilometer_collector.query.series import SeriesReader
from nilometer_collector.query.series_records import Measures, Point, Selection, SeriesQuestion
from nilometer_collector.store import Store

MOST_CHARACTERS = 256  # longest origin of a reference


@dataclass(frozen=True, slots=True)
class WindowsReference:
    """A reference of stored windows.

    Attributes:
        reference: Reference with its digest.
        warnings: A sentence for each summary that is left out.
    """

    reference: Reference
    warnings: Sequence[str]


def reference_of_windows(
    store: Store, reader: SeriesReader, selection: Selection, name: str, created_ns: int
) -> WindowsReference:
    """Return the merged windows of *selection* as a reference.

    The edges of numbers are the declared ones of the summary, else quantiles of the merged t-digest.
    The counts between them are estimated from it. Categories keep the dictionary on which the windows were counted. Without
    one, the dictionary has the readable names.

    Args:
        store: Store of the windows and of earlier references.
        reader: Reader of the same store.
        selection: Windows to merge. Without summaries, all features of the entity.
        name: Name of the reference.
        created_ns: Time of creation, Unix nanoseconds.

    Raises:
        Unknown: If no window with values matches.
        TooMuch: If too many samples of one summary match.
    """
    summaries = selection.summaries or _features(store, selection.entity)
    known = _columns(store, selection.entity)
    edges = declared_edges(store, selection.entity)
    columns: dict[str, ReferenceColumn] = {}
    warnings: list[str] = []
    points = _points(store, reader, replace(selection, summaries=summaries)) if summaries else {}
    for summary, point in points.items():
        feature = point.content
        if not isinstance(feature, FeatureProfile):
            warnings.append(f"{summary} is left out: a reference holds features only")
            continue
        column = _column(summary, feature, known.get(summary, ()), edges.get(summary, ()))
        if column is None:
            warnings.append(
                f"{summary} is left out: the windows have pseudonyms instead of names, and were not "
                "counted on one dictionary: upload a reference, or set readable_categories"
            )
            continue
        columns[summary] = column
    if not columns:
        reason = "; ".join(warnings) or "no window of a feature matches: use a longer time"
        raise Unknown(f"{selection.entity}: {reason}")
    reference = Reference(
        entity=selection.entity,
        name=name,
        rows=max(
            point.coverage.profiled
            for summary, point in points.items()
            if summary in columns and point.coverage is not None
        ),
        created_ns=created_ns,
        source=_source(selection, [points[summary] for summary in columns]),
        columns=columns,
        digest="",
    )
    return WindowsReference(with_digest(reference), warnings)


def _features(store: Store, entity: str) -> list[str]:
    """Return the summaries of all features of *entity*, ascending."""
    names = {one.summary for one in store.samples.series(entity)}
    if not names:
        raise Unknown(f"entity {entity!r} has no data")
    return sorted(name for name in names if role_of(name) is not None and not is_logged(name))


def _columns(store: Store, entity: str) -> Mapping[str, Sequence[ReferenceColumn]]:
    """Return the columns of all versions of all references by summary, the newest first."""
    found: dict[str, list[ReferenceColumn]] = {}
    records = store.references.records(entity, current=False)
    for record in sorted(records, key=lambda one: -one.created_ns):
        reference = None if record.name == LEARNED else store.references.read(record)
        for summary, column in reference.columns.items() if reference is not None else ():
            found.setdefault(summary, []).append(column)
    return found


def _points(store: Store, reader: SeriesReader, selection: Selection) -> dict[str, Point]:
    """Return each summary as one point of the whole time; read one by one, to bound the memory."""
    groups = groups_of(store.samples, selection.entity, selection.summaries, selection.labels)
    measures = Measures(coverage=True)
    found: dict[str, Point] = {}
    for group in groups:
        alone = replace(selection, summaries=(group.key.summary,))
        answer = reader.answer(SeriesQuestion(selection=alone, measures=measures), None)
        found |= {
            one.summary: one.points[0] for one in answer.series if one.summary == group.key.summary
        }
    return found


def _column(
    summary: str,
    feature: FeatureProfile,
    known: Sequence[ReferenceColumn],
    edges: tuple[float, ...],
) -> ReferenceColumn | None:
    """Return *feature* as a column; None if its categories have no dictionary.

    Args:
        summary: Name of the summary.
        feature: Merged windows.
        known: Columns of this summary in earlier references, the newest first.
        edges: Declared edges of its numbers, ascending; empty for quantiles.
    """
    numbers, categories = feature.numbers, feature.categories
    if numbers.count >= max(categories.total, 1):
        bins = OUTPUT_BINS if role_of(summary) is Role.OUTPUT else INPUT_BINS
        own = replace(numbers, binned=None, below_reference=0, above_reference=0)
        counted = replace(feature, numbers=own, expected="")
        if edges:
            return ReferenceColumn(feature=counted, edges=edges)
        return reference_column(counted, bins)
    embedding = next((one.embedding for one in known if one.embedding is not None), None)
    if not categories.total:
        return ReferenceColumn(feature=replace(feature, expected=""), embedding=embedding)
    dictionary = _counted_on(feature, known)
    if dictionary is not None:
        return ReferenceColumn(feature=replace(feature, expected=""), dictionary=dictionary)
    names = categories.frequent.counts
    if not names or any(name.startswith(MASK_PREFIX) for name in names):
        return None
    own_names = replace(categories, dictionary=None)
    return reference_column(replace(feature, categories=own_names, expected=""), INPUT_BINS)


def _counted_on(feature: FeatureProfile, known: Sequence[ReferenceColumn]) -> Dictionary | None:
    """Return the dictionary on which the windows were counted; None if it is unknown."""
    counts = feature.categories.dictionary
    if counts is None:
        return None
    dictionaries = (one.dictionary for one in known if one.dictionary is not None)
    return next((one for one in dictionaries if one.id == counts.id), None)


def _source(selection: Selection, points: Sequence[Point]) -> str:
    """Return the origin of the rows: the time that the windows cover, and the labels."""
    start = min(point.window.start_ns for point in points)
    end = max(point.window.end_ns for point in points)
    labels = [f"{key}={'|'.join(sorted(values))}" for key, values in selection.labels.allowed]
    words = ", ".join([f"windows {time_text(start)} to {time_text(end)}", *labels])
    return words if len(words) <= MOST_CHARACTERS else f"{words[: MOST_CHARACTERS - 3]}..."
