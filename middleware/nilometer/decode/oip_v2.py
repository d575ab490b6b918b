"""Open Inference Protocol V2, JSON form: named tensors in ``inputs`` and ``outputs``.

The first dimension of a tensor is the batch. ``[n]`` and ``[n, 1]`` are one column by the
tensor's name; ``[n, k]`` are *k* columns ``name.0`` to ``name.k-1``; what is wider or deeper than
a table has one cell a row, which the profile counts as a list.

Source: kserve/open-inference-protocol, "Inference" of the REST specification.
"""

from collections.abc import Mapping, Sequence

from nilometer.decode.columns import MAX_COLUMNS, Block
from nilometer.errors import Undecodable
from nilometer.profile.feature import Cell
from nilometer.reasons import UndecodableReason

MAX_WIDTH = 128  # a wider tensor is a vector, not columns


def tensors_of(value: Cell, key: str) -> Sequence[Mapping[str, Cell]] | None:
    """The tensors under *key*, or None where *value* is not of this protocol."""
    tensors = value.get(key) if isinstance(value, dict) else None
    if not isinstance(tensors, list) or not tensors:
        return None
    for tensor in tensors:
        if not isinstance(tensor, Mapping) or not {"name", "shape", "datatype"} <= tensor.keys():
            return None
    return tensors


def block_of(tensors: Sequence[Mapping[str, Cell]]) -> Block:
    """The columns of *tensors*, all of one batch size.

    Raises:
        Undecodable: If a shape disagrees with its data, or batches differ.
    """
    columns: dict[str, Sequence[Cell]] = {}
    rows: int | None = None
    for tensor in tensors:
        count, found = _columns(tensor)
        if rows is not None and count != rows:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
        rows = count
        columns.update(found)
        if len(columns) > MAX_COLUMNS:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return Block(rows or 0, columns)


def _columns(tensor: Mapping[str, Cell]) -> tuple[int, dict[str, Sequence[Cell]]]:
    name, shape, data = str(tensor["name"]), tensor["shape"], tensor.get("data")
    if not isinstance(shape, list) or not isinstance(data, list):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    sizes = [size for size in shape if isinstance(size, int) and size >= 0]
    cells = _flattened(data, len(sizes))
    total = 1
    for size in sizes:
        total *= size
    if len(sizes) != len(shape) or total != len(cells):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    rows = sizes[0] if sizes else 1
    width = total // rows if rows else 0
    names = column_names(name, sizes)
    if names is None:
        return rows, {name: [cells[row * width : (row + 1) * width] for row in range(rows)]}
    return rows, {column: cells[at :: len(names)] for at, column in enumerate(names)}


def column_names(name: str, shape: Sequence[int]) -> list[str] | None:
    """The columns of a tensor of *shape*; None where each row is one cell: a vector or deeper."""
    width = 1
    for size in shape[1:]:
        width *= size
    if width <= 1:
        return [name]
    if len(shape) > 2 or width > MAX_WIDTH:
        return None
    return [f"{name}.{column}" for column in range(width)]


def _flattened(data: list[Cell], depth: int) -> list[Cell]:
    """Row-major cells: the data may be flat already or nested as the shape says."""
    for _ in range(depth - 1):
        if not any(isinstance(item, list) for item in data):
            return data
        if not all(isinstance(item, list) for item in data):
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
        data = [cell for item in data if isinstance(item, list) for cell in item]
    return data
