"""Histogram bins that are shared by all windows of one response."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np

from nilometer.profile import FeatureProfile

PLAIN_BINS = 20  # bins of equal width, if no reference has edges


@dataclass(frozen=True, slots=True)
class Bins:
    """Edges that are shared by all windows of one response, so that a page can draw them together.

    Attributes:
        inner: Edges for counting values, ascending.
        outer: The inner edges plus a finite bound on each side, so that every bin has a width.
    """

    inner: tuple[float, ...]
    outer: tuple[float, ...]


def common_bins_of(features: Iterable[FeatureProfile], edges: tuple[float, ...]) -> Bins | None:
    """Return bins for *features*.

    Args:
        features: Features that the bins must cover.
        edges: Edges of a reference; if empty, the bins have equal width.

    Returns:
        Bins; None if there are no numbers, or if they span more than a float can hold.
    """
    digests = [feature.numbers.digest for feature in features if feature.numbers.moments.count]
    if not digests:
        return None
    low = min(cast("float", digest.min) for digest in digests)
    high = max(cast("float", digest.max) for digest in digests)
    if not edges:
        if not math.isfinite(high - low):
            return None
        if high <= low:
            outer = (math.nextafter(low, -math.inf), math.nextafter(low, math.inf))
            return Bins((), outer)
        outer = tuple(np.unique(np.linspace(low, high, PLAIN_BINS + 1)).tolist())
        return Bins(outer[1:-1], outer)
    first = low if low < edges[0] else _below(edges)
    last = high if high > edges[-1] else -_below(tuple(-edge for edge in reversed(edges)))
    if not (math.isfinite(first) and math.isfinite(last)):
        return None
    return Bins(edges, (first, *edges, last))


def _below(edges: tuple[float, ...]) -> float:
    """Return a bound below the first edge, at the distance between the first two edges."""
    width = edges[1] - edges[0] if len(edges) > 1 else abs(edges[0]) * 0.01 or 1.0
    return min(edges[0] - width, math.nextafter(edges[0], -math.inf))
