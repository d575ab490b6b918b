"""Learns the shape of a server's bodies, to decode whole batches of that shape fast.

Most servers receive the same fields in every request. After a run of bodies with one shape, a
strict msgspec structure of that shape is built. It parses JSON directly to floats, strings and
booleans, without a dictionary per body, and numbers become arrays. It refuses unknown fields,
missing fields and other types. If a body has another shape, its batch is decoded in the general
way. The shape is then discarded, and learned again after some batches.

Floats become an array through MessagePack, which writes each float as a type byte and eight bytes.
Structures of floats therefore have one size, and numpy reads a column by its stride. This takes a
third of the time of reading the floats one by one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nilometer.bodies.column_names import VALUE, tensor_names, value_like_keys
from nilometer.decode import registry
from nilometer.decode.columns import Block, Column, Side
from nilometer.decode.facts import MAX_ID, Protocol
from nilometer.decode.files import may_be_files
from nilometer.decode.free_json import without_envelope
from nilometer.decode.oip_v2 import KEYS
from nilometer.decode.said import NOTHING_SAID, Said
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

MAX_FIELDS = 256  # most fields of a shape that is learned
EXAMPLES = 16  # bodies of one shape after which it is learned
LONGEST_PAUSE = 64  # most batches that are skipped between attempts while the shape keeps changing

_json = msgspec.json.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode
# A float in MessagePack: a type byte and eight bytes.
_FLOAT = np.dtype({"names": ["float"], "formats": [">f8"], "offsets": [1], "itemsize": 9})


class Shapes:
    """Learns the shape of the requests or the responses of one entity. Not thread-safe.

    Args:
        tensors: Key of the tensors on this side, ``inputs`` or ``outputs``.
    """

    __slots__ = ("_pause", "_reader", "_tensors", "_wait")

    def __init__(self, tensors: str) -> None:
        self._tensors = tensors
        self._reader: _Rows | _Tensors | _Scalars | None = None
        self._pause = 1  # batches to skip after the shape changed
        self._wait = 0

    def read(self, bodies: Sequence[bytes | None]) -> Block | None:
        """Return the columns of *bodies* in order; None if they need the general decoder."""
        if self._reader is None:
            if self._wait:
                self._wait -= 1
                return None
            self._reader = learn(bodies[:EXAMPLES], self._tensors)
            if self._reader is None:
                self._give_up()
                return None
        try:
            block = self._reader.read(bodies)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
            self._reader = None
            self._give_up()
            return None
        self._pause = 1
        return block

    @property
    def said(self) -> Said:
        """Model and version, if all bodies of the latest `read` name the same."""
        return self._reader.said if isinstance(self._reader, _Tensors) else NOTHING_SAID

    def _give_up(self) -> None:
        self._wait = self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


def learn(bodies: Sequence[bytes | None], tensors: str) -> "_Rows | _Tensors | _Scalars | None":
    """Return a reader for the common shape of *bodies*; None if they have no common shape."""
    try:
        values = [_json(body) for body in bodies if body is not None]
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    if len(values) != len(bodies) or not values:
        return None
    first = values[0]
    if isinstance(first, dict):
        if isinstance(first.get(tensors), list):
            return _Tensors(tensors)
        return _rows(values) if _is_free(first, tensors) else None
    kinds = set(map(type, values))
    return _Scalars() if kinds <= {int, float} else None


def _is_free(value: Mapping[str, Cell], tensors: str) -> bool:
    """Return whether an object is free JSON, for any path and any text in it.

    Protocols may identify their objects by the text of a key, or by the path. So objects with text
    under a protocol's key are decoded in the general way.
    """
    if without_envelope(value) is not value:
        return False
    claims = registry.TABLE.inputs if tensors == KEYS[Role.INPUT] else registry.TABLE.outputs
    if any(isinstance(value[key], str) for key in claims.keys & value.keys()):
        return False
    try:
        facts = claims.decode(value, "", Side())
    except Undecodable:
        return False
    return facts is None or facts.protocol is Protocol.JSON


def _rows(values: list[Any]) -> "_Rows | None":
    names = tuple(values[0])
    if not 0 < len(names) <= MAX_FIELDS or value_like_keys(names):
        return None
    if any(map(_UNUSABLE.search, names)):
        return None
    fields: list[type] = []
    for name in names:
        kinds = set()
        for value in values:
            if type(value) is not dict or value.keys() != values[0].keys():
                return None
            kinds.add(type(value[name]))
        kind = _FIELD_TYPES.get(frozenset(kinds))
        if kind is None:
            return None
        fields.append(kind)
    return _Rows(names, fields)


_UNUSABLE = re.compile(r'["\\\x00-\x1f]')  # characters that a field of a structure cannot have
_FIELD_TYPES: Mapping[frozenset[type], type] = {
    frozenset({float}): float,
    frozenset({int}): float,
    frozenset({int, float}): float,
    frozenset({str}): str,
    frozenset({bool}): bool,
}


class _Rows:
    """Reads flat objects with the same keys and types."""

    def __init__(self, names: tuple[str, ...], fields: Sequence[type]) -> None:
        self._names = names
        self._fields = fields
        renamed = {f"f{at}": name for at, name in enumerate(names)}
        structure = msgspec.defstruct(
            "Row",
            [(field, kind) for field, kind in zip(renamed, fields, strict=True)],
            rename=renamed,
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(structure).decode
        self._packed = _packed(names) if set(fields) == {float} else None

    def read(self, bodies: Sequence[bytes | None]) -> Block:
        rows = list(map(self._decode, bodies))  # type: ignore[arg-type]  # None raises
        columns: dict[str, Column]
        if self._packed is not None:
            cells = _unpacked(rows, self._packed)
            columns = {
                name: cells[field]["float"].astype(np.float64)
                for name, field in zip(self._names, self._packed.names or (), strict=True)
            }
            return Block(len(rows), columns)
        cells_of = [*zip(*map(msgspec.structs.astuple, rows), strict=True)]
        columns = dict(zip(self._names, cells_of, strict=True))
        for name, kind, found in zip(self._names, self._fields, cells_of, strict=True):
            if kind is float:
                columns[name] = np.array(found, np.float64)
            elif kind is str and may_be_files(name, found):
                raise ValueError("texts that may be files")
        return Block(len(rows), columns)


def _packed(names: Sequence[str]) -> "np.dtype[np.void]":
    """Return the dtype of a structure of floats in MessagePack: a map with the keys *names*."""
    size = len(_encode(dict.fromkeys(names, 0.0)))
    lengths = [len(_encode(name)) + _FLOAT.itemsize for name in names]
    ends = size - sum(lengths) + np.cumsum(lengths)  # positions after the map's header
    return np.dtype(
        {
            "names": [f"f{at}" for at in range(len(names))],
            "formats": [_FLOAT] * len(names),
            "offsets": (ends - _FLOAT.itemsize).tolist(),
            "itemsize": size,
        }
    )


def _packed_list(length: int) -> "np.dtype[np.void]":
    """Return the dtype of a list of *length* floats in MessagePack, with the field ``floats``."""
    size = len(_encode([0.0] * length))
    return np.dtype(
        {
            "names": ["floats"],
            "formats": [(_FLOAT, (length,))],
            "offsets": [size - length * _FLOAT.itemsize],
            "itemsize": size,
        }
    )


def _unpacked(items: Sequence[Any], packed: "np.dtype[np.void]") -> "NDArray[np.void]":
    """Return *items* as an array of dtype *packed*, shape (n,)."""
    encoded = _encode(items)
    return np.frombuffer(encoded, packed, len(items), len(encoded) - len(items) * packed.itemsize)


class _Scalars:
    """Reads bare numbers."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(float).decode

    def read(self, bodies: Sequence[bytes | None]) -> Block:
        found = map(self._decode, bodies)  # type: ignore[arg-type]  # None raises
        return Block(len(bodies), {VALUE: np.fromiter(found, np.float64, len(bodies))})


