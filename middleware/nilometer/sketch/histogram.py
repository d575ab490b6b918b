"""Histograms that merge exactly: by magnitude, and on frozen edges.

`ExponentialHistogram` is the one of OpenTelemetry: bucket *i* holds ``(base**i, base**(i + 1)]``
with ``base = 2**(2**-scale)``. Halving the scale joins neighbours exactly, so the merge takes
the smaller scale and adds. At most 160 buckets a side: the scale falls until the range fits, and
the result depends on the observations alone, not on their order.

`BinnedCounts` counts on the edges of a reference: exact in every comparison on those edges.

Source: OpenTelemetry metrics data model, "ExponentialHistogram".
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.errors import IncompatibleSketches

MAX_BUCKETS = 160  # of one side; what OpenTelemetry's SDKs keep
MAX_SCALE = 12  # base 1.00017: finer than any question asked here
MIN_SCALE = -10


@dataclass(frozen=True, slots=True)
class Buckets:
    """Dense counts of one side: ``counts[i]`` belongs to bucket ``offset + i``."""

    offset: int = 0
    counts: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """Observations on this side."""
        return sum(self.counts)

    def downscaled(self, steps: int) -> "Buckets":
        """The same observations at a scale lower by *steps*: bucket i goes to ``i >> steps``."""
        if steps == 0 or not self.counts:
            return self
        start = self.offset >> steps
        counts = [0] * (((self.offset + len(self.counts) - 1) >> steps) - start + 1)
        for position, count in enumerate(self.counts, self.offset):
            counts[(position >> steps) - start] += count
        return Buckets(start, tuple(counts))

    def plus(self, other: "Buckets") -> "Buckets":
        """Both at the same scale, added."""
        if not self.counts or not other.counts:
            return self if self.counts else other
        start = min(self.offset, other.offset)
        end = max(self.offset + len(self.counts), other.offset + len(other.counts))
        counts = [0] * (end - start)
        for side in (self, other):
            for position, count in enumerate(side.counts, side.offset - start):
                counts[position] += count
        return Buckets(start, tuple(counts))


@dataclass(frozen=True, slots=True)
class ExponentialHistogram:
    """Counts of finite observations by magnitude, negatives too.

    Relative width of a bucket is ``base - 1``; `quantile` answers within one bucket.
    """

    scale: int = MAX_SCALE
    zero_count: int = 0
    positive: Buckets = field(default_factory=Buckets)
    negative: Buckets = field(default_factory=Buckets)

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """A histogram of finite *values*, shape (n,)."""
        above, below = values[values > 0], -values[values < 0]
        scale = MAX_SCALE
        for side in (above, below):
            if side.size:
                low, high = float(side.min()), float(side.max())
                while scale > MIN_SCALE and _span(low, high, scale) > MAX_BUCKETS:
                    scale -= 1
        zero = int(values.size - above.size - below.size)
        return cls(scale, zero, _buckets(above, scale), _buckets(below, scale))

    @property
    def count(self) -> int:
        """Observations."""
        return self.zero_count + self.positive.total + self.negative.total

    @property
    def base(self) -> float:
        """Ratio of the bounds of a bucket."""
        return float(2.0 ** (2.0**-self.scale))

    def merge(self, other: Self) -> Self:
        """A histogram of both streams: exact, in any order."""
        sides = ((self.positive, other.positive), (self.negative, other.negative))
        # The scale is found before anything is laid out: far-off buckets would fill memory.
        scale = min(self.scale, other.scale)
        while any(
            _width(ours, self.scale - scale, theirs, other.scale - scale) > MAX_BUCKETS
            for ours, theirs in sides
        ):
            scale -= 1
        positive, negative = (
            ours.downscaled(self.scale - scale).plus(theirs.downscaled(other.scale - scale))
            for ours, theirs in sides
        )
        return type(self)(scale, self.zero_count + other.zero_count, positive, negative)

    def quantile(self, q: float) -> float | None:
        """The middle (geometric) of the bucket in which the share *q* is reached."""
        total = self.count
        if total == 0:
            return None
        target = q * total
        passed = 0
        for position in range(len(self.negative.counts) - 1, -1, -1):
            passed += self.negative.counts[position]
            if passed >= target and passed:
                return -self._middle(self.negative.offset + position)
        passed += self.zero_count
        if passed >= target and passed:
            return 0.0
        for position, count in enumerate(self.positive.counts, self.positive.offset):
            passed += count
            if passed >= target and passed:
                return self._middle(position)
        return self._middle(self.positive.offset + len(self.positive.counts) - 1)

    def _middle(self, index: int) -> float:
        return float(2.0 ** min((index + 0.5) * 2.0**-self.scale, 1023.99))


def _index(value: float, scale: int) -> int:
    """The bucket of one positive value."""
    return int(_indices(np.array([value]), scale)[0])


def _indices(values: NDArray[np.float64], scale: int) -> NDArray[np.int64]:
    """Buckets of positive *values*: ``ceil(log2(v) * 2**scale) - 1``.

    Mantissa and exponent are taken apart first, so that exact powers of two stand exactly on
    their bounds and denormals keep their place.
    """
    mantissa, exponent = np.frexp(values)  # mantissa in [.5, 1)
    exponents = exponent.astype(np.int64)
    if scale <= 0:
        # (2**(e-1), 2**e) has index e - 1 at scale 0; the bound 2**(e-1) itself is one lower.
        return np.asarray((exponents - 1 - (mantissa == 0.5)) >> -scale)
    fine = np.ceil((np.log2(mantissa) + 1.0) * (1 << scale)).astype(np.int64)
    return np.asarray(((exponents - 1) << scale) + fine - 1)


def _width(ours: Buckets, our_steps: int, theirs: Buckets, their_steps: int) -> int:
    """Buckets from the first to the last of both sides, each downscaled by its steps."""
    ends = [
        (side.offset >> steps, (side.offset + len(side.counts) - 1) >> steps)
        for side, steps in ((ours, our_steps), (theirs, their_steps))
        if side.counts
    ]
    return max(end for _, end in ends) - min(start for start, _ in ends) + 1 if ends else 0


def _span(low: float, high: float, scale: int) -> int:
    return _index(high, scale) - _index(low, scale) + 1


def _buckets(values: NDArray[np.float64], scale: int) -> Buckets:
    if values.size == 0:
        return Buckets()
    indices = _indices(values, scale)
    offset = int(indices.min())
    return Buckets(offset, tuple(np.bincount(indices - offset).tolist()))


def edges_id(edges: Sequence[float]) -> str:
    """A name of frozen edges: equal edges, equal name."""
    packed = np.asarray(edges, dtype="<f8").tobytes()
    return hashlib.blake2b(packed, digest_size=8).hexdigest()


def quantile_edges(quantiles: NDArray[np.float64]) -> tuple[float, ...]:
    """Edges at ascending *quantiles* of a reference, shape (k,); at most *k* of them.

    A value that fills more than one quantile - zeros, a flag, a default - has a bin of its own,
    ``[v, next float)``: what was constant and becomes something else is then seen on either side.
    """
    values, counts = np.unique(quantiles[np.isfinite(quantiles)], return_counts=True)
    atoms = values[counts > 1]
    return tuple(np.unique(np.concatenate([values, np.nextafter(atoms, np.inf)])).tolist())


@dataclass(frozen=True, slots=True)
class BinnedCounts:
    """Counts on *k* frozen edges: ``k + 1`` bins, a value equal to an edge goes to the right.

    Raises:
        ValueError: If there is not one count more than edges.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges need {len(self.edges) + 1} counts")

    @classmethod
    def of(cls, values: NDArray[np.float64], edges: Sequence[float]) -> Self:
        """Counts of finite *values* on ascending *edges*."""
        cells = np.searchsorted(np.asarray(edges), values, side="right")
        return cls(tuple(edges), tuple(np.bincount(cells, minlength=len(edges) + 1).tolist()))

    @property
    def id(self) -> str:
        """The name of the edges."""
        return edges_id(self.edges)

    @property
    def count(self) -> int:
        """Observations."""
        return sum(self.counts)

    def merge(self, other: Self) -> Self:
        """Both on the same edges, added.

        Raises:
            IncompatibleSketches: If the edges differ.
        """
        if self.edges != other.edges:
            raise IncompatibleSketches("edges", self.id, other.id)
        added = zip(self.counts, other.counts, strict=True)
        return type(self)(self.edges, tuple(ours + theirs for ours, theirs in added))
