"""Reads columns of Arrow tables: finds their kinds, and adds their cells to recorders.

Numbers and strings are counted in Arrow's own buffers. A cell becomes a Python object only if there
is no faster way for its type.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nilometer.bodies.arrow_cells import python_cells
from nilometer.profile.category import MAX_NAME_CHARACTERS
from nilometer.profile.feature import BOOLEAN
from nilometer.profile.recorder import FeatureRecorder
from nilometer.sketch.hashing import hash_bytes

if TYPE_CHECKING:
    import pyarrow

CHUNK_ROWS = 1 << 16

Floats = NDArray[np.float64]


def record(recorder: FeatureRecorder, column: "pyarrow.ChunkedArray") -> None:
    """Add *column* to *recorder*.

    Strings are added `CHUNK_ROWS` rows at a time, so that they stay in the processor's cache.
    """
    import pyarrow
    import pyarrow.compute
    import pyarrow.types as kinds

    recorder.observe_missing(column.null_count)
    if column.null_count:
        column = column.drop_null()
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    numbers = numbers_of(column)
    if numbers is not None:
        recorder.observe_numbers(numbers)
    elif kinds.is_boolean(column.type):
        true = pyarrow.compute.sum(column).as_py() or 0
        counted = {"true": true, "false": len(column) - true}
        recorder.observe_categories({k: n for k, n in counted.items() if n}, BOOLEAN)
    elif is_text(column):
        for start in range(0, len(column), CHUNK_ROWS):
            _record_strings(recorder, column.slice(start, CHUNK_ROWS).combine_chunks())
    elif kinds.is_temporal(column.type):
        recorder.observe_others("timestamp", len(column))
    elif kinds.is_nested(column.type):
        kind = "object" if kinds.is_struct(column.type) or kinds.is_map(column.type) else "list"
        recorder.observe_others(kind, len(column))
    elif kinds.is_null(column.type):
        pass
    else:
        recorder.observe(python_cells(column))


def _record_strings(
    recorder: FeatureRecorder, array: "pyarrow.Array | pyarrow.ChunkedArray"
) -> None:
    """Add strings without creating Python objects: count and hash them in Arrow's buffers."""
    import pyarrow

    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
    counted = array.value_counts()
    values = counted.field("values").cast("large_string")
    counts = counted.field("counts").to_numpy()
    _, offsets, data = values.buffers()
    at = np.frombuffer(offsets, dtype=np.int64)[values.offset : values.offset + len(values) + 1]
    hashes = hash_bytes(memoryview(data) if data is not None else b"", at)
    recorder.observe_hashed(hashes, counts, lambda index: str(values[index].as_py()))


def numbers_of(column: "pyarrow.ChunkedArray") -> Floats | None:
    """Return the present numbers of a numeric column as float64; None for another type."""
    import pyarrow.types as kinds

    kind = column.type
    if not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)):
        return None
    if kinds.is_decimal(kind):
        column = column.cast("float64")
    if column.null_count:
        column = column.drop_null()
    return np.asarray(column.to_numpy(), dtype=np.float64)


def is_text(column: "pyarrow.ChunkedArray") -> bool:
    """Return whether the cells are strings, stored directly or in a dictionary."""
    import pyarrow.types as kinds

    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def is_long_text(column: "pyarrow.ChunkedArray") -> bool:
    """Return whether any string is too long for the name of a category."""
    import pyarrow.compute

    if not is_text(column) or not len(column):
        return False
    longest = pyarrow.compute.max(pyarrow.compute.utf8_length(column.cast("large_string")))
    return (longest.as_py() or 0) > MAX_NAME_CHARACTERS


def is_list(column: "pyarrow.ChunkedArray") -> bool:
    """Return whether the cells are lists, of one length or of many."""
    import pyarrow.types as kinds

    kind = column.type
    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))
