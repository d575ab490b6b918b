"""Integer codings of sketches: order-preserving float bits and varints, vectorised."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SIGN = np.uint64(1 << 63)
OLD_DROPPED_BITS = 28  # of digests that were written without saying: 24 significant digits stayed
MAX_DROPPED_BITS = 44  # sign, exponent and 8 significant digits stay
SPARE_BITS = 7  # a rounded mean is off by at most 1/256 of a narrow gap
EXACT_UP_TO = 40  # means: fewer are written as they are


def ordered_bits(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Ascending integers for ascending finite *values*, shape (n,): all 64 bits."""
    bits = (values + 0.0).view(np.uint64)
    magnitude = bits & ~_SIGN
    return np.where(bits & _SIGN, _SIGN - magnitude, _SIGN + magnitude)


def dropped_bits(ordered: NDArray[np.uint64]) -> int:
    """How many low bits of ascending *ordered* integers, shape (n,), a digest can spare.

    As many as leave narrow gaps between them 128 steps: wide ranges need few digits, measurements
    with a large offset many. Few integers keep all; what was rounded before stays as it is.
    """
    if ordered.size <= EXACT_UP_TO:
        return 0
    gaps = np.diff(ordered)
    gaps = gaps[gaps > 0]
    narrow = int(np.partition(gaps, gaps.size // 20)[gaps.size // 20])
    spare = min(max(narrow.bit_length() - 1 - SPARE_BITS, 0), MAX_DROPPED_BITS)
    together = int(np.bitwise_or.reduce(ordered))
    rounded = min((together & -together).bit_length() - 1, MAX_DROPPED_BITS)
    return rounded if rounded >= spare - 2 else spare


def rounded_bits(ordered: NDArray[np.uint64], dropped: int) -> NDArray[np.uint64]:
    """*ordered* integers without *dropped* low bits, rounded to the nearest."""
    if dropped == 0:
        return ordered
    half = np.uint64(1 << (dropped - 1))
    return (ordered + half) >> np.uint64(dropped)


def from_rounded_bits(bits: NDArray[np.uint64], dropped: int) -> NDArray[np.float64]:
    """The values that `rounded_bits` stands for."""
    ordered = bits << np.uint64(dropped)
    positive = ordered >= _SIGN
    with np.errstate(over="ignore"):
        magnitude = np.where(positive, ordered - _SIGN, _SIGN - ordered)
    return np.where(positive, magnitude, magnitude | _SIGN).view(np.float64)


def between(positions: NDArray[np.intp], total: int) -> NDArray[np.int64]:
    """Counts between *positions* that ascend from 0 to *total*, shape (k,) to (k + 1,).

    What ``np.diff`` gives with its ends, in a fifth of the time.
    """
    counts = np.empty(positions.size + 1, dtype=np.int64)
    counts[0] = positions[0] if positions.size else total
    if positions.size:
        np.subtract(positions[1:], positions[:-1], out=counts[1:-1])
        counts[-1] = total - positions[-1]
    return counts


def scaled_counts(counts: Sequence[int], factor: float) -> list[int]:
    """*counts* times *factor*, rounded so that their sum is the rounded sum."""
    total = np.rint(np.cumsum(np.asarray(counts, dtype=np.float64)) * factor)
    found: list[int] = np.diff(total, prepend=0.0).astype(np.int64).tolist()
    return found


def varints(values: NDArray[np.uint64]) -> bytes:
    """LEB128 of each of *values*, shape (n,), one after the other."""
    if values.size == 0:
        return b""
    groups = np.arange(10, dtype=np.uint64) * np.uint64(7)
    shifted = values[:, None] >> groups
    digits = (shifted & np.uint64(0x7F)).astype(np.uint8)
    lengths = np.maximum((shifted != 0).sum(axis=1), 1)
    columns = np.arange(10)
    more = columns < lengths[:, None] - 1
    return bytes((digits | (more.astype(np.uint8) << 7))[columns < lengths[:, None]].tobytes())


def from_varints(packed: bytes) -> NDArray[np.uint64]:
    """The values that `varints` wrote.

    Raises:
        ValueError: If the last value is cut or one is longer than ten bytes.
    """
    if not packed:
        return np.empty(0, dtype=np.uint64)
    raw = np.frombuffer(packed, dtype=np.uint8)
    last = np.flatnonzero(raw < 0x80)
    if last.size == 0 or last[-1] != raw.size - 1:
        raise ValueError("varints are cut short")
    starts = np.concatenate([[0], last[:-1] + 1])
    lengths = last - starts + 1
    if lengths.max() > 10:
        raise ValueError("a varint is longer than ten bytes")
    position = np.arange(raw.size) - np.repeat(starts, lengths)
    parts = (raw & 0x7F).astype(np.uint64) << (position * 7).astype(np.uint64)
    return np.asarray(np.add.reduceat(parts, starts))
