"""Decodes Seldon Core's protocol: ``data`` with ``names`` and an ``ndarray`` or a ``tensor``.

Columns without names are called ``data.0``, ``data.1`` and so on.

Source: Seldon Core V1, "Prediction messages", ``prediction.proto``.
"""

from collections.abc import Mapping

from nilometer.bodies.column_names import placed
from nilometer.decode.columns import Block, Column, Side
from nilometer.decode.facts import Facts, Protocol, id_of
from nilometer.decode.json_rows import rows_of
from nilometer.decode.oip_v2 import shape_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.decode.tensors import nested_columns, tensor_columns
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_NAME = "data"


def is_message(value: Mapping[str, Cell]) -> bool:
    """Return whether *value* is a SeldonMessage with a table."""
    table = value.get("data")
    if isinstance(table, dict):
        return isinstance(table.get("ndarray"), list) or isinstance(table.get("tensor"), dict)
    return "jsonData" in value and value.keys() <= {"jsonData", "meta", "status"}


def decode(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add the table of a message, or its ``jsonData``.

    Raises:
        Undecodable: If the shape of the table does not match its cells.
    """
    table = value.get("data")
    if isinstance(table, dict):
        side.add_block(_block(table))
    else:
        side.add_rows(rows_of(value.get("jsonData")))
    meta = value.get("meta")
    puid = meta.get("puid") if isinstance(meta, dict) else None
    return Facts(Protocol.SELDON, value=value, prediction_id=id_of(puid))


def _block(table: Mapping[str, Cell]) -> Block:
    rows, columns = _columns(table)
    names = table.get("names")
    if isinstance(names, list) and len(names) == len(set(map(str, names))) == len(columns):
        columns = dict(zip(placed([*map(str, names)]), columns.values(), strict=True))
    return Block(rows, columns)


def _columns(table: Mapping[str, Cell]) -> tuple[int, dict[str, Column]]:
    array, tensor = table.get("ndarray"), table.get("tensor")
    if isinstance(array, list):
        return len(array), nested_columns(_NAME, array)
    values = tensor.get("values") if isinstance(tensor, dict) else None
    if not isinstance(tensor, dict) or not isinstance(values, list):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    shape = shape_of(tensor.get("shape"))
    return shape[0] if shape else 1, tensor_columns(_NAME, values, shape)


def _decode(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    return decode(value, side) if is_message(value) else None


_KEYS = frozenset({"data", "jsonData"})
PROTOCOL = JsonProtocol(
    input_keys=_KEYS, output_keys=_KEYS, decode_input=_decode, decode_output=_decode
)
