"""Decodes many t-digests in one pass."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.codec import MAX_DROPPED_BITS, OLD_DROPPED_BITS, from_varints_of, ordered_bits
from nilometer.sketch.digests import Digests, MeanCounts
from nilometer.sketch.tdigest import DEFAULT_COMPRESSION, MINIMUM_COMPRESSION, TDigest
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.bounds import MAX_COUNT
from nilometer.wire.scan import BYTES, FIXED64, VARINT, Messages, Places
from nilometer.wire.sketches.tdigest import HIGHEST, LOWEST, MAX_COMPRESSION, digest_from_wire

Floats = NDArray[np.float64]
Integers = NDArray[np.uint64]

MOST_APART = 1 / 8  # share of centroids with more digits than those that are counted
MOST_TOGETHER = 256  # digests whose centroids fit the processor's cache
_COMPRESSION, _COUNT, _MIN, _MAX, _MEANS, _WEIGHTS, _DROPPED = range(1, 8)  # numbers of the fields
_FIELDS = {
    _COMPRESSION: FIXED64,
    _COUNT: VARINT,
    _MIN: FIXED64,
    _MAX: FIXED64,
    _MEANS: BYTES,
    _WEIGHTS: BYTES,
    _DROPPED: VARINT,
}


@dataclass(frozen=True, slots=True)
class _Columns:
    """The fields of *n* non-empty t-digests; numeric fields have shape (n,)."""

    compressions: Floats
    counts: Integers
    low: Floats
    high: Floats
    dropped: Integers
    means: Sequence[bytes]
    weights: Sequence[bytes]

    @staticmethod
    def joined(parts: "Sequence[_Columns]") -> "_Columns":
        """Return the digests of all *parts*, at least one, in one object."""
        return _Columns(
            np.concatenate([part.compressions for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.low for part in parts]),
            np.concatenate([part.high for part in parts]),
            np.concatenate([part.dropped for part in parts]),
            list(chain.from_iterable(part.means for part in parts)),
            list(chain.from_iterable(part.weights for part in parts)),
        )

    def in_order(self) -> "_Columns":
        """Return the same digests in an order that depends on nothing else."""
        rows = sorted(
            zip(
                self.means,
                self.weights,
                self.compressions.tolist(),
                self.counts.tolist(),
                self.low.tolist(),
                self.high.tolist(),
                self.dropped.tolist(),
                strict=True,
            )
        )
        means, weights, compressions, counts, low, high, dropped = zip(*rows, strict=True)
        return _Columns(
            np.array(compressions),
            np.array(counts, dtype=np.uint64),
            np.array(low),
            np.array(high),
            np.array(dropped, dtype=np.uint64),
            means,
            weights,
        )

    def part(self, start: int, end: int) -> "_Columns":
        """Return the fields of the digests from index *start* to *end* - 1."""
        some = slice(start, end)
        return _Columns(
            self.compressions[some],
            self.counts[some],
            self.low[some],
            self.high[some],
            self.dropped[some],
            self.means[some],
            self.weights[some],
        )


def merged_digests_from_wire(groups: Sequence[Sequence[pb.TDigest]]) -> list[TDigest]:
    """Return one digest of each group of messages, as if each was decoded and merged, but faster.

    Raises:
        ValueError: If a message is invalid, as in `digest_from_wire`.
        IncompatibleSketches: If the compressions in a group differ.
    """
    every = [[one for one in group if one.count or one.means or one.weights] for group in groups]
    held = [one for group in every for one in group]
    if len({one.compression for one in held}) != 1 or not all(every):
        return [_merged_one_by_one(group) for group in groups]
    found = _decoded(_columns_of(held))
    if found is None:  # an error: decode one by one to find it
        return [_merged_one_by_one(group) for group in groups]
    sizes = np.array([len(group) for group in every])
    return [one.together() for one in found.split(sizes)]


def are_sound_digests(messages: Sequence[pb.TDigest]) -> bool:
    """Return whether `digest_from_wire` reads every message, and finds the default compression.

    False for an empty digest, which the caller reads alone.
    """
    if not messages:
        return True
    columns = _columns_of(messages)
    if not (columns.compressions == DEFAULT_COMPRESSION).all():
        return False
    return bool(columns.counts.all()) and _decoded(columns) is not None


def _columns_of(messages: Sequence[pb.TDigest]) -> _Columns:
    return _Columns(
        np.array([one.compression for one in messages]),
        np.array([one.count for one in messages], dtype=np.uint64),
        np.array([one.min for one in messages]),
        np.array([one.max for one in messages]),
        np.array([one.dropped_bits for one in messages], dtype=np.uint64),
        [one.means for one in messages],
        [one.weights for one in messages],
    )


def _merged_one_by_one(messages: Iterable[pb.TDigest]) -> TDigest:
    return TDigest.merge_all(map(digest_from_wire, messages))


def digests_from_messages(
    messages: Sequence[pb.TDigest], groups: NDArray[np.intp]
) -> Digests | None:
    """Return the digest of each group of neighbours among *messages*; None if one is invalid.

    The result is that of `digests_from_scan` over the same bytes.

    Args:
        messages: Digests of all groups, in order.
        groups: Number of digests in each group, at least 1.
    """
    rows = np.array(
        [at for at, one in enumerate(messages) if one.count or one.means or one.weights],
        dtype=np.intp,
    )
    if not rows.size:
        return _spread(None, rows, groups.size)
    columns = _columns_of([messages[at] for at in rows.tolist()])
    return _in_groups(columns, rows, groups)


def digests_from_scan(
    scanned: Iterable[tuple[Messages, Places]], groups: NDArray[np.intp] | None = None
) -> Digests | None:
    """Return all digests in *scanned*; None if one is invalid.

    Digests with different compressions do not merge, so they count as invalid.

    Args:
        scanned: Scanned bytes, and the positions of digests in them; *n* digests in total.
        groups: Number of digests in each group of neighbours to merge, at least 1; None merges
            nothing. A group of over `MOST_TOGETHER` is decoded in parts, so that its centroids stay
            in the processor's cache. The order in a group does not affect the result.

    Raises:
        Unscannable: If a message is damaged or unusual.
    """
    parts: list[_Columns] = []
    indices: list[NDArray[np.intp]] = []
    count = 0
    for messages, places in scanned:
        part, at = _columns(messages, places)
        if part is not None:
            parts.append(part)
            indices.append(at + count)
        count += places.starts.size
    if not parts:
        return _spread(None, np.empty(0, dtype=np.intp), count if groups is None else groups.size)
    columns, rows = _Columns.joined(parts), np.concatenate(indices)
    if groups is None:
        found = _decoded(columns)
        return None if found is None else _spread(found, rows, count)
    return _in_groups(columns, rows, groups)


def _in_groups(
    columns: _Columns, rows: NDArray[np.intp], groups: NDArray[np.intp]
) -> Digests | None:
    """Return one digest per group of *groups* digests; those at *rows* are in *columns*."""
    if groups.max() > MOST_TOGETHER:
        return _merged(columns, rows, groups)
    found = _decoded(columns)
    return None if found is None else _spread(found, rows, int(groups.sum())).merged(groups)


def _columns(messages: Messages, places: Places) -> tuple["_Columns | None", NDArray[np.intp]]:
    """Return the fields of the non-empty digests, and their indices."""
    held = np.flatnonzero(places.held)
    numbers, found = messages.fields(Places(places.starts[held], places.ends[held]), _FIELDS)
    means, weights = found[_MEANS], found[_WEIGHTS]
    full = np.flatnonzero((numbers[_COUNT] > 0) | means.held | weights.held)
    if not full.size:
        return None, full

    def texts(of: Places) -> list[bytes]:
        return messages.texts(Places(of.starts[full], of.ends[full]))

    columns = _Columns(
        numbers[_COMPRESSION][full].view(np.float64),
        numbers[_COUNT][full],
        numbers[_MIN][full].view(np.float64),
        numbers[_MAX][full].view(np.float64),
        numbers[_DROPPED][full],
        texts(means),
        texts(weights),
    )
    return columns, held[full]


def _merged(columns: _Columns, rows: NDArray[np.intp], groups: NDArray[np.intp]) -> Digests | None:
    """Return one digest per group; large groups are decoded and merged in parts."""
    ends = np.searchsorted(rows, np.cumsum(groups))
    found = []
    start = 0
    for group, end in enumerate(ends.tolist()):
        if end > start:
            merged = _together(columns.part(start, end))
            if merged is None:
                return None
            found.append((group, merged))
        start = end
    if len({one.compression for _, one in found}) > 1:
        return None
    filled = np.array([group for group, _ in found], dtype=np.intp)
    return _spread(Digests.row_of([one for _, one in found]), filled, groups.size)


def _together(columns: _Columns) -> Digests | None:
    """Return one digest of all *columns*, decoded part by part; None if any is invalid."""
    counts = _mean_counts(columns)
    if counts is None and columns.counts.size > MOST_TOGETHER:
        columns = columns.in_order()  # because parts are merged before the whole
    parts = []
    for first in range(0, columns.counts.size, MOST_TOGETHER):
        part = _decoded(columns.part(first, first + MOST_TOGETHER))
        if part is None or part.compression != columns.compressions[0]:
            return None
        if counts is None:
            parts.append(part.merged(np.array([part.sizes.size])))
        else:
            counts.add(part)
    if counts is not None:
        low, high = float(columns.low.min()), float(columns.high.max())
        return counts.digest(low, high, float(columns.compressions[0]))
    merged = Digests.row_of(parts)
    return None if merged is None else merged.merged(np.array([merged.sizes.size]))


def _mean_counts(columns: _Columns) -> MeanCounts | None:
    """Return counts for the means in *columns*; None if it is faster to sort them."""
    low, high = columns.low.min(), columns.high.max()
    if not -np.inf < low <= high < np.inf:
        return None
    first, last = ordered_bits(np.array([low, high])).tolist()
    sizes = np.fromiter(map(len, columns.weights), np.int64, columns.counts.size)  # about
    every = int(sizes.sum())
    dropped = np.minimum(columns.dropped, MAX_DROPPED_BITS + 1).astype(np.int64)
    dropped = np.where(dropped > 0, dropped - 1, OLD_DROPPED_BITS)
    for spared in np.unique(dropped).tolist():
        if int(sizes[dropped < spared].sum()) > every * MOST_APART:
            return None
        if MeanCounts.fit(first, last, spared, every):
            return MeanCounts(first, last, spared)
    return None


def _spread(digests: Digests | None, rows: NDArray[np.intp], count: int) -> Digests:
    """Return *count* digests: *digests* at the indices *rows*, and empty ones elsewhere."""
    sizes = np.zeros(count, dtype=np.intp)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    if digests is None:
        none = np.empty(0, dtype=np.uint64)
        return Digests(none, none, sizes, low, high, DEFAULT_COMPRESSION)
    sizes[rows], low[rows], high[rows] = digests.sizes, digests.low, digests.high
    return Digests(digests.bits, digests.flags, sizes, low, high, digests.compression)


def _decoded(columns: _Columns) -> Digests | None:
    """Return the digests in *columns*; None if one is invalid or has another compression."""
    compression = float(columns.compressions[0])
    if not (
        (columns.compressions == compression).all()
        and MINIMUM_COMPRESSION <= compression <= MAX_COMPRESSION
        and np.isfinite(columns.low).all()
        and np.isfinite(columns.high).all()
        and (columns.low <= columns.high).all()
        and columns.dropped.max() <= MAX_DROPPED_BITS + 1
    ):
        return None
    parts = []
    for first in range(0, columns.counts.size, MOST_TOGETHER):
        some = _centroids(columns, slice(first, first + MOST_TOGETHER))
        if some is None:
            return None
        parts.append(some)
    if len(parts) == 1:
        ((bits, flags, sizes),) = parts
    else:
        bits, flags, sizes = (np.concatenate(every) for every in zip(*parts, strict=True))
    return Digests(bits, flags, sizes, columns.low, columns.high, compression)


def _centroids(
    columns: _Columns, part: slice
) -> tuple[Integers, Integers, NDArray[np.intp]] | None:
    """Return bits, flags and numbers of the centroids in *part*; None if any is invalid."""
    counts, dropped = columns.counts[part], columns.dropped[part]
    try:
        flags, sizes = from_varints_of(columns.weights[part])
        deltas, _ = from_varints_of(columns.means[part], sizes)
    except ValueError:
        return None
    if not ((sizes > 0).all() and flags.min() >= 2 and flags.max() <= 2 * MAX_COUNT):
        return None
    ends = np.cumsum(sizes)
    starts = ends - sizes
    totals = np.add.reduceat(flags >> np.uint64(1), starts)
    if (totals != counts).any() or totals.max() > MAX_COUNT:
        return None
    # The sum restarts at each digest: its first delta is reduced by the sum of the previous one.
    sums = np.add.reduceat(deltas, starts)
    deltas[starts[1:]] -= sums[:-1]
    bits = np.cumsum(deltas, dtype=np.uint64)
    falling = bits[1:] < bits[:-1]
    falling[starts[1:] - 1] = False  # boundaries between two digests
    spared = np.where(dropped > 0, dropped - np.uint64(1), np.uint64(OLD_DROPPED_BITS))
    if falling.any() or (bits[ends - 1] > (HIGHEST >> spared)).any():
        return None
    bits <<= spared[0] if (spared == spared[0]).all() else np.repeat(spared, sizes)
    if bits[starts].min() < LOWEST:
        return None
    low, high = ordered_bits(columns.low[part]), ordered_bits(columns.high[part])
    return _clipped(bits, low, high, sizes), flags, sizes


def _clipped(bits: Integers, low: Integers, high: Integers, sizes: NDArray[np.intp]) -> Integers:
    """Return *bits* limited to *low* and *high* of their digest; only rounding exceeds these."""
    ends = np.cumsum(sizes)
    starts = ends - sizes
    inner = np.minimum(np.minimum(starts + 1, ends - 1), bits.size - 1)
    if (bits[inner] >= low).all() and (bits[np.maximum(ends - 2, starts)] <= high).all():
        # The means ascend, so only the first and the last can be outside.
        bits[starts] = np.maximum(bits[starts], low)
        bits[ends - 1] = np.clip(bits[ends - 1], low, high)
        bits[starts] = np.minimum(bits[starts], high)
        return bits
    return np.clip(bits, np.repeat(low, sizes), np.repeat(high, sizes))
