"""Decodes Open Inference Protocol V2 in JSON: named tensors in ``inputs`` and ``outputs``.

`nilometer.decode.tensors` defines the columns of a tensor.

Source: kserve/open-inference-protocol, "Inference" of the REST specification.
"""

from collections.abc import Iterable, Mapping, Sequence

from nilometer.decode.columns import Block, Column, Side
from nilometer.decode.facts import Facts, Protocol, id_of, text_of
from nilometer.decode.protobuf import MAX_DIMENSIONS
from nilometer.decode.protocol import DecodeObject, JsonProtocol
from nilometer.decode.tensors import add_columns, tensor_columns
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

Tensors = Sequence[Mapping[str, Cell]]
KEYS = {Role.INPUT: "inputs", Role.OUTPUT: "outputs"}  # keys of the tensors in a message


def tensors_of(value: Cell, key: str) -> Tensors | None:
    """Return the tensors under *key*, or None if *value* has another protocol."""
    tensors = value.get(key) if isinstance(value, dict) else None
    if not isinstance(tensors, list) or not tensors:
        return None
    for tensor in tensors:
        if not isinstance(tensor, Mapping) or not {"name", "shape", "datatype"} <= tensor.keys():
            return None
    return tensors


def decode_tensors(value: Mapping[str, Cell], tensors: Tensors, side: Side) -> Facts:
    """Add the columns of the *tensors* in the message *value*.

    Raises:
        Undecodable: If a shape does not match its data, or batch sizes differ.
    """
    side.add_block(block_of(tensors))
    return facts_of(value, Protocol.OIP_V2)


def facts_of(value: Mapping[str, Cell], protocol: Protocol) -> Facts:
    """Return the facts in a message besides its tensors."""
    return Facts(
        protocol,
        value=value,
        prediction_id=id_of(value.get("id")),
        model=text_of(value.get("model_name")),
        model_version=text_of(value.get("model_version")),
    )


def block_of(tensors: Tensors) -> Block:
    """Return the columns of *tensors*, all with one batch size.

    Raises:
        Undecodable: If a shape does not match its data, or batch sizes differ.
    """
    return joined(map(_columns, tensors))


def joined(parts: Iterable[tuple[int, Mapping[str, Column]]]) -> Block:
    """Join the columns of several tensors, each with its number of rows, into one block.

    Raises:
        Undecodable: If batch sizes differ, or if there are more than `MAX_COLUMNS` columns.
    """
    columns: dict[str, Column] = {}
    rows: int | None = None
    for count, found in parts:
        if rows is not None and count != rows:
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
        rows = count
        add_columns(columns, found)
    return Block(rows or 0, columns, is_vetted=False)


def shape_of(shape: Cell) -> list[int]:
    """Return *shape* after validation.

    Raises:
        Undecodable: If it is not a list of sizes, or has too many dimensions.
    """
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    sizes = [size for size in shape if isinstance(size, int) and size >= 0]
    if len(sizes) != len(shape):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return sizes


def _columns(tensor: Mapping[str, Cell]) -> tuple[int, dict[str, Column]]:
    name, shape, data = str(tensor["name"]), shape_of(tensor["shape"]), tensor.get("data")
    if not isinstance(data, list):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    return shape[0] if shape else 1, tensor_columns(name, _flattened(data, len(shape)), shape)


def _flattened(data: list[Cell], depth: int) -> list[Cell]:
    """Return row-major cells of *data*, which is flat or nested according to the shape."""
    for _ in range(depth - 1):
        if not any(isinstance(item, list) for item in data):
            return data
        if not all(isinstance(item, list) for item in data):
            raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
        data = [cell for item in data if isinstance(item, list) for cell in item]
    return data


def _decoder_of(key: str) -> DecodeObject:
    def decode(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
        del path
        tensors = tensors_of(value, key)
        return None if tensors is None else decode_tensors(value, tensors, side)

    return decode


PROTOCOL = JsonProtocol(
    input_keys=frozenset({KEYS[Role.INPUT]}),
    output_keys=frozenset({KEYS[Role.OUTPUT]}),
    decode_input=_decoder_of(KEYS[Role.INPUT]),
    decode_output=_decoder_of(KEYS[Role.OUTPUT]),
)
