"""Integer codings for sketches: order-preserving float bits and varints, vectorised."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIGN = np.uint64(1 << 63)  # `ordered_bits` of 0
_WORD = 8  # bytes
_KEPT = np.array([0x7F7F7F7F7F7F7F7F & (256**length - 1) for length in range(9)], np.uint64)
_DRAWN = [
    (np.uint64(1), np.uint64(0x007F007F007F007F), np.uint64(0x7F007F007F007F00)),
    (np.uint64(2), np.uint64(0x00003FFF00003FFF), np.uint64(0x3FFF00003FFF0000)),
    (np.uint64(4), np.uint64(0x000000000FFFFFFF), np.uint64(0x0FFFFFFF00000000)),
]
OLD_DROPPED_BITS = 28  # for old digests, which lack this field and kept 24 binary digits
MAX_DROPPED_BITS = 44  # sign, exponent and 8 significant binary digits remain
SPARE_BITS = 7  # a rounded mean is off by at most 1/256 of a narrow gap
EXACT_UP_TO = 40  # fewest means that are rounded; shorter lists are written exactly


def ordered_bits(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return 64-bit integers for finite *values*, shape (n,), in the same order as the values."""
    bits = (values + 0.0).view(np.uint64)
    magnitude = bits & ~SIGN
    return np.where(bits & SIGN, SIGN - magnitude, SIGN + magnitude)


