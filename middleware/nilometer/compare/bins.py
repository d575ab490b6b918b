"""Putting a feature and its reference on common bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nilometer.profile.feature import FeatureProfile, pseudonym
from nilometer.profile.reference import ReferenceColumn
from nilometer.sketch.histogram import BinnedCounts, quantile_edges

OTHER = "other"  # the bin of categories that the reference does not name


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonBins:
    """Weights of both sides in the same *k* bins.

    Attributes:
        reference: Shape (k,).
        current: Shape (k,).
        names: What each bin holds, for a human.
        ordered: Whether the bins have an order (numbers), so that a cumulative makes sense.
        rebinned: Whether the current side was estimated from its t-digest (rank error .001).
    """

    reference: Sequence[float]
    current: Sequence[float]
    names: Sequence[str]
    ordered: bool
    rebinned: bool = False


def counts_on(edges: tuple[float, ...], feature: FeatureProfile) -> tuple[list[float], bool]:
    """Counts of *feature* on *edges*, shape (k + 1,), and whether they were estimated.

    Counts that were taken on these edges are exact; others come from the t-digest.
    """
    if feature.numbers.binned is not None and feature.numbers.binned.edges == edges:
        return list(feature.numbers.binned.counts), False
    if not feature.numbers.moments.count:
        return [0.0] * (len(edges) + 1), False
    below = feature.numbers.digest.rank(np.nextafter(np.asarray(edges), -np.inf))
    shares = np.diff(np.concatenate([[0.0], below, [1.0]]))
    return (np.maximum(shares, 0.0) * feature.numbers.moments.count).tolist(), True


def common_bins(reference: ReferenceColumn, current: FeatureProfile) -> CommonBins | None:
    """Both sides on the reference's bins; None where they have nothing in common to compare.

    A column that was numeric in the reference and holds categories now (or the other way) has
    all its weight in a bin of its own, so that the change of type is a distance, too.
    """
    past = reference.feature
    if not past.count or not current.count:
        return None
    if past.numbers.moments.count >= past.categories.total:
        before, _ = counts_on(reference.edges, past)
        now, rebinned = counts_on(reference.edges, current)
        names = [*_intervals(reference.edges)]
        if past.categories.total or current.categories.total:
            before.append(past.categories.total)
            now.append(current.categories.total)
            names.append("not a number")
        return CommonBins(
            reference=before, current=now, names=names, ordered=True, rebinned=rebinned
        )
    known, present = _by_pseudonym(past), _by_pseudonym(current)
    shown = {pseudonym(name): name for name in sorted(past.categories.counts, reverse=True)}
    before = [float(count) for count in known.values()]
    now = [float(present.get(key, 0)) for key in known]
    before.append(float(past.count - sum(before)))
    now.append(float(current.count - sum(now)))
    names = [*(shown[key] for key in known), OTHER]
    return CommonBins(reference=before, current=now, names=names, ordered=False)


def reference_column(feature: FeatureProfile, bins: int) -> ReferenceColumn:
    """A column of a reference: *feature* and its quantile edges, at most *bins* bins."""
    if not feature.numbers.moments.count:
        return ReferenceColumn(feature=feature, edges=())
    shares = np.arange(1, bins) / bins
    edges = quantile_edges(feature.numbers.digest.quantile(shares))
    return ReferenceColumn(feature=feature, edges=edges)


def exact_reference_column(
    feature: FeatureProfile, numbers: np.ndarray[tuple[int], np.dtype[np.float64]], bins: int
) -> ReferenceColumn:
    """The same where the finite *numbers* are at hand: edges and counts are exact."""
    if not numbers.size:
        return ReferenceColumn(feature=feature, edges=())
    edges = quantile_edges(np.quantile(numbers, np.arange(1, bins) / bins))
    feature.numbers.binned = BinnedCounts.of(numbers, edges)
    return ReferenceColumn(feature=feature, edges=edges)


def _by_pseudonym(feature: FeatureProfile) -> dict[str, int]:
    """Counts by masked name, largest first: either side, or both, may have readable ones."""
    counts: dict[str, int] = {}
    for name, count in feature.categories.top(feature.categories.capacity):
        counts[pseudonym(name)] = counts.get(pseudonym(name), 0) + count
    return counts


def _intervals(edges: tuple[float, ...]) -> list[str]:
    if not edges:
        return ["all"]
    names = [f"below {edges[0]:g}"]
    atom: float | None = None  # the value that had the bin before for itself
    for low, high in pairwise(edges):
        if high == np.nextafter(low, np.inf):
            names.append(f"exactly {low:g}")
            atom = low
        else:
            names.append(f"[{low:g}, {high:g})" if atom is None else f"({atom:g}, {high:g})")
            atom = None
    return [*names, f"{edges[-1]:g} and above" if atom is None else f"above {atom:g}"]
