"""Packs the counts of base windows, which the default alerter keeps and learns from."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.packing import packed, unpacked


def packed_window(counts: Mapping[int, Floats | NDArray[np.float32]]) -> bytes:
    """Return the counts of a base window as bytes. Counts are whole numbers or estimates."""
    return packed({slot: vector.astype("<f4").tobytes() for slot, vector in counts.items()})


def unpacked_window(content: bytes) -> dict[int, Floats]:
    """Return the counts by slot from the bytes of `packed_window`."""
    return {slot: counts.astype(np.float64) for slot, counts in compact_window(content).items()}


def compact_window(content: bytes) -> dict[int, NDArray[np.float32]]:
    """Return the counts as `unpacked_window` does, in half the memory; the arrays are read-only."""
    slots = unpacked(content, dict[int, bytes])
    return {slot: np.frombuffer(part, "<f4") for slot, part in slots.items()}