def dropped_bits(ordered: NDArray[np.uint64]) -> int:
    """Return how many low bits of the ascending integers *ordered*, shape (n,), can be dropped.

    Narrow gaps between the integers keep a resolution of 128 steps. So wide ranges need few digits,
    and measurements with a large offset need many. Short lists keep all bits. Integers that were
    already rounded do not change.
    """
    if ordered.size <= EXACT_UP_TO:
        return 0
    gaps = ordered[1:] - ordered[:-1]
    gaps = gaps[gaps > 0]
    narrow = int(np.partition(gaps, gaps.size // 20)[gaps.size // 20])
    spare = min(max(narrow.bit_length() - 1 - SPARE_BITS, 0), MAX_DROPPED_BITS)
    together = int(np.bitwise_or.reduce(ordered))
    rounded = min((together & -together).bit_length() - 1, MAX_DROPPED_BITS)
    return rounded if rounded >= spare - 2 else spare


def rounded_bits(
    ordered: NDArray[np.uint64], dropped: int | NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Return *ordered* rounded to *dropped* fewer bits; *dropped* is one number or one per item."""
    shift = np.asarray(dropped, dtype=np.uint64)
    half = (np.uint64(1) << shift) >> np.uint64(1)
    return (ordered + half) >> shift


def from_rounded_bits(
    bits: NDArray[np.uint64], dropped: int | NDArray[np.uint64]
) -> NDArray[np.float64]:
    """Return the values of `rounded_bits`; *dropped* is one number or of shape (n,)."""
    ordered = bits << np.asarray(dropped, dtype=np.uint64)
    # Integers below the middle are negative numbers; smaller integers have larger magnitudes.
    with np.errstate(over="ignore"):
        return np.where(ordered >= SIGN, ordered - SIGN, np.uint64(0) - ordered).view(np.float64)


def between(positions: NDArray[np.intp], total: int) -> NDArray[np.int64]:
    """Return the counts between 0, ascending *positions* and *total*: shape (k,) to (k + 1,).

    The result equals ``np.diff`` with both ends, in a fifth of the time.
    """
    counts = np.empty(positions.size + 1, dtype=np.int64)
    counts[0] = positions[0] if positions.size else total
    if positions.size:
        np.subtract(positions[1:], positions[:-1], out=counts[1:-1])
        counts[-1] = total - positions[-1]
    return counts


def scaled_counts(counts: Sequence[int], factor: float) -> list[int]:
    """Return *counts* times *factor*, rounded so that their sum is the rounded sum."""
    total = np.rint(np.cumsum(np.asarray(counts, dtype=np.float64)) * factor)
    found: list[int] = np.diff(total, prepend=0.0).astype(np.int64).tolist()
    return found


def from_varints(packed: bytes) -> NDArray[np.uint64]:
    """Return the values of consecutive LEB128 numbers.

    Raises:
        ValueError: If the last value is cut off, or a value is longer than ten bytes.
    """
    return from_varints_of([packed])[0]


def from_varints_of(
    packs: Sequence[bytes], sizes: NDArray[np.intp] | None = None
) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Return the values of all *packs* in one array, and the number of values of each pack.

    Args:
        packs: Consecutive LEB128 numbers.
        sizes: Expected number of values of each pack, which saves the time to find it; None if
            unknown.

    Raises:
        ValueError: If a pack's last value is cut off, a value is longer than ten bytes, or a pack
            has another number of values than expected.
    """
    packed = b"".join([*packs, bytes(_WORD)])
    size = len(packed) - _WORD
    raw = np.frombuffer(packed, dtype=np.uint8)
    is_last = raw[:size] < 0x80
    lengths = np.fromiter(map(len, packs), np.intp, len(packs))
    if is_last.all():
        _check_sizes(lengths, sizes)
        return raw[:size].astype(np.uint64), lengths
    borders = np.cumsum(lengths)
    lasts = np.flatnonzero(is_last)
    # A pack must end with a value: its last byte must be the last byte of a value.
    if not is_last[borders[borders > 0] - 1].all():
        raise ValueError("varints are cut short")
    if sizes is None or not _ends_at(lasts, sizes, borders):
        found = np.diff(np.searchsorted(lasts, borders), prepend=0)
        _check_sizes(found, sizes)
        sizes = found
    is_inner = ~is_last
    values = _short_values(raw[:size], is_inner).take(lasts).astype(np.uint64)
    is_long = is_inner[:-2] & is_inner[1:-1] & is_last[2:]
    longer = np.searchsorted(lasts, np.flatnonzero(is_long) + 2)
    if longer.size:
        values[longer] = _long_values(packed, lasts, longer)
    return values, sizes


def _ends_at(lasts: NDArray[np.intp], sizes: NDArray[np.intp], borders: NDArray[np.intp]) -> bool:
    """Return whether packs of *sizes* values each, all at least 1, end at *borders*."""
    if sizes.size != borders.size or sizes.min() < 1 or sizes.sum() != lasts.size:
        return False
    return bool((lasts[np.cumsum(sizes) - 1] == borders - 1).all())


def _check_sizes(found: NDArray[np.intp], expected: NDArray[np.intp] | None) -> None:
    if expected is not None and not np.array_equal(found, expected):
        raise ValueError("a pack has another number of varints than expected")


def _short_values(raw: NDArray[np.uint8], is_inner: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return for each last byte its LEB128 number, if that has one or two bytes.

    Almost all numbers have. The steps have no branches, because lengths are hard to predict.

    Args:
        raw: Bytes of numbers, shape (n,).
        is_inner: Whether another byte of the number follows, shape (n,).
    """
    inner = is_inner.view(np.uint8)
    values = raw.astype(np.uint16)
    values[1:] *= (inner[:-1] * np.uint8(0x7F) + np.uint8(1)).astype(np.uint16)
    values[1:] += (raw[:-1] & np.uint8(0x7F)) * inner[:-1]
    return values


def _long_values(
    packed: bytes, lasts: NDArray[np.intp], chosen: NDArray[np.intp]
) -> NDArray[np.uint64]:
    """Return some of the LEB128 numbers in *packed*, which `_WORD` further bytes follow.

    Args:
        packed: Numbers in a row.
        lasts: Offset of the last byte of each number, shape (n,).
        chosen: Indices of the wanted numbers, shape (k,), k >= 1.

    Raises:
        ValueError: If a wanted number is longer than ten bytes.
    """
    starts = np.where(chosen > 0, lasts[chosen - 1] + 1, 0)
    lengths = lasts[chosen] + 1 - starts
    longest = int(lengths.max())
    if longest > 10:
        raise ValueError("a varint is longer than ten bytes")
    words = np.ndarray((len(packed) - _WORD + 1,), "<u8", packed, 0, (1,))
    # Read eight bytes from the start of each value, and mask the bytes after the value.
    found = from_varint_words(
        words[starts] & _KEPT[np.minimum(lengths, _WORD)], min(longest, _WORD)
    )
    if longest > _WORD:
        last = np.frombuffer(packed, dtype=np.uint8)[lasts[chosen]].astype(np.uint64)
        for length, shift in ((9, 56), (10, 63)):
            found |= np.where(lengths == length, last << np.uint64(shift), np.uint64(0))
        ninth = words[starts + 1] >> np.uint64(56) & np.uint64(0x7F)
        found |= np.where(lengths == 10, ninth << np.uint64(56), np.uint64(0))
    return found


def from_varint_words(words: NDArray[np.uint64], longest: int) -> NDArray[np.uint64]:
    """Return LEB128 numbers of at most eight bytes, one per little-endian word, shape (n,).

    Args:
        words: Bytes of each number; bytes after its last byte are 0. They are overwritten.
        longest: Number of bytes of the longest number.
    """
    words &= _KEPT[_WORD]
    for shift, low, high in _DRAWN[: (longest - 1).bit_length()]:
        upper = words & high
        upper >>= shift
        words &= low
        words |= upper
    return words
