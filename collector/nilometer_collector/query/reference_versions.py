"""Finds versions of references, and compares them with each other."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nilometer.compare import Comparator, Comparison, NotCompared, compare_by
from nilometer.profile import Reference
from nilometer_collector.errors import Unknown
from nilometer_collector.store import References

MOST_SHOWN = 5  # versions that an error names


class ComparedColumn(NamedTuple):
    """A column of two references.

    Attributes:
        summary: Name of the summary.
        distances: Distance by comparator, or the reason why it is undefined; empty if one of the
            references lacks the column.
    """

    summary: str
    distances: Mapping[str, Comparison | NotCompared]


def version_named(
    references: References, entity: str, word: str, name: str | None = None
) -> Reference:
    """Return a version of a reference of *entity*.

    Args:
        references: Stored references.
        entity: Name of the entity.
        word: Name of a reference, for its current version; or the digest of a version.
        name: Name of the reference that the digest is of; None for any.

    Raises:
        Unknown: If there is no such version.
    """
    records = [one for one in references.records(entity, current=False) if name in {None, one.name}]
    found = [one for one in records if one.current and one.name == word]
    for record in found or [one for one in records if one.digest == word]:
        reference = references.read(record)
        if reference is not None:
            return reference
    shown = ", ".join(f"{one.name} {one.digest}" for one in reversed(records[-MOST_SHOWN:]))
    raise Unknown(
        f"{entity} has no current reference and no version {word!r} "
        f"(newest versions: {shown or 'none'})"
    )


def compared_columns(
    reference: Reference, other: Reference, comparators: Iterable[Comparator]
) -> list[ComparedColumn]:
    """Return the distances of all columns of *other* from *reference*, ascending by summary."""
    chosen = list(comparators)
    return [
        ComparedColumn(
            summary,
            compare_by(chosen, reference.columns[summary], other.columns[summary].feature)
            if summary in reference.columns and summary in other.columns
            else {},
        )
        for summary in sorted(reference.columns.keys() | other.columns.keys())
    ]
