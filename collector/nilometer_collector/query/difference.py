"""Distances of a content from a reference, or from another version, segment or time."""

from collections.abc import Sequence

from nilometer.compare import COMPARATORS, KS, PSI, Comparison, compare, reference_column
from nilometer.profile import Content, FeatureProfile, ReferenceColumn
from nilometer.profile.reference import INPUT_BINS

DEFAULT_COMPARATORS = (PSI.name, KS.name)


def column_of(content: Content | None) -> ReferenceColumn | None:
    """Return *content* as a column to compare with; None if it cannot be compared.

    Counts on the edges of a reference are exact. Without them, the edges are quantiles of this
    content, and the counts are estimated from t-digests.
    """
    if not isinstance(content, FeatureProfile):
        return None
    binned = content.numbers.binned
    if binned is not None:
        return ReferenceColumn(feature=content, edges=binned.edges)
    return reference_column(content, INPUT_BINS)


def distances_from(
    column: ReferenceColumn | None, content: Content | None, comparators: Sequence[str]
) -> dict[str, float | None]:
    """Return the distance of *content* from *column* by comparator; None if undefined."""
    found: dict[str, float | None] = {}
    for name in comparators or DEFAULT_COMPARATORS:
        distance = None
        if column is not None and content is not None:
            distance = compare(COMPARATORS[name], column, content)
        found[name] = distance.value if isinstance(distance, Comparison) else None
    return found
