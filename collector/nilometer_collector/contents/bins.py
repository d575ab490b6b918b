"""Bins that all windows of one answer share."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np

from nilometer.profile import FeatureProfile

PLAIN_BINS = 20  # where no reference gives edges


@dataclass(frozen=True, slots=True)
class Bins:
    """Edges that all windows of one answer share, so that they can be drawn side by side.

    Attributes:
        inner: The edges that values are counted on, ascending.
        outer: The same with a finite bound on each side, so that every bin has a width.
    """

    inner: tuple[float, ...]
    outer: tuple[float, ...]


def common_bins_of(features: Iterable[FeatureProfile], edges: tuple[float, ...]) -> Bins | None:
    """Bins for *features*: on a reference's *edges*, or of equal width where there are none."""
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
    """A bound under the first edge, as far off as the second is above it."""
    width = edges[1] - edges[0] if len(edges) > 1 else abs(edges[0]) * 0.01 or 1.0
    return min(edges[0] - width, math.nextafter(edges[0], -math.inf))
