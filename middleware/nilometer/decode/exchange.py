"""One side of an exchange to columns, by its content type and shape."""

from functools import lru_cache

from nilometer.decode.columns import Side
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.oip_v2 import block_of, tensors_of
from nilometer.entity import Role
from nilometer.errors import Undecodable
from nilometer.profile.feature import Cell
from nilometer.reasons import UndecodableReason

TENSORS = {Role.INPUT: "inputs", Role.OUTPUT: "outputs"}


def decode_exchange(
    body: bytes | None, content_type: str, content_encoding: str, role: Role, side: Side
) -> Cell:
    """Add the columns of *body* to *side*; returns the parsed value.

    Args:
        body: As on the wire; None when it was over the capture cap.
        content_type: As declared; empty counts as JSON, because clients forget it.
        content_encoding: As declared.
        role: INPUT or OUTPUT.
        side: Where the columns go; unchanged when this raises.

    Raises:
        Undecodable: With a reason of `UndecodableReason`.
    """
    if body is None:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)
    if content_encoding.strip().lower() not in {"", "identity"}:
        raise Undecodable(UndecodableReason.ENCODED.value)
    if not _is_json(content_type):
        raise Undecodable(UndecodableReason.UNKNOWN_CONTENT_TYPE.value)
    value = from_json(body)
    tensors = tensors_of(value, TENSORS[role])
    if tensors is not None:
        side.add_block(block_of(tensors))
    else:
        side.add_rows(rows_of(value))
    return value


def plain_json(
    request_type: str, request_encoding: str, response_type: str, response_encoding: str
) -> bool:
    """Whether both bodies are JSON as it stands."""
    encodings = {request_encoding, response_encoding}
    return encodings <= {"", "identity"} and _is_json(request_type) and _is_json(response_type)


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media in {"", "application/json"} or media.endswith("+json")
