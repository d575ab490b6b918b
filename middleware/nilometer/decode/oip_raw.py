"""Decodes raw tensors: little-endian, row-major; each element of BYTES has a four-byte length.

Source: Triton's binary tensor data extension, and ``raw_input_contents`` of the gRPC protocol.
"""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from nilometer.bodies.tensor_frames import BYTES, elements
from nilometer.decode.budget import check_cells
from nilometer.decode.columns import Column
from nilometer.decode.tensors import tensor_columns
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

BOOL = "BOOL"
_BRAIN_FLOAT = "BF16"
DTYPES: Mapping[str, str] = {
    BOOL: "u1",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    _BRAIN_FLOAT: "<u2",
}


def raw_columns(
    name: str, datatype: str, shape: Sequence[int], raw: memoryview
) -> dict[str, Column]:
    """Return the columns of one tensor.

    Raises:
        Undecodable: ``wrong_shape`` if *shape* does not match the bytes, ``malformed`` if the bytes
            do not fit *datatype*, ``too_large`` if there are too many cells.
    """
    return tensor_columns(name, _cells(datatype, prod(shape), raw), shape)


def _cells(datatype: str, count: int, raw: memoryview) -> Sequence[Cell] | NDArray[np.generic]:
    if datatype == BYTES:
        return _elements(raw)
    dtype = DTYPES.get(datatype)
    if dtype is None:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    if count * np.dtype(dtype).itemsize != len(raw):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    check_cells(count)
    numbers = np.frombuffer(raw, dtype)
    if datatype == BOOL:
        return [cell != 0 for cell in numbers.tolist()]
    if datatype == _BRAIN_FLOAT:  # BF16 is the upper half of a float32
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers


def _elements(raw: memoryview) -> list[Cell]:
    try:
        return [text_or_bytes(element) for element in elements(raw)]
    except ValueError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error


def text_or_bytes(element: memoryview) -> Cell:
    """Return an element of BYTES as text if it is valid UTF-8, else as bytes."""
    try:
        return str(element, "utf-8")
    except UnicodeDecodeError:
        return bytes(element)
