"""Decodes a body to columns, by its content type and its first bytes.

The content type selects one decoder. Some clients omit the content type, and some servers declare
a wrong one. The first bytes can therefore select another decoder. Top-level keys distinguish the
JSON protocols. `nilometer.decode.registry` lists all protocols.
"""

from contextlib import suppress

from msgspec.structs import replace

from nilometer.bodies.carriers import PACKED
from nilometer.bodies.json_text import begins_like_json
from nilometer.bodies.media import in_utf8, is_json, is_plain, media_type
from nilometer.bodies.packed import TooLarge, unpacked
from nilometer.decode import custom, form, free_json, oip_binary, registry
from nilometer.decode.budget import weight_of
from nilometer.decode.columns import Side
from nilometer.decode.dialects import decode_list
from nilometer.decode.encodings import MAX_DECODED_BYTES, decoded, decoded_ends
from nilometer.decode.facts import Facts, Protocol, text_of
from nilometer.decode.files import (
    WITH_FILES,
    columns_without_files,
    has_files,
    without_files,
)
from nilometer.decode.json_body import from_json
from nilometer.decode.known import NOTHING_KNOWN, Known
from nilometer.decode.lists import Lists
from nilometer.decode.management import managed, told_by_query
from nilometer.decode.oip_v2 import KEYS
from nilometer.decode.probes import is_probe
from nilometer.decode.protocol import Body
from nilometer.decode.said import names_model
from nilometer.profile.feature import Cell
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.limited_log import LimitedLog
from nilometer.values.reasons import UndecodableReason
from nilometer.values.redacted import WITHHELD
from nilometer.values.streams import Ends, is_streamed

MAX_SPACE = 16  # characters allowed before JSON in a string
_STARTS = ("{", "[")
_log = LimitedLog()
_WITH_LISTS = frozenset(
    {Protocol.JSON, Protocol.KSERVE_V1, Protocol.MLFLOW, Protocol.SELDON, Protocol.NDJSON}
)


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
    is_included: bool = False,
    ends: tuple[bytes, bytes] | None = None,
    known: Known = NOTHING_KNOWN,
    max_decoded_bytes: int = MAX_DECODED_BYTES,
) -> Facts:
    """Add the columns of *body* to *side*; return the facts that the body contains besides them.

    Args:
        body: Bytes as received; None if over the capture limit. For gRPC, one message without its
            frame, or framed messages as ``application/grpc+frames``.
        content_type: Declared content type; empty counts as JSON, because some clients omit it.
        content_encoding: Declared content encoding.
        role: INPUT or OUTPUT.
        side: Side that the columns are added to; unchanged if this raises.
        method: HTTP method of the request, if known.
        path: Path of the request, if known; it distinguishes dialects.
        query: Query string of the URL; used for a request without a body.
        header_length: Value of ``Inference-Header-Content-Length``, if known.
        is_included: Whether a rule makes the request a prediction on any path.
        ends: Start and end of a stream over the capture limit; used if *body* is None.
        known: Known column names and lists of this side of the entity.
        max_decoded_bytes: Limit of the body after its content encoding is undone, in bytes.

    Raises:
        Undecodable: If the body cannot be decoded, with a reason of `UndecodableReason`.
    """
    watched = "" if is_included else path
    _check_head(method, watched, content_type)
    mark = side.mark()
    try:
        plain = _without_encoding(body, ends, content_type, content_encoding, max_decoded_bytes)
        if isinstance(plain, Ends):
            begun = Body(plain.start, content_type, role, path, header_length, known.is_name)
            facts = _decode_ends(begun, plain.end, side)
            side.weight += weight_of(plain.start) + weight_of(plain.end)
            return facts
        if not plain and query and role is Role.INPUT:
            return _decode_query(method, watched, query, side)
        _check_call(method, watched, plain, content_type, role)
        whole = Body(plain, content_type, role, path, header_length, known.is_name)
        return _decode_whole(whole, known, side)
    except Undecodable:
        side.back_to(mark)
        raise
    except Exception as error:  # an error in one body must not affect the others of its batch
        side.back_to(mark)
        _log.fault("a body was not decoded, so its columns are lost", error)
        raise Undecodable(UndecodableReason.DECODER_FAILED.value) from error


def _check_head(method: str, path: str, content_type: str) -> None:
    """Refuse a probe, which its path tells, and a body that redaction withheld."""
    if path and is_probe(method, path):
        raise Undecodable(UndecodableReason.NOT_INFERENCE.value)
    if content_type == WITHHELD:
        raise Undecodable(UndecodableReason.WITHHELD.value)


def _check_call(method: str, path: str, body: bytes, content_type: str, role: Role) -> None:
    """Refuse a request that prepares or manages something on a known server."""
    if path and role is Role.INPUT and managed(method, path, body, content_type):
        raise Undecodable(UndecodableReason.NOT_INFERENCE.value)


def _decode_query(method: str, path: str, query: str, side: Side) -> Facts:
    """Decode the query of a request without a body, unless it manages a known server."""
    if path and told_by_query(method, path) and managed(method, path, b"", "", query):
        raise Undecodable(UndecodableReason.NOT_INFERENCE.value)
    return form.decode(query, Protocol.QUERY, side)


