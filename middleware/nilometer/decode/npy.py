"""Decodes an array in numpy's own file format as one tensor called ``value``.

Only numbers and booleans are read, and no data is unpickled.

Source: numpy, "numpy.lib.format".
"""

import ast
import re
from math import prod

import numpy as np

from nilometer.bodies.column_names import VALUE
from nilometer.decode.budget import check_cells
from nilometer.decode.columns import Block, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.protocol import Body, Format
from nilometer.decode.tensors import MAX_DIMENSIONS, tensor_columns
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1024  # bytes; numpy writes 118 for an array of up to 8 dimensions
_SIZE_BYTES = {1: 2, 2: 4, 3: 4}  # bytes of the header's length, by version
_DTYPE = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f[248])")


def decode(body: bytes, side: Side) -> Facts:
    """Add the columns of the array in *body*.

    Raises:
        Undecodable: ``malformed`` if the body is not an array of numbers, ``wrong_shape`` if its
            shape does not match its bytes, ``too_large`` if it has too many cells.
    """
    dtype, by_columns, shape, start = _header(body)
    raw = memoryview(body)[start:]
    if not shape or prod(shape) * dtype.itemsize != len(raw):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    check_cells(max(prod(shape), *shape))  # a 0 in the shape hides other sizes
    cells = np.frombuffer(raw, dtype)
    if by_columns:
        cells = cells.reshape(shape, order="F").ravel()
    found = cells.tolist() if dtype.kind == "b" else cells
    side.add_block(Block(shape[0], tensor_columns(VALUE, found, shape)))
    return Facts(Protocol.NPY)


def _header(body: bytes) -> tuple[np.dtype[np.generic], bool, tuple[int, ...], int]:
    """Return the cells' type, whether they are stored by column, the shape, and their offset."""
    at = len(MAGIC) + 2
    width = _SIZE_BYTES.get(body[at - 2], 0) if len(body) >= at else 0
    end = at + width + int.from_bytes(body[at : at + width], "little")
    if not width or end > len(body) or end - at > _MAX_HEADER:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    try:
        header = ast.literal_eval(body[at + width : end].decode().strip())
        descr, by_columns = str(header["descr"]), bool(header["fortran_order"])
        shape = tuple(map(int, header["shape"]))
    except (
        *(ArithmeticError, ValueError, TypeError, KeyError),
        *(SyntaxError, MemoryError, RecursionError),
    ) as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    if not _DTYPE.fullmatch(descr) or len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    return np.dtype(descr), by_columns, shape, end


def _decode(body: Body, side: Side) -> Facts | None:
    return decode(body.content, side)


FORMAT = Format(
    media_types=frozenset({"application/x-npy", "application/npy", "application/x-numpy"}),
    begins=lambda content: content.startswith(MAGIC),
    decode=_decode,
)
