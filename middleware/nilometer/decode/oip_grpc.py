"""Decodes Open Inference Protocol V2 over gRPC: ModelInferRequest and ModelInferResponse.

Tensors are typed (``contents``) or raw (``raw_input_contents``, ``raw_output_contents``). The body
is one message. With content type ``application/grpc+frames`` it is several messages, each after
the five-byte frame header of gRPC.

Source: kserve/open-inference-protocol, ``open_inference_grpc.proto``; Triton's
``ModelStreamInferResponse``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nilometer.bodies.media import media_type
from nilometer.bodies.tensor_frames import BYTES
from nilometer.decode.columns import Column, Side
from nilometer.decode.encodings import MAX_DECODED_BYTES, decoded
from nilometer.decode.facts import MAX_ID, Facts, Protocol
from nilometer.decode.oip_raw import raw_columns, text_or_bytes
from nilometer.decode.oip_v2 import joined
from nilometer.decode.protobuf import Wire, fields, sizes, text, varints
from nilometer.decode.protocol import Format
from nilometer.decode.tensors import tensor_columns
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd, UndecodableReason

FRAMED = "application/grpc+frames"
_FRAME_BYTES = 5
MAX_MESSAGES = 4096  # messages in one direction of a stream
_SERVICE = "/inference.GRPCInferenceService/"
_RAW = {Role.INPUT: 7, Role.OUTPUT: 6}  # raw_input_contents, raw_output_contents


@dataclass(slots=True)
class _Tensor:
    name: str = ""
    datatype: str = ""
    shape: list[memoryview] = field(default_factory=list)
    contents: memoryview | None = None


@dataclass(slots=True)
class _Message:
    model: str = ""
    version: str = ""
    id: str = ""
    tensors: list[_Tensor] = field(default_factory=list)
    raw: list[memoryview] = field(default_factory=list)


def decode(body: bytes, media: str, role: Role, path: str, side: Side) -> Facts:
    """Add the columns of the messages in *body*.

    Args:
        body: Serialized messages, framed or a single one.
        media: Content type without parameters.
        role: INPUT for requests, OUTPUT for responses.
        path: Path ``/package.Service/Method``; empty counts as an inference.
        side: Side that the columns are added to; unchanged if this raises.

    Raises:
        Undecodable: ``unknown_content_type`` for another service, otherwise the reason why the
            bytes are invalid.
    """
    if path and not path.startswith(_SERVICE):
        raise Undecodable(UndecodableReason.UNKNOWN_CONTENT_TYPE.value)
    streams = path.endswith("ModelStreamInfer") and role is Role.OUTPUT
    gathered = Side()
    facts = Facts(Protocol.OIP_V2_GRPC)
    for message in _unframed(body) if media == FRAMED else [memoryview(body)]:
        inner = _of_stream(message) if streams else message
        if inner is None:
            facts = Facts(Protocol.OIP_V2_GRPC, stream_end=StreamEnd.ERROR)
            continue
        read = _read(inner, role)
        gathered.add_block(joined(_columns(read)))
        facts = Facts(
            Protocol.OIP_V2_GRPC,
            prediction_id=read.id[:MAX_ID],
            model=read.model[:MAX_ID],
            model_version=read.version[:MAX_ID],
            stream_end=facts.stream_end,
        )
    side.extend(gathered)
    return facts


def _unframed(body: bytes) -> Iterator[memoryview]:
    """Yield the messages in *body*, decompressed within the size limit of a single body."""
    rest = memoryview(body)
    room = MAX_DECODED_BYTES
    for _ in range(MAX_MESSAGES):
        if not rest:
            return
        size = int.from_bytes(rest[1:_FRAME_BYTES], "big")
        if rest[0] > 1 or len(rest) < _FRAME_BYTES + size:  # invalid, or cut off
            raise Undecodable(UndecodableReason.MALFORMED.value)
        message = rest[_FRAME_BYTES : _FRAME_BYTES + size]
        if rest[0]:
            # The first bytes identify the compression, so the call's metadata is not needed.
            packed = bytes(message)
            coding = "gzip" if packed.startswith(b"\x1f") else "deflate"
            plain = decoded(packed, coding, room)
            room -= len(plain)
            message = memoryview(plain)
        yield message
        rest = rest[_FRAME_BYTES + size :]
    if rest:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)


def _of_stream(message: memoryview) -> memoryview | None:
    """Return the response inside a ModelStreamInferResponse; None if it is an error."""
    response: memoryview | None = None
    for number, wire, value in fields(message):
        if number == 1 and wire == Wire.BYTES and value:
            return None
        if number == 2 and wire == Wire.BYTES:
            response = value
    return response if response is not None else memoryview(b"")


def _read(message: memoryview, role: Role) -> _Message:
    read = _Message()
    raw = _RAW[role]
    for number, wire, value in fields(message):
        if wire != Wire.BYTES:
            continue
        match number:
            case 1:
                read.model = text(value)
            case 2:
                read.version = text(value)
            case 3:
                read.id = text(value)
            case 5:
                read.tensors.append(_tensor(value))
            case _ if number == raw:
                read.raw.append(value)
            case _:  # for example parameters and requested outputs
                pass
    return read


def _tensor(message: memoryview) -> _Tensor:
    tensor = _Tensor()
    for number, wire, value in fields(message):
        match number, wire:
            case 1, Wire.BYTES:
                tensor.name = text(value)
            case 2, Wire.BYTES:
                tensor.datatype = text(value)
            case 3, (Wire.BYTES | Wire.VARINT):
                tensor.shape.append(value)
            case 5, Wire.BYTES:
                tensor.contents = value
            case _:  # parameters
                pass
    return tensor


def _columns(message: _Message) -> Iterator[tuple[int, Mapping[str, Column]]]:
    """Yield rows and columns of each tensor; raw contents are in the order of the tensors."""
    if message.raw and len(message.raw) != len(message.tensors):
        raise Undecodable(UndecodableReason.WRONG_SHAPE.value)
    for at, tensor in enumerate(message.tensors):
        shape = sizes(tensor.shape)
        rows = shape[0] if shape else 1
        if message.raw:
            yield rows, raw_columns(tensor.name, tensor.datatype, shape, message.raw[at])
        else:
            cells = _contents(tensor.datatype, tensor.contents)
            yield rows, tensor_columns(tensor.name, cells, shape)


def _contents(datatype: str, contents: memoryview | None) -> Sequence[Cell] | NDArray[np.generic]:
    """Return the cells of a typed tensor."""
    kind = _KINDS.get(datatype)
    if kind is None:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    wanted, one, cells = kind
    parts = [
        value
        for number, wire, value in fields(contents or memoryview(b""))
        if number == wanted and wire in {Wire.BYTES, one}
    ]
    return cells(parts)


def _fixed(dtype: str) -> Callable[[list[memoryview]], NDArray[Any]]:
    def cells(parts: list[memoryview]) -> NDArray[Any]:
        packed = b"".join(parts)
        if len(packed) % np.dtype(dtype).itemsize:
            raise Undecodable(UndecodableReason.MALFORMED.value)
        return np.frombuffer(packed, dtype)

    return cells


def _unsigned(parts: list[memoryview]) -> NDArray[Any]:
    return varints(b"".join(parts))


def _signed(parts: list[memoryview]) -> NDArray[Any]:
    return varints(b"".join(parts)).view(np.int64)


def _truths(parts: list[memoryview]) -> list[Cell]:
    return [number != 0 for number in _unsigned(parts).tolist()]


def _elements(parts: list[memoryview]) -> list[Cell]:
    return [text_or_bytes(part) for part in parts]


# For each datatype: the field of InferTensorContents, the wire type of an element, and the function
# that reads the cells. FP16 and BF16 have no field, because they exist only as raw contents.
_KINDS: Mapping[
    str, tuple[int, Wire, Callable[[list[memoryview]], Sequence[Cell] | NDArray[Any]]]
] = {
    "BOOL": (1, Wire.VARINT, _truths),
    **dict.fromkeys(("INT8", "INT16", "INT32"), (2, Wire.VARINT, _signed)),
    "INT64": (3, Wire.VARINT, _signed),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), (4, Wire.VARINT, _unsigned)),
    "UINT64": (5, Wire.VARINT, _unsigned),
    "FP32": (6, Wire.FIXED32, _fixed("<f4")),
    "FP64": (7, Wire.FIXED64, _fixed("<f8")),
    BYTES: (8, Wire.BYTES, _elements),
}


FORMAT = Format(
    media_types=frozenset({"application/grpc", "application/grpc+proto", FRAMED}),
    decode=lambda body, side: decode(
        body.content, media_type(body.content_type), body.role, body.path, side
    ),
    # Capture never cuts a message, so both ends together are a valid stream.
    decode_ends=lambda body, end, side: msgspec.structs.replace(
        decode(body.content + end, FRAMED, body.role, body.path, side), partial=True
    ),
)
