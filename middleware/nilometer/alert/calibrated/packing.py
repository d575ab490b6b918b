"""Packs the state of the default alerter as MessagePack: arrays as type, shape and bytes."""

import zlib
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1 << 16  # bytes that are compressed before the size is looked at
LEVEL = 1  # level of compression; higher levels take longer and save little

T = TypeVar("T")


def packed(value: object) -> bytes:
    """Return *value* as compressed bytes. It may hold dataclasses, containers and arrays."""
    return zlib.compress(msgspec.msgpack.encode(value, enc_hook=_from_array), LEVEL)


def small(value: object, most: int) -> bytes:
    """Return *value* as bytes for `unpacked`, less than half as many as those of `packed`.

    Arrays of numbers keep seven digits. Numbers outside of arrays stay exact.

    Args:
        value: The value, as for `packed`.
        most: Largest size of the result in bytes. It is empty if it would be larger; this is found
            before all is compressed.
    """
    plain = memoryview(msgspec.msgpack.encode(value, enc_hook=_from_array_rounded))
    squeezing = zlib.compressobj()
    found = bytearray()
    for start in range(0, len(plain), AT_ONCE):
        found += squeezing.compress(plain[start : start + AT_ONCE])
        if len(found) > most:
            return b""
    found += squeezing.flush()
    return bytes(found) if len(found) <= most else b""


def unpacked(content: bytes, kind: type[T], most: int = 0) -> T:
    """Return the value of type *kind* from the bytes of `packed`; its arrays are read-only.

    Args:
        content: Bytes of `packed`.
        kind: Type of the value.
        most: Largest size of the decompressed bytes; 0 means no limit.

    Raises:
        ValueError: If the bytes are not such a value, or are larger.
    """
    inflating = zlib.decompressobj()
    try:
        plain = inflating.decompress(content, most)
    except zlib.error as error:
        raise ValueError(f"the state of the default alerter is damaged: {error}") from error
    if not inflating.eof:
        raise ValueError("the state of the default alerter is cut off or too large")
    return msgspec.msgpack.decode(plain, type=kind, dec_hook=_to_array)


def _from_array(value: object) -> tuple[str, list[int], bytes]:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(type(value).__name__)
    return value.dtype.str, list(value.shape), value.tobytes()


def _from_array_rounded(value: object) -> tuple[str, list[int], bytes]:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        value = value.astype(np.float32)
    return _from_array(value)


def _to_array(kind: type, value: Any) -> NDArray[Any]:
    del kind
    dtype, shape, content = value
    found = np.frombuffer(content, np.dtype(dtype)).reshape(shape)
    return found.astype(np.float64) if found.dtype == np.float32 else found
