"""Decodes Open Inference Protocol V2 with binary tensors: `nilometer.bodies.tensor_frames`."""

from collections.abc import Iterator, Mapping

from nilometer.bodies import carriers
from nilometer.bodies.tensor_frames import split, with_bytes
from nilometer.decode.budget import check_text
from nilometer.decode.columns import Column, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.oip_raw import raw_columns
from nilometer.decode.oip_v2 import KEYS, Tensors, block_of, facts_of, joined, shape_of, tensors_of
from nilometer.decode.protocol import Format
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason


def decode(body: bytes, key: str, header_length: str, side: Side) -> Facts | None:
    """Add the columns of *body*; return None if it has another protocol.

    Args:
        body: JSON followed by the bytes of the tensors.
        key: Key of the tensors, ``inputs`` or ``outputs``.
        header_length: Value of ``Inference-Header-Content-Length``, or empty.
        side: Side that the columns are added to.

    Raises:
        Undecodable: If the shape of a tensor does not match its bytes.
    """
    check_text(body)
    try:
        value, raw = split(body, header_length)
        tensors = tensors_of(value, key)
        if tensors is None or not isinstance(value, dict):
            return None
        side.add_block(joined(_columns(tensors, raw)))
    except ValueError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    return facts_of(value, Protocol.OIP_V2_BINARY if raw else Protocol.OIP_V2)


def _columns(tensors: Tensors, raw: memoryview) -> Iterator[tuple[int, Mapping[str, Column]]]:
    for tensor, chunk in with_bytes(tensors, raw):
        if chunk is None:
            block = block_of([tensor])
            yield block.rows, block.columns
            continue
        shape = shape_of(tensor["shape"])
        name, datatype = str(tensor["name"]), str(tensor["datatype"])
        yield shape[0] if shape else 1, raw_columns(name, datatype, shape, chunk)


FORMAT = Format.of(
    carriers.BINARY_TENSORS,
    decode=lambda body, side: decode(body.content, KEYS[body.role], body.header_length, side),
)
