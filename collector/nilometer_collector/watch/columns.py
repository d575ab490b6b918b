"""The columns of an entity: bins of the newest reference, or learned from the first windows."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nilometer.alert.calibrated.columns import Column
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.service import service_column
from nilometer.compare import reference_column
from nilometer.profile import (
    Content,
    Dictionary,
    DictionaryCounts,
    FeatureProfile,
    Reference,
    ReferenceColumn,
    ServiceProfile,
)
from nilometer.profile.category import DICTIONARY_NAMES
from nilometer.profile.reference import INPUT_BINS, LEARNED

LEAST_SHARE = 0.01  # smallest share of a learned category


def columns_of(references: Iterable[Reference]) -> dict[str, SummaryColumn]:
    """Return the column of each summary, from the newest reference that has it, as agents do."""
    newest = sorted(references, key=lambda reference: reference.created_ns)
    columns = {
        summary: column
        for reference in newest
        if reference.name != LEARNED
        for summary, column in reference.columns.items()
    }
    return {
        summary: SummaryColumn(column=Column.of(summary, column))
        for summary, column in columns.items()
        if column.feature.count
    }


def learned_column(
    summary: str, contents: Sequence[Content], *, is_replay: bool = False
) -> tuple[SummaryColumn, ReferenceColumn | None] | None:
    """Return the column of a summary without a reference, from its first windows.

    Args:
        summary: Name of the summary.
        contents: Contents of its samples.
        is_replay: Whether they were sent long after their windows, so that times mean nothing.

    Returns:
        The column. For numbers, also the edges on which agents count. None if there is nothing
        to judge.
    """
    services = [content for content in contents if isinstance(content, ServiceProfile)]
    if services:
        requests = ServiceProfile.merge_all(services)
        column = service_column(summary, requests, is_replay=is_replay)
        return None if column is None else (SummaryColumn(column=column), None)
    features = [content for content in contents if isinstance(content, FeatureProfile)]
    feature = FeatureProfile.merge_all(features)
    if not feature.count:
        return None
    feature.expected = ""
    if feature.numbers.count >= max(feature.categories.total, 1):
        found = reference_column(feature, INPUT_BINS)
        return SummaryColumn(column=Column.of(summary, found)), found
    categories = feature.categories
    least = LEAST_SHARE * categories.total
    ranked = categories.top(DICTIONARY_NAMES)
    names = tuple(name for name, count in ranked if count >= least)
    dictionary = Dictionary(names, (), complete=False)
    counts = tuple(dict(ranked)[name] for name in names)
    other = max(categories.total - sum(counts), 0)
    categories.dictionary = DictionaryCounts(dictionary.id, counts, other)
    found = ReferenceColumn(feature=feature, dictionary=dictionary)
    return SummaryColumn(column=Column.of(summary, found), names=names), None


def learned_reference(
    entity: str, known: Reference | None, added: Mapping[str, ReferenceColumn], rows: int
) -> Reference:
    """Return the learned reference with *added* columns, for agents. The caller sets its digest.

    It is older than every reference of a user, so agents prefer the references of users.
    """
    columns = {**(known.columns if known is not None else {}), **added}
    return Reference(
        entity=entity,
        name=LEARNED,
        rows=rows,
        created_ns=0,
        source="the first windows of production",
        columns=columns,
        digest="",
    )


def is_same(one: SummaryColumn, other: SummaryColumn) -> bool:
    """Return whether both columns count the same cells in the same bins, with equal shares."""
    ours, theirs = one.column, other.column
    return (
        one.names == other.names
        and ours.edges == theirs.edges
        and ours.dictionary == theirs.dictionary
        and ours.rates == theirs.rates
        and ours.expected == theirs.expected
        and np.array_equal(ours.held, theirs.held)
        and np.array_equal(ours.shares, theirs.shares)
    )
