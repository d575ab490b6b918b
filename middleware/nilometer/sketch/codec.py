"""Integer codings of sketches: order-preserving float bits and varints, vectorised."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KEPT_BITS = 36  # of an order-preserving float64: sign, exponent and 24 significant digits
_DROPPED = np.uint64(64 - KEPT_BITS)
_SIGN = np.uint64(1 << 63)


def rounded_bits(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Ascending integers below ``2**36`` for ascending finite *values*, shape (n,).

    Rounding is to 24 significant binary digits, relative error at most 6e-8.
    """
    bits = (values + 0.0).view(np.uint64)
    magnitude = bits & ~_SIGN
    ordered = np.where(bits & _SIGN, _SIGN - magnitude, _SIGN + magnitude)
    half = np.uint64(1) << (_DROPPED - np.uint64(1))
    return (ordered + half) >> _DROPPED


def from_rounded_bits(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The values that `rounded_bits` stands for."""
    ordered = bits << _DROPPED
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
