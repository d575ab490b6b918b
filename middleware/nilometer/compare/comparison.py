"""A comparator applied to a feature and its reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nilometer.compare.bins import CommonBins, common_bins
from nilometer.compare.comparator import Comparator
from nilometer.compare.registry import COMPARATORS
from nilometer.profile.content import Content
from nilometer.profile.reference import ReferenceColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A distance, and the bin that contributed most.

    Attributes:
        value: Distance, in the unit of the comparator.
        largest_bin: Name of the bin whose share changed most.
        share_before: Share of that bin in the reference, 0 to 1.
        share_now: Share of that bin in the current window, 0 to 1.
        rebinned: Whether the current side was estimated from its t-digest.
    """

    value: float
    largest_bin: str
    share_before: float
    share_now: float
    rebinned: bool


def compare(
    comparator: Comparator, reference: ReferenceColumn, current: Content
) -> Comparison | None:
    """Return the distance of *current* from *reference*; None if it does not exist.

    An empty side has no distance. Categories have no distance that needs an order.
    """
    bins = common_bins(reference, current)
    distance = _distance(comparator, bins)
    if bins is None or distance is None:
        return None
    before, now = _shares(bins.reference), _shares(bins.current)
    moved = int(np.abs(now - before).argmax())
    return Comparison(
        value=distance,
        largest_bin=bins.names[moved],
        share_before=float(before[moved]),
        share_now=float(now[moved]),
        rebinned=bins.rebinned,
    )


def distances(reference: ReferenceColumn, current: Content) -> dict[str, float | None]:
    """Return the distance of *current* from *reference* by each comparator; None if undefined."""
    bins = common_bins(reference, current)
    return {name: _distance(comparator, bins) for name, comparator in COMPARATORS.items()}


def _distance(comparator: Comparator, bins: CommonBins | None) -> float | None:
    if bins is None or (comparator.needs_order and not bins.ordered):
        return None
    return comparator.distance(bins.reference, bins.current)


def _shares(weights: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    array = np.asarray(weights, dtype=np.float64)
    return np.asarray(array / array.sum())
