"""Puts a feature and its reference into common bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.category import (
    DICTIONARY_NAMES,
    MASK_PREFIX,
    CategoryProfile,
    Dictionary,
    DictionaryCounts,
)
from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn
from nilometer.profile.surplus import surplus_rows, without_surplus
from nilometer.sketch.binned import BinnedCounts, quantile_edges, single_values, tolerance
from nilometer.sketch.hashing import hash_strings

OTHER = "other"  # bin of categories of the reference that were not counted separately
UNSEEN = "unseen"  # bin of categories that are not in the reference


Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonBins:
    """The weights of both sides in the same *k* bins.

    Attributes:
        reference: Weights of the reference, shape (k,).
        current: Weights of the current side, shape (k,).
        names: Content of each bin, in words.
        ordered: Whether the bins have an order (numbers), so that cumulative shares exist.
        rebinned: Whether the current side was estimated from its t-digest.
        descending: Whether more weight in the first bins means a rise, as for rates.
    """

    reference: Sequence[float]
    current: Sequence[float]
    names: Sequence[str]
    ordered: bool
    rebinned: bool = False
    descending: bool = False


def common_bins(reference: ReferenceColumn, current: Content) -> CommonBins | None:
    """Return both sides in the reference's bins; None if they cannot be compared.

    Only features are compared, because a reference holds no other content type.

    If a column changes from numbers to categories, or the reverse, all its weight is in a separate
    bin. So a change of type also gives a distance.
    """
    past = reference.feature
    if not isinstance(current, FeatureProfile):
        return None
    if not past.count or not current.count + current.null_like:
        return None
    if past.numbers.count >= past.categories.total:
        before, _ = past.numbers.counts_on(reference.edges)
        now, rebinned = current.numbers.counts_on(reference.edges)
        names = [*_intervals(reference.edges)]
        strange = [side.categories.total + side.null_like for side in (past, current)]
        if any(strange):
            before.append(strange[0])
            now.append(strange[1])
            names.append("not a number")
        return CommonBins(
            reference=before, current=now, names=names, ordered=True, rebinned=rebinned
        )
    return _category_bins(reference, current)


def _category_bins(reference: ReferenceColumn, current: FeatureProfile) -> CommonBins | None:
    """Return both sides in the reference's dictionary: exact, or estimated from readable names.

    The result is None if the current names are pseudonyms, which the dictionary cannot contain.
    """
    past = reference.feature
    dictionary = reference.dictionary or dictionary_of(past.categories)
    before, _ = _on_dictionary(dictionary, past.categories)
    now, rebinned = _on_dictionary(dictionary, current.categories)
    if before is None or now is None:
        return None
    before = _expected_categories(reference, before)
    names = [*dictionary.names, OTHER, UNSEEN]
    return CommonBins(
        reference=[*before, past.numbers.count, past.null_like],
        current=[*now, current.numbers.count, current.null_like],
        names=[*names, "a number", "null-like"],
        ordered=False,
        rebinned=rebinned,
    )


def _expected_categories(reference: ReferenceColumn, counts: Sequence[float]) -> list[float]:
    """Return the expected counts of a sample as large as the reference.

    Args:
        reference: Column of categories.
        counts: Counts of the reference: the names with own counts, other, unseen.
    """
    *named, other, unseen = counts
    expected = without_surplus(named, reference.surplus)
    other += sum(named) - sum(expected)
    new = expected_unseen(reference, other)
    return [*expected, other - new, unseen + new]


def expected_unseen(reference: ReferenceColumn, other: float) -> float:
    """Return the expected number of rows with unseen names, in a sample as large as the reference.

    A reference of *N* rows with *s* names that occur once misses about ``s / N`` of the
    distribution. The estimate prevents that identifiers and rare names count as drift.

    Args:
        reference: Column of categories.
        other: Number of rows with names of the reference that were not counted separately.

    Source: Good, "The population frequencies of species and the estimation of population
    parameters" (1953).
    """
    dictionary = reference.dictionary
    if dictionary is None or not dictionary.complete:
        return 0.0  # no name counts as unseen
    return float(min(reference.singletons, other))


def _on_dictionary(
    dictionary: Dictionary, categories: CategoryProfile
) -> tuple[list[float] | None, bool]:
    """Return counts by dictionary name, then other and unseen; and whether they are estimated."""
    known = categories.dictionary
    if known is not None and known.id == dictionary.id:
        return [float(count) for count in (*known.counts, known.other, known.unseen)], False
    counts = categories.frequent.counts
    if any(name.startswith(MASK_PREFIX) for name in counts) or (categories.total and not counts):
        return None, False
    found = [float(counts.get(name, 0)) for name in dictionary.names]
    outside = max(categories.total - sum(found), 0.0)
    unseen = 0.0
    if dictionary.complete:
        others = set(dictionary.hashes)
        new = [name for name in counts if name not in dictionary.names]
        hashes = hash_strings(new).tolist()
        unseen = float(
            sum(
                counts[name]
                for name, hashed in zip(new, hashes, strict=True)
                if hashed not in others
            )
        )
    unseen = min(unseen, outside)
    return [*found, outside - unseen, unseen], bool(categories.total)


def dictionary_of(categories: CategoryProfile) -> Dictionary:
    """Return a dictionary of the names kept in a reference without a dictionary."""
    ranked = [name for name, _ in categories.top(categories.frequent.capacity)]
    hashes = sorted(hash_strings(ranked[DICTIONARY_NAMES:]).tolist())
    complete = categories.frequent.other == 0
    return Dictionary(tuple(ranked[:DICTIONARY_NAMES]), tuple(hashes), complete)


def reference_column(
    feature: FeatureProfile, bins: int, *, has_same_rows: bool = False
) -> ReferenceColumn:
    """Return *feature* as a column of a reference, with quantile edges for at most *bins* bins.

    Args:
        feature: Feature of the reference.
        bins: Most bins of its numbers, >= 1.
        has_same_rows: Whether it is compared with a feature of the same rows. Then chance explains no
            difference, neither of rare names nor of frequent ones.
    """
    if not feature.numbers.count:
        return categorical_reference_column(feature, has_same_rows=has_same_rows)
    shares = np.arange(1, bins) / bins
    edges = quantile_edges(feature.numbers.digest.quantile(shares))
    return ReferenceColumn(feature=feature, edges=edges)


def exact_reference_column(
    feature: FeatureProfile, numbers: np.ndarray[tuple[int], np.dtype[np.float64]], bins: int
) -> ReferenceColumn:
    """Return a reference column with exact edges and counts, from the finite *numbers*."""
    if not numbers.size:
        return categorical_reference_column(feature)
    edges = quantile_edges(np.quantile(numbers, np.arange(1, bins) / bins))
    feature.numbers.binned = BinnedCounts.of(numbers, edges)
    return ReferenceColumn(feature=feature, edges=edges)


def categorical_reference_column(
    feature: FeatureProfile, *, has_same_rows: bool = False
) -> ReferenceColumn:
    """Return a column without numbers, with a dictionary of the names it kept; see `reference_column`."""
    if not feature.categories.total:
        return ReferenceColumn(feature=feature)
    dictionary = dictionary_of(feature.categories)
    counts, _ = _on_dictionary(dictionary, feature.categories)
    if counts is not None:
        *named, other, unseen = map(int, counts)
        feature.categories.dictionary = DictionaryCounts(
            dictionary.id, tuple(named), other + unseen
        )
    if has_same_rows:
        return ReferenceColumn(feature=feature, dictionary=dictionary)
    rows = feature.categories.frequent.counts
    return ReferenceColumn(
        feature=feature,
        dictionary=dictionary,
        singletons=sum(count == 1 for count in rows.values()),
        surplus=surplus_rows(rows, dictionary.names),
    )


def _intervals(edges: tuple[float, ...]) -> list[str]:
    if not edges:
        return ["all"]
    single = single_values(edges)
    zero = 2 * float(tolerance(0.0, max(map(abs, edges))))
    shown = [0.0 if abs(edge) <= zero else edge for edge in edges]
    atom = False  # whether the previous bin holds a single value
    names = [f"below {shown[0]:g}"]
    for (low, high), is_single in zip(pairwise(shown), single, strict=True):
        if is_single:
            names.append(f"exactly {(low + high) / 2:g}")
        else:
            names.append(f"({low:g}, {high:g})" if atom else f"[{low:g}, {high:g})")
        atom = bool(is_single)
    return [*names, f"above {shown[-1]:g}" if atom else f"{shown[-1]:g} and above"]
