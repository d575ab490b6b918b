"""Many t-digests in arrays: merges and queries them together, without an object for each.

A centroid is two integers: the order-preserving bits of its mean, and ``weight << 1 | atom``. The
low bits of stored means are 0, so both fit into one integer, and the centroids of thousands of
digests are sorted as integers. This takes a third of the time of sorting by mean and reordering the
weights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.centroids import Centroids, Floats, celled, run_starts
from nilometer.sketch.codec import SIGN, from_rounded_bits, ordered_bits
from nilometer.sketch.tdigest import TDigest

Integers = NDArray[np.uint64]

MOST_NUMBERS = 1 << 21  # different means that are counted, in 32 MB

_NONE, _ONE = np.uint64(0), np.uint64(1)


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
                means, weights, atoms = _joined(part, weighed, self.compression)
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

    def split(self, groups: NDArray[np.intp]) -> Iterator[Self]:
        """Yield the digests of each group of neighbours.

        Args:
            groups: Number of digests of each group, shape (g,).
        """
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        start = 0
        for size in groups.tolist():
            some, inner = slice(start, start + size), slice(ends[start], ends[start + size])
            yield type(self)(
                self.bits[inner],
                self.flags[inner],
                self.sizes[some],
                self.low[some],
                self.high[some],
                self.compression,
            )
            start += size

    def together(self) -> TDigest:
        """Return one digest of all, with the result of `TDigest.merge_all`."""
        if not self.bits.size:
            return TDigest(self.compression)
        means, weights, atoms = _joined(self.bits, self.flags, self.compression)
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


class MeanCounts:
    """Counts the observations of many digests by mean, so that their centroids need no sort.

    The means of stored digests are rounded, so those of thousands of digests are some ten thousand
    different numbers. The result is that of a sort, bit for bit, in every order of the digests.

    Args:
        low: `ordered_bits` of the smallest mean.
        high: `ordered_bits` of the largest mean.
        spared: Number of low bits that are 0 in almost all means.
    """

    def __init__(self, low: int, high: int, spared: int) -> None:
        self._spared = np.uint64(spared)
        self._first = np.uint64(low >> spared)
        # Atoms and other centroids are counted apart.
        self._sums = np.zeros(2 * _numbers(low, high, spared))
        self._apart: list[tuple[Integers, Integers]] = []

    @staticmethod
    def fit(low: int, high: int, spared: int, centroids: int) -> bool:
        """Return whether so many *centroids* are counted faster than sorted."""
        return _numbers(low, high, spared) <= min(4 * centroids, MOST_NUMBERS)

    def add(self, digests: Digests) -> None:
        """Count the centroids of *digests*."""
        bits, flags = digests.bits, digests.flags
        places = bits >> self._spared
        places -= self._first
        places <<= _ONE
        places |= flags & _ONE
        weights = (flags >> _ONE).astype(np.float64)
        apart = np.flatnonzero((bits & ((_ONE << self._spared) - _ONE)) != _NONE)
        if apart.size:
            self._apart.append((bits[apart], flags[apart]))
            weights[apart] = 0.0
        np.add.at(self._sums, places.view(np.int64), weights)

    def digest(self, low: float, high: float, compression: float) -> Digests:
        """Return one digest of all, whose minimum is *low* and whose maximum is *high*."""
        mixed, atoms = self._sums[::2], self._sums[1::2]
        total = mixed + atoms
        held = np.flatnonzero(total != 0.0)
        bits = (held.astype(np.uint64) + self._first) << self._spared
        flags = _flags(total[held], mixed[held] == 0.0)
        every = [(bits, flags), *self._apart]
        means, weights, alone = _joined(
            np.concatenate([one for one, _ in every]),
            np.concatenate([one for _, one in every]),
            compression,
        )
        return Digests(
            ordered_bits(means),
            _flags(weights, alone),
            np.array([means.size]),
            np.array([low]),
            np.array([high]),
            compression,
        )


def _numbers(low: int, high: int, spared: int) -> int:
    """Return how many different means there may be from *low* to *high*."""
    return (high >> spared) - (low >> spared) + 1


def _joined(bits: Integers, flags: Integers, compression: float) -> Centroids:
    """Return the centroids *bits* and *flags*, in any order, as `centroids.joined` does."""
    bits, flags = _in_order(bits, flags)
    starts = run_starts(bits)
    weights, is_atom = flags >> _ONE, flags & _ONE
    passed, atoms = np.cumsum(weights), np.cumsum(is_atom)
    last = np.append(starts[1:], bits.size) - 1
    after = passed[last]
    sizes = np.diff(last, prepend=-1)
    return celled(
        _means(bits[starts]),
        np.diff(after, prepend=_NONE).astype(np.float64),
        np.diff(atoms[last], prepend=_NONE) == sizes.astype(np.uint64),
        after.astype(np.float64),
        compression,
    )


def _flags(weights: Floats, atoms: NDArray[np.bool_]) -> Integers:
    return np.asarray((weights.astype(np.uint64) << _ONE) | atoms)


def _means(bits: Integers) -> Floats:
    """Return the values of ascending *bits*, shape (n,)."""
    middle = int(bits.searchsorted(SIGN))
    raw = np.empty_like(bits)
    np.subtract(_NONE, bits[:middle], out=raw[:middle])
    np.subtract(bits[middle:], SIGN, out=raw[middle:])
    return raw.view(np.float64)


def _in_order(bits: Integers, flags: Integers) -> tuple[Integers, Integers]:
    """Return centroids, each of shape (m,), by ascending mean, with equal means in any order."""
    digits = np.uint64((1 << int(flags.max()).bit_length()) - 1)
    exact = np.flatnonzero((bits & digits) != _NONE)  # means with digits where the weight would be
    if exact.size * 8 <= bits.size:
        keys = bits & ~digits
        keys |= flags
        some, means = keys[exact], bits[exact]
        keys.sort()
        ordered, heavy = keys & ~digits, keys & digits
        if not exact.size or _restored(ordered, keys, some, means):
            return ordered, heavy
    order = np.argsort(bits)
    return bits[order], flags[order]


def _restored(ordered: Integers, keys: Integers, some: Integers, means: Integers) -> bool:
    """Write exact *means* to the places of *some* keys; return whether all means still ascend.

    They do not if means differ by less than a weight. That is rare.

    Args:
        ordered: Means without low digits, by ascending key, shape (m,).
        keys: Ascending keys.
        some: Keys whose means have low digits, shape (k,), k >= 1.
        means: Their means.
    """
    order = np.lexsort((means, some))
    some, means = some[order], means[order]
    # Of equal keys, the exact means are the largest, so they come last.
    after = np.searchsorted(some, some, "right") - np.arange(some.size)
    places = np.searchsorted(keys, some, "right") - after
    ordered[places] = means
    below, above = np.maximum(places - 1, 0), np.minimum(places + 1, ordered.size - 1)
    ascends = (ordered[below] <= means) & (means <= ordered[above])
    return bool(ascends.all())