class _Tensor(msgspec.Struct, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class _Tensors:
    """Reads the Open Inference Protocol V2 with flat numeric data."""

    def __init__(self, key: str) -> None:
        message = msgspec.defstruct(
            "Tensors",
            [("tensors", list[_Tensor]), ("model_name", str, ""), ("model_version", str, "")],
            rename={"tensors": key},
            gc=False,
        )
        self._decode: Any = msgspec.json.Decoder(message).decode
        self.said = NOTHING_SAID

    def read(self, bodies: Sequence[bytes | None]) -> Block:
        read = list(map(self._decode, bodies))
        said = {(one.model_name, one.model_version) for one in read}
        if len(said) > 1:
            raise ValueError("bodies of several models")
        model, version = said.pop()
        self.said = Said(model[:MAX_ID], version[:MAX_ID])
        messages = [one.tensors for one in read]
        first: list[_Tensor] = messages[0]
        if not first:
            raise ValueError("body without tensors")
        columns: dict[str, Any] = {}
        rows = first[0].shape[0] if first[0].shape else 0
        for at, example in enumerate(first):
            name, shape = example.name, example.shape
            width = len(example.data)
            names = tensor_names(name, shape)
            alike = all(
                len(tensors) == len(first)
                and tensors[at].name == name
                and tensors[at].shape == shape
                and len(tensors[at].data) == width
                for tensors in messages
            )
            if not alike or not rows or shape[0] != rows or names is None:
                raise ValueError("tensors of another shape than learned")
            if rows * len(names) != width or columns.keys() & set(names):
                raise ValueError("tensor shape does not match its data")
            packed = _packed_list(width)
            cells = _unpacked([tensors[at].data for tensors in messages], packed)["floats"]["float"]
            matrix = cells.astype(np.float64).reshape(-1, len(names))
            columns.update(zip(names, matrix.T, strict=True))
        return Block(len(bodies) * rows, columns, is_vetted=False)