def _decode_whole(body: Body, known: Known, side: Side) -> Facts:
    """Decode a body, and turn its lists into columns."""
    if not body.content:
        raise Undecodable(UndecodableReason.EMPTY.value)
    rows, blocks = side.singles, side.blocks
    facts = _decode(body, side)
    kinds = side.kinds(rows)
    if list in kinds and facts.protocol in _WITH_LISTS:
        side.change_rows(rows, (known.lists or Lists()).spread)
    if not WITH_FILES.isdisjoint(kinds) and side.has_row(rows, has_files):
        side.change_rows(rows, lambda found: [*map(without_files, found)])
    if side.blocks > blocks:
        side.change_blocks(blocks, columns_without_files)
    side.weight += weight_of(body.content)
    return facts


def _decode(body: Body, side: Side) -> Facts:
    if custom.registered:
        facts = custom.decode(body.content, body.content_type, body.path, side)
        if facts is not None:
            return facts
    reason = UndecodableReason.UNKNOWN_CONTENT_TYPE.value
    if registry.TABLE.formats.may_be_json(body.content, body.content_type):
        try:
            return _json(body, side)
        except Undecodable as error:
            if error.reason != UndecodableReason.MALFORMED.value:
                raise
            reason = error.reason
    return _by_format(body, side, reason)


def _by_format(body: Body, side: Side, reason: str) -> Facts:
    """Decode a body that is not a single JSON document; *reason* is raised if it has no format."""
    if media_type(body.content_type) in PACKED.media_types:
        if begins_like_json(body.content):
            return _json(body, side)
        return _document(_unpacked(body.content), body, side)
    for one in registry.TABLE.formats.readings(body.content, body.content_type):
        try:
            facts = one.decode(body, side)
        except Undecodable as error:
            if error.reason != UndecodableReason.MALFORMED.value:
                raise
            reason = error.reason
            continue
        if facts is not None:
            return facts
    raise Undecodable(reason)


def plain_json(
    request_type: str, request_encoding: str, response_type: str, response_encoding: str
) -> bool:
    """Return whether both bodies are unencoded JSON that no custom decoder decodes."""
    return (
        is_plain(request_encoding)
        and is_plain(response_encoding)
        and is_json(request_type)
        and is_json(response_type)
        and not (custom.takes(request_type) or custom.takes(response_type))
    )


def _without_encoding(
    body: bytes | None,
    ends: tuple[bytes, bytes] | None,
    content_type: str,
    content_encoding: str,
    limit: int,
) -> bytes | Ends:
    """Return the body with its content encoding undone; both ends if a stream is over the limit."""
    if body is None:
        if ends is None:
            raise Undecodable(UndecodableReason.TOO_LARGE.value)
        if is_plain(content_encoding):
            return Ends(*ends)
        return decoded_ends(ends[0], content_encoding, limit, cut_off=True)
    if not body or is_plain(content_encoding):
        return body
    try:
        return decoded(body, content_encoding, limit)
    except Undecodable as error:
        if error.reason != UndecodableReason.TOO_LARGE.value or not is_streamed(content_type):
            raise
    return decoded_ends(body, content_encoding, limit)


def _decode_ends(start: Body, end: bytes, side: Side) -> Facts:
    """Decode a stream of which only *start* and *end* are known."""
    media = media_type(start.content_type)
    if not any(one.takes(media, start.path) for one in custom.registered):
        for one in registry.TABLE.formats.readings_of_ends(start.content, media):
            if one.decode_ends is not None:
                return one.decode_ends(start, end, side)
    raise Undecodable(UndecodableReason.TOO_LARGE.value)


def _json(body: Body, side: Side) -> Facts:
    """Decode a body as a single JSON document, or as JSON followed by binary tensors."""
    if body.header_length:
        facts = oip_binary.decode(body.content, KEYS[body.role], body.header_length, side)
        if facts is not None:
            return facts
    value = _parsed(body)
    if isinstance(value, str):
        value = _unquoted(value)
    return _document(value, body, side)


def _document(value: Cell, body: Body, side: Side) -> Facts:
    """Decode the *value* of a document with the protocol that its keys identify."""
    if isinstance(value, dict):
        table = registry.TABLE
        claims = table.inputs if body.role is Role.INPUT else table.outputs
        if not claims.keys.isdisjoint(value):
            facts = claims.decode(value, body.path, side)
            if facts is not None:
                return facts
    elif isinstance(value, list) and body.role is Role.OUTPUT:
        facts = decode_list(value, body.content, side)
        if facts is not None:
            return facts
    facts = free_json.decode(value, side)
    if isinstance(value, dict) and names_model(body.path, value):
        return replace(facts, model=text_of(value.get("model")))
    return facts


def _unpacked(content: bytes) -> Cell:
    """Return the value of a MessagePack document."""
    try:
        return unpacked(content)
    except TooLarge as error:
        raise Undecodable(UndecodableReason.TOO_LARGE.value) from error
    except ValueError as error:
        raise Undecodable(UndecodableReason.MALFORMED.value) from error


def _parsed(body: Body) -> Cell:
    """Return the value of a JSON document in UTF-8, or in its declared encoding."""
    try:
        return from_json(body.content)
    except Undecodable as error:
        plain = in_utf8(body.content, body.content_type)
        if plain is body.content or error.reason != UndecodableReason.MALFORMED.value:
            raise
    return from_json(plain)


def _unquoted(text: str) -> Cell:
    """Return the value of JSON inside a JSON string, which Azure ML returns; else *text*."""
    if text[:MAX_SPACE].lstrip()[:1] in _STARTS:
        with suppress(Undecodable):
            return from_json(text.encode("utf-8", "surrogatepass"))
    return text
