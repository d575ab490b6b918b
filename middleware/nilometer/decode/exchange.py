"""One side of an exchange to columns: by its content type and a look at its first bytes.

Never is every decoder tried on every body: the content type names one reading, and where a body
is not what it says - clients forget content types, servers declare event streams that are none -
its first bytes name another. Protocols in JSON are told apart by the keys at the top.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from nilometer.decode import custom
from nilometer.decode.columns import VALUE, Side
from nilometer.decode.encodings import MAX_DECODED_BYTES, decoded, is_plain
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.json_body import from_json
from nilometer.decode.json_rows import rows_of
from nilometer.decode.media import Kind, kind_of, media_type
from nilometer.decode.oip_v2 import decode_tensors, tensors_of
from nilometer.decode.tensors import check_table, matrices_block, nested_block
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

TENSORS = {Role.INPUT: "inputs", Role.OUTPUT: "outputs"}

# Keys at the top of a JSON object that a protocol may claim; any other object is free JSON.
CLAIMED = {
    Role.INPUT: frozenset(
        {"inputs", "instances", "dataframe_split", "dataframe_records"}
        | {"messages", "prompt", "input", "data", "jsonData"}
    ),
    Role.OUTPUT: frozenset({"outputs", "predictions", "choices", "object", "data", "jsonData"}),
}
# What may stand beside a bare ``inputs`` or ``outputs`` in MLflow's and TensorFlow Serving's forms.
_BESIDE = frozenset({"inputs", "outputs", "params", "parameters", "signature_name", "id"})
_MLFLOW_PATH = "/invocations"
_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_ASKS_NOTHING = re.compile(
    r"(?:/ping|/health|/healthz|/livez|/readyz|/metrics|/version|/info|/openapi\.json|/docs|/v2"
    r"|/v[12]/health/(?:live|ready)"
    r"|/v[12]/models(?:/[^/:]+(?:/versions/[^/]+)?(?:/ready|/config|/stats)?)?"
    r"|/v2/repository/.*"
    r"|/inference\.GRPCInferenceService/(?!Model(?:Stream)?Infer$).*"
    r"|/grpc\.(?:health|reflection)\..*)"
)
_ANY_METHOD = ("/v2/repository/", "/inference.GRPCInferenceService/", "/grpc.")


def decode_exchange(
    body: bytes | None,
    content_type: str,
    content_encoding: str,
    role: Role,
    side: Side,
    *,
    method: str = "",
    path: str = "",
    query: str = "",
    header_length: str = "",
    max_decoded_bytes: int = MAX_DECODED_BYTES,
) -> Facts:
    """Add the columns of *body* to *side*.

    Args:
        body: As on the wire; None when it was over the capture cap. Of gRPC one message without
            its frame, or framed messages as ``application/grpc+frames``.
        content_type: As declared; empty counts as JSON, because clients forget it.
        content_encoding: As declared.
        role: INPUT or OUTPUT.
        side: Where the columns go; unchanged when this raises.
        method: Of the request, where it is known.
        path: Of the request, where it is known: it tells dialects apart.
        query: Of the URL; read where a request has no body.
        header_length: ``Inference-Header-Content-Length``, where it is known.
        max_decoded_bytes: Cap of the body after its content encoding.

    Returns:
        What the body says beside its columns.

    Raises:
        Undecodable: With a reason of `UndecodableReason`.
    """
    if path and _asks_nothing(method, path):
        raise Undecodable(UndecodableReason.NOT_INFERENCE.value)
    body = _whole(body, content_encoding, max_decoded_bytes)
    if not body and query and role is Role.INPUT:
        return _form(query, Protocol.QUERY, side)
    if not body:
        raise Undecodable(UndecodableReason.EMPTY.value)
    if custom.registered:
        facts = custom.decode(body, content_type, path, side)
        if facts is not None:
            return facts
    kind = kind_of(content_type)
    if kind is Kind.JSON:
        return _json(body, role, path, header_length, side)
    if kind in _OFTEN_JSON and body.lstrip()[:1] in _JSON_STARTS:
        try:
            return _json(body, role, path, header_length, side)
        except Undecodable as error:
            if error.reason != UndecodableReason.MALFORMED.value or kind is Kind.BYTES:
                raise
    return _other(kind, body, content_type, role, path, side)


def _whole(body: bytes | None, content_encoding: str, limit: int) -> bytes:
    if body is None:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)
    return body if is_plain(content_encoding) else decoded(body, content_encoding, limit)


def plain_json(
    request_type: str, request_encoding: str, response_type: str, response_encoding: str
) -> bool:
    """Whether both bodies are JSON as it stands, for nobody but us to read."""
    return (
        is_plain(request_encoding)
        and is_plain(response_encoding)
        and kind_of(request_type) is Kind.JSON
        and kind_of(response_type) is Kind.JSON
        and not (custom.takes(request_type) or custom.takes(response_type))
    )


@lru_cache(maxsize=1024)
def _asks_nothing(method: str, path: str) -> bool:
    """Whether a request is a probe, or asks for metadata: its answer is no prediction."""
    if method not in _BODYLESS and not path.startswith(_ANY_METHOD):
        return False
    return _ASKS_NOTHING.fullmatch(path.rstrip("/") or "/") is not None


# A client that posts JSON with its library's default type, a server that declares a stream.
_OFTEN_JSON = frozenset({Kind.FORM, Kind.BYTES, Kind.TEXT, Kind.EVENTS})
_JSON_STARTS = frozenset({b"{", b"["})


def _json(body: bytes, role: Role, path: str, header_length: str, side: Side) -> Facts:
    if header_length:
        from nilometer.decode import oip_binary

        facts = oip_binary.decode(body, TENSORS[role], header_length, side)
        if facts is not None:
            return facts
    try:
        value = from_json(body)
    except Undecodable:
        facts = _not_quite_json(body, role, header_length, side)
        if facts is None:
            raise
        return facts
    if isinstance(value, dict) and not CLAIMED[role].isdisjoint(value):
        facts = _claimed(value, role, path, side)
        if facts is not None:
            return facts
    _free(value, side)
    return Facts(Protocol.JSON, value)


def _free(value: Cell, side: Side) -> None:
    """Free JSON: fields, rows, or a batch of lists."""
    if isinstance(value, list):
        if not value or dict not in set(map(type, value)):
            side.add_block(nested_block(VALUE, value))
            return
        rows = rows_of(value)
        check_table(rows)
        side.add_rows(rows)
        return
    if isinstance(value, dict) and type(next(iter(value.values()), None)) is list:
        block = matrices_block(value)
        if block is not None:
            side.add_block(block)
            return
    side.add_rows(rows_of(value))


def _claimed(value: Mapping[str, Cell], role: Role, path: str, side: Side) -> Facts | None:
    """The protocol whose keys stand at the top; None where it is free JSON after all."""
    key = TENSORS[role]
    if key in value:
        tensors = tensors_of(value, key)
        if tensors is not None:
            return decode_tensors(value, tensors, side)
        return _tensors_by_name(value, key, path, side) if value.keys() <= _BESIDE else None
    if role is Role.INPUT:
        return _claimed_request(value, path, side)
    return _claimed_response(value, path, side)


def _claimed_request(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    if "instances" in value:
        return _tensors_by_name(value, "instances", path, side)
    if "dataframe_split" in value or "dataframe_records" in value:
        from nilometer.decode import mlflow

        split = "dataframe_split" in value
        return (mlflow.decode_split if split else mlflow.decode_records)(value, side)
    if not value.keys().isdisjoint({"messages", "prompt", "input"}):
        from nilometer.decode import openai_request

        return openai_request.decode(value, path, side)
    return _seldon(value, side)


def _claimed_response(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    if "predictions" in value:
        return _tensors_by_name(value, "predictions", path, side)
    if "object" in value or "choices" in value:
        from nilometer.decode import openai_answer, openai_vectors

        if openai_answer.is_answer(value):
            return openai_answer.decode(value, side)
        if openai_vectors.is_answer(value):
            return openai_vectors.decode(value, side)
    return _seldon(value, side)


def _tensors_by_name(value: Mapping[str, Cell], key: str, path: str, side: Side) -> Facts | None:
    from nilometer.decode import kserve_v1

    is_mlflow = path.endswith(_MLFLOW_PATH) or key in {"inputs", "outputs"}
    return kserve_v1.decode(value, key, Protocol.MLFLOW if is_mlflow else Protocol.KSERVE_V1, side)


def _seldon(value: Mapping[str, Cell], side: Side) -> Facts | None:
    if "data" not in value and "jsonData" not in value:
        return None
    from nilometer.decode import seldon

    return seldon.decode(value, side) if seldon.is_message(value) else None


def _not_quite_json(body: bytes, role: Role, header_length: str, side: Side) -> Facts | None:
    """What begins like JSON, or says that it is: binary tensors, events, lines."""
    from nilometer.decode import sse

    if sse.is_stream(body):
        return sse.decode(body, side)
    if not body.lstrip().startswith(b"{"):
        return None
    from nilometer.decode import ndjson, oip_binary

    facts = oip_binary.decode(body, TENSORS[role], header_length, side)
    if facts is None and b"\n" in body:
        return ndjson.decode(body, side)
    return facts


def _other(kind: Kind, body: bytes, content_type: str, role: Role, path: str, side: Side) -> Facts:
    """Any body that is not JSON; its decoder is imported when the first comes."""
    match kind:
        case Kind.FORM:
            return _form(body.decode("utf-8", "replace"), Protocol.FORM, side)
        case Kind.MULTIPART:
            from nilometer.decode import multipart

            return multipart.decode(body, content_type, side)
        case Kind.NDJSON:
            from nilometer.decode import ndjson

            return ndjson.decode(body, side)
        case Kind.EVENTS | Kind.TEXT:
            from nilometer.decode import sse, text

            if sse.is_stream(body):
                return sse.decode(body, side)
            return text.decode(body, side)
        case Kind.CSV:
            from nilometer.decode import delimited

            return delimited.decode(body, side)
        case Kind.GRPC:
            from nilometer.decode import oip_grpc

            return oip_grpc.decode(body, media_type(content_type), role, path, side)
        case Kind.JSON | Kind.BYTES | Kind.UNKNOWN:
            raise Undecodable(UndecodableReason.UNKNOWN_CONTENT_TYPE.value)


def _form(text: str, protocol: Protocol, side: Side) -> Facts:
    from nilometer.decode import form

    return form.decode(text, protocol, side)
