"""Many t-digests in arrays: merges and queries them together, without an object for each.

A centroid is two integers: the order-preserving bits of its mean, and ``weight << 1 | atom``. The
low bits of stored means are 0, so both fit into one integer, and the centroids of thousands of
digests are sorted as integers. This takes a third of the time of sorting by mean and reordering the
weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.centroids import Centroids, Floats, joined_in_order
from nilometer.sketch.codec import from_rounded_bits, ordered_bits
from nilometer.sketch.tdigest import TDigest

Integers = NDArray[np.uint64]

_ONE = np.uint64(1)
_LARGEST = np.uint64((1 << 64) - 1)


@dataclass(frozen=True, slots=True)
class Digests:
    """The centroids of *n* t-digests with one compression, one digest after the other.

    Attributes:
        bits: `ordered_bits` of the means, ascending inside a digest, shape (m,).
        flags: ``weight << 1 | atom`` of each centroid, shape (m,).
        sizes: Number of centroids of each digest, shape (n,); 0 for an empty digest.
        low: Minimum of each digest; infinity for an empty one.
        high: Maximum of each digest; minus infinity for an empty one.
        compression: Parameter delta of all digests.
    """

    bits: Integers
    flags: Integers
    sizes: NDArray[np.intp]
    low: Floats
    high: Floats
    compression: float

    @classmethod
    def row_of(cls, parts: Sequence[Self]) -> Self | None:
        """Join all *parts*, whose compressions are equal, into one object; None without parts."""
        if not parts:
            return None
        return cls(
            np.concatenate([part.bits for part in parts]),
            np.concatenate([part.flags for part in parts]),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part.low for part in parts]),
            np.concatenate([part.high for part in parts]),
            parts[0].compression,
        )

    def merged(self, groups: NDArray[np.intp]) -> Self:
        """Return one merged digest per group of neighbours, bit-identical for every order.

        Args:
            groups: Number of digests in each group, at least 1, shape (g,).
        """
        if (groups == 1).all():
            return self
        ends = np.cumsum(self.sizes)[np.cumsum(groups) - 1]
        starts = np.concatenate([[0], ends[:-1]])
        firsts = np.cumsum(groups) - groups
        alone = groups == 1
        bits, flags, sizes = [], [], []
        for start, end, single in zip(starts.tolist(), ends.tolist(), alone.tolist(), strict=True):
            part, weighed = self.bits[start:end], self.flags[start:end]
            if not single and part.size:
                means, weights, atoms = self._joined(part, weighed)
                part, weighed = ordered_bits(means), _flags(weights, atoms)
            bits.append(part)
            flags.append(weighed)
            sizes.append(part.size)
        return type(self)(
            np.concatenate(bits),
            np.concatenate(flags),
            np.array(sizes, dtype=np.intp),
            np.minimum.reduceat(self.low, firsts),
            np.maximum.reduceat(self.high, firsts),
            self.compression,
        )

    def together(self) -> TDigest:
        """Return one digest of all, with the result of `TDigest.merge_all`."""
        if not self.bits.size:
            return TDigest(self.compression)
        means, weights, atoms = self._joined(self.bits, self.flags)
        return TDigest.from_centroids(
            means,
            weights,
            atoms,
            minimum=float(self.low.min()),
            maximum=float(self.high.max()),
            compression=self.compression,
        )

    def at(self, index: int) -> TDigest:
        """Return the digest at *index*."""
        if not self.sizes[index]:
            return TDigest(self.compression)
        end = int(self.sizes[: index + 1].sum())
        some = slice(end - int(self.sizes[index]), end)
        return TDigest.from_centroids(
            from_rounded_bits(self.bits[some], 0),
            (self.flags[some] >> _ONE).astype(np.float64),
            (self.flags[some] & _ONE).astype(np.bool_),
            minimum=float(self.low[index]),
            maximum=float(self.high[index]),
            compression=self.compression,
        )

    def _joined(self, bits: Integers, flags: Integers) -> Centroids:
        bits, flags = _in_order(bits, flags)
        weights = (flags >> _ONE).astype(np.float64)
        atoms = (flags & _ONE).astype(np.bool_)
        return joined_in_order(from_rounded_bits(bits, 0), weights, atoms, self.compression)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of observations of each digest, shape (n,)."""
        passed = np.concatenate([[0], np.cumsum(self.flags >> _ONE)]).astype(np.int64)
        ends = np.cumsum(self.sizes)
        return np.asarray(passed[ends] - passed[ends - self.sizes])

    def quantiles(self, q: Floats) -> Floats:
        """Return the quantiles *q*, shape (k,), of each digest.

        Only the centroids next to each quantile are examined, so many digests cost little more than
        the sum of their weights.

        Returns:
            Values, shape (n, k), as `TDigest.quantile` returns them; NaN for an empty digest.
        """
        found = np.full((self.sizes.size, q.size), np.nan)
        held = np.flatnonzero(self.sizes)
        if held.size and q.size:
            found[held] = self._quantiles(q, held)
        return found

    def _quantiles(self, q: Floats, held: NDArray[np.intp]) -> Floats:
        """Return the quantiles of the digests *held*, all of which are non-empty."""
        ends = np.cumsum(self.sizes[held])[:, None]
        first, last = ends - self.sizes[held, None], ends - 1
        low, high = self.low[held, None], self.high[held, None]
        weights = (self.flags >> _ONE).astype(np.float64)
        after = np.cumsum(weights)
        start = after[first] - weights[first]  # observations of earlier digests
        rank = start + q[None, :] * (after[last] - start)

        def knots(at: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
            """Return for each centroid the range of ranks that have its mean, and the mean."""
            is_atom = (self.flags[at] & _ONE).astype(np.bool_)
            top, middle = after[at], after[at] - weights[at] / 2
            mean = from_rounded_bits(self.bits[at], 0)
            return (
                np.where(is_atom, top - weights[at], middle),
                np.where(is_atom, top, middle),
                mean,
            )

        at = np.clip(np.searchsorted(after, rank, "right"), first, last)
        begin, end, mean = knots(at)
        _, end_before, mean_before = knots(np.maximum(at - 1, first))
        begin_after, _, mean_after = knots(np.minimum(at + 1, last))
        below = rank < begin
        is_first, is_last = at == first, at == last
        left = np.where(below, np.where(is_first, start, end_before), end)
        left_value = np.where(below, np.where(is_first, low, mean_before), mean)
        right = np.where(below, begin, np.where(is_last, after[last], begin_after))
        right_value = np.where(below, mean, np.where(is_last, high, mean_after))
        with np.errstate(all="ignore"):
            slope = (right_value - left_value) / (right - left)
            value = slope * (rank - left) + left_value
        value = np.where(np.isfinite(value) & (right > left), value, right_value)
        value = np.where(~below & (rank < end), mean, value)
        return np.asarray(np.clip(value, low, high))


def _flags(weights: Floats, atoms: NDArray[np.bool_]) -> Integers:
    return np.asarray((weights.astype(np.uint64) << _ONE) | atoms)


def _in_order(bits: Integers, flags: Integers) -> tuple[Integers, Integers]:
    """Return centroids, each of shape (m,), by ascending mean, with equal means in any order."""
    digits = np.uint64((1 << int(flags.max()).bit_length()) - 1)
    loose = np.flatnonzero(bits & digits)  # means that use the digits of the weight
    if loose.size * 8 > bits.size:
        order = np.argsort(bits)
        return bits[order], flags[order]
    keys = bits | flags
    keys[loose] = _LARGEST  # at the end, where they are cut off
    keys.sort()
    keys = keys[: keys.size - loose.size]
    kept, weighed = keys & ~digits, keys & digits
    if not loose.size:
        return kept, weighed
    rest = loose[np.argsort(bits[loose])]
    places = np.searchsorted(kept, bits[rest]) + np.arange(rest.size)
    others = np.ones(bits.size, dtype=np.bool_)
    others[places] = False
    ordered, heavy = np.empty_like(bits), np.empty_like(flags)
    ordered[places], heavy[places] = bits[rest], flags[rest]
    ordered[others], heavy[others] = kept, weighed
    return ordered, heavy
