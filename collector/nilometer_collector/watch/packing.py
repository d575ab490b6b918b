"""Packs the state of the default alerter as MessagePack: arrays as type, shape and bytes."""

import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.columns import Floats

LEVEL = 1  # level of compression; higher levels take longer and save little

T = TypeVar("T")


def packed(value: object) -> bytes:
    """Return *value* as compressed bytes. It may hold dataclasses, containers and arrays."""
    return zlib.compress(msgspec.msgpack.encode(value, enc_hook=_from_array), LEVEL)


def unpacked(content: bytes, kind: type[T]) -> T:
    """Return the value of type *kind* from the bytes of `packed`; its arrays are read-only.

    Raises:
        ValueError: If the bytes are not such a value.
    """
    try:
        plain = zlib.decompress(content)
    except zlib.error as error:
        raise ValueError(f"the state of the default alerter is damaged: {error}") from error
    return msgspec.msgpack.decode(plain, type=kind, dec_hook=_to_array)


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


def _from_array(value: object) -> tuple[str, list[int], bytes]:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(type(value).__name__)
    return value.dtype.str, list(value.shape), value.tobytes()


def _to_array(kind: type, value: Any) -> NDArray[Any]:
    del kind
    dtype, shape, content = value
    return np.frombuffer(content, np.dtype(dtype)).reshape(shape)
