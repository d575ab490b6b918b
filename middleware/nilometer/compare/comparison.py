"""Applies a comparator to a column and its reference."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from nilometer.compare.bins import CommonBins
from nilometer.compare.comparator import Comparator, Interval, Sides
from nilometer.compare.shares import shares_of
from nilometer.profile.content import Content
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A distance, and the bin with the largest contribution.

    Attributes:
        value: Distance, in the unit of the comparator.
        noise: Expected distance without drift, in the same unit.
        interval: Interval of the distance with 95 % confidence; None if the comparator has none.
        largest_bin: Name of the bin whose share changed most; empty without bins, as for vectors.
        share_before: Share of that bin in the reference, 0 to 1.
        share_now: Share of that bin in the current window, 0 to 1.
        rebinned: Whether the current side was estimated from its t-digest.
        rise: Mean number of bins by which the values moved up, negative if they moved down; for a
            rate the change of the share. None for categories, which have no order.
    """

    value: float
    noise: float
    interval: Interval | None
    largest_bin: str
    share_before: float
    share_now: float
    rebinned: bool
    rise: float | None = None


class NoDistance(Enum):
    """The reason why a distance is undefined."""

    UNDEFINED = "undefined"  # the comparator does not apply to these columns
    TOO_FEW = "too_few"  # a side has fewer values than the comparator needs
    FAILED = "failed"  # the function of the comparator failed


@dataclass(frozen=True, slots=True)
class NotCompared:
    """The reason why two columns have no distance.

    Attributes:
        reason: Reason from a closed set.
        why: The reason in words, with the counts.
    """

    reason: NoDistance
    why: str


def compare(
    comparator: Comparator, reference: ReferenceColumn, current: Content
) -> Comparison | NotCompared:
    """Return the distance of *current* from *reference*, or the reason why there is none.

    Only features are compared, because a reference holds no other content type. A distance
    is undefined if a side is empty, or if the comparator needs an order and the column has
    categories. With too few values on a side, the distance would only be noise. An error of a comparator is
    returned as a reason too.
    """
    undefined = NotCompared(
        NoDistance.UNDEFINED, f"{comparator.name} does not exist for this column"
    )
    if not isinstance(current, FeatureProfile):
        return undefined
    bins = comparator.bins(reference, current)
    if bins is None or (comparator.needs_order and not bins.ordered):
        return undefined
    few = _too_few(comparator, bins)
    if few:
        return NotCompared(NoDistance.TOO_FEW, few)
    sides = Sides(bins=bins, past=reference.feature, now=current)
    try:
        value, noise = comparator.distance(sides), comparator.noise(sides)
        interval = None if comparator.interval is None else comparator.interval(sides)
    except Exception as error:  # a comparator may be the code of an extension
        return NotCompared(NoDistance.FAILED, f"{comparator.name} failed: {error}")
    if value is None:
        return undefined
    if not math.isfinite(value):
        return NotCompared(NoDistance.FAILED, f"{comparator.name} gave {value}, not a distance")
    before, now = shares_of(bins.reference, bins.current)
    moved = int(np.abs(now - before).argmax())
    up = float((now - before) @ np.arange(len(now)))
    return Comparison(
        value=value,
        noise=noise,
        interval=interval,
        largest_bin=bins.names[moved],
        share_before=float(before[moved]),
        share_now=float(now[moved]),
        rebinned=bins.rebinned,
        rise=(-up if bins.descending else up) if bins.ordered else None,
    )


def compare_by(
    comparators: Iterable[Comparator], reference: ReferenceColumn, current: Content
) -> Mapping[str, Comparison | NotCompared]:
    """Return the result of `compare` for each of *comparators*, by name."""
    return {one.name: compare(one, reference, current) for one in comparators}


def _too_few(comparator: Comparator, bins: CommonBins) -> str:
    """Return a sentence if a side has too few values for *comparator*; empty if not."""
    what = comparator.counted.value
    for side, counts, fewest in (
        ("the reference", bins.reference, comparator.fewest.reference),
        ("the window", bins.current, comparator.fewest.current),
    ):
        count = round(sum(counts))  # estimated counts add up to a whole number only approximately
        if count < max(fewest, 1):
            return f"{comparator.name} needs {fewest} {what}: {side} has {count}"
    return ""
