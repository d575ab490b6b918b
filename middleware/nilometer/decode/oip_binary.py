"""Decodes Open Inference Protocol V2 with binary tensors: JSON, then the bytes of the tensors.

``Inference-Header-Content-Length`` is the length of the JSON. Loggers and proxies may lose this
header. If it is absent or wrong, parsing the JSON finds the end.

Source: Triton, "Binary Tensor Data Extension".
"""

import json
from collections.abc import Iterator, Mapping

from nilometer.bodies import carriers
from nilometer.decode.budget import check_text
from nilometer.decode.columns import Column, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_body import from_json
from nilometer.decode.oip_raw import raw_columns
from nilometer.decode.oip_v2 import KEYS, Tensors, block_of, facts_of, joined, shape_of, tensors_of
from nilometer.decode.protocol import Format
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_scan = json.JSONDecoder().raw_decode


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
    value, end = _head(body, header_length)
    tensors = tensors_of(value, key)
    if tensors is None or not isinstance(value, dict):
        return None
    raw = memoryview(body)[end:]
    side.add_block(joined(_columns(tensors, raw)))
    return facts_of(value, Protocol.OIP_V2_BINARY if raw else Protocol.OIP_V2)


def _head(body: bytes, header_length: str) -> tuple[Cell, int]:
    """Return the JSON at the start of *body*, and its end position."""
    check_text(body)
    if header_length.isascii() and header_length.isdigit() and len(header_length) < 12:
        end = int(header_length)
        if 0 < end <= len(body):
            try:
                return from_json(body[:end]), end
            except Undecodable:
                pass  # the header is wrong: find the end by parsing
    try:
        # Latin-1 decodes any bytes after the JSON, one character per byte.
        _, end = _scan(body.decode("latin-1"))
    except (ValueError, RecursionError) as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error
    return from_json(body[:end]), end


def _columns(tensors: Tensors, raw: memoryview) -> Iterator[tuple[int, Mapping[str, Column]]]:
    at = 0
    for tensor in tensors:
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:  # the data of this tensor is in the JSON
            block = block_of([tensor])
            yield block.rows, block.columns
            continue
        if not isinstance(size, int) or not 0 <= size <= len(raw) - at:
            raise Undecodable(UndecodableReason.MALFORMED.value)
        shape = shape_of(tensor["shape"])
        found = raw_columns(
            str(tensor["name"]), str(tensor["datatype"]), shape, raw[at : at + size]
        )
        yield shape[0] if shape else 1, found
        at += size


FORMAT = Format.of(
    carriers.BINARY_TENSORS,
    decode=lambda body, side: decode(body.content, KEYS[body.role], body.header_length, side),
)
