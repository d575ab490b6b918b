"""Redacts observations before they leave the process: fields by name, text by pattern.

Both kinds of rules apply to names and to values. If any rule exists, a body is withheld as a whole
when redaction cannot be sure to find a field in it. Examples are compressed or binary bodies,
bodies that contradict their content type, and text that mentions the field. The content type is
then `WITHHELD`, and the side counts as ``withheld``.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nilometer.bodies.media import is_plain
from nilometer.handoff.moved_marks import moved, moved_ends
from nilometer.handoff.named_fields import NamedFields
from nilometer.handoff.redact_body import Bodies
from nilometer.handoff.redact_json import Documents
from nilometer.handoff.text_rules import TextRules
from nilometer.handoff.withheld import Withheld
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.limited_log import LimitedLog
from nilometer.values.redacted import REDACTED, WITHHELD
from nilometer.values.streams import Ends

_AT = {name: at for at, name in enumerate(Observation.__struct_fields__)}
_ENDS, _LENGTHS, _ROUTE = _AT["response_ends"], _AT["header_lengths"], _AT["route"]
_REQUEST = (_AT["request_type"], _AT["request_encoding"], _AT["request_body"])
_RESPONSE = (_AT["response_type"], _AT["response_encoding"], _AT["response_body"])
_PATH, _ID, _LABELS = _AT["path"], _AT["prediction_id"], _AT["labels"]
_VALUES, _QUERY = _AT["values"], _AT["query"]
_RESPONSE_SIZE, _CHUNK_SIZES = _AT["response_size"], _AT["chunk_sizes"]
_SIDES = frozenset({Role.INPUT.value, Role.OUTPUT.value})


class Redaction:
    """Redaction rules, applied to observations before they are sent.

    Args:
        fields: Patterns of names: a field's own name, or the end of its dotted path, each with or
            without a leading ``input.`` or ``output.``.
        values: Rules for text, see `nilometer.handoff.text_rules.value_patterns`.
    """

    def __init__(self, fields: Sequence[str], values: Sequence[str]) -> None:
        self._texts = TextRules(values)
        self._names = NamedFields(fields)
        self._documents = {
            side: Documents(NamedFields(fields, side), self._texts) for side in _SIDES
        }
        self._bodies = {
            side: Bodies(one, are_responses=side == Role.OUTPUT.value)
            for side, one in self._documents.items()
        }
        self._log = LimitedLog()

    @classmethod
    def of(cls, fields: Sequence[str], values: Sequence[str]) -> "Redaction | None":
        """Return the redaction for these rules; None without rules."""
        return cls(fields, values) if fields or values else None

    def redacted_all(self, packed: Sequence[bytes]) -> list[bytes]:
        """Return the redacted observations, without those that cannot be redacted."""
        kept = []
        for one in packed:
            try:
                kept.append(msgspec.msgpack.encode(self.redacted(msgspec.msgpack.decode(one))))
            except Exception as error:  # unredacted data must not leave the process
                self._log.warning(
                    "an observation was dropped: it could not be redacted "
                    f"({type(error).__name__}): check redact_fields and redact_values"
                )
        return kept

    def redacted(self, array: Sequence[Any]) -> list[Any]:
        """Return the redacted *array*, which has the order of `Observation`."""
        fields = list(array)
        fields[_PATH] = self._line(fields[_PATH])
        declared, encoding, whole = (fields[at] for at in _RESPONSE)
        lengths = (fields[_LENGTHS] if len(fields) > _LENGTHS else None) or ("", "")
        for side, (media, coding, body), length in zip(
            (Role.INPUT.value, Role.OUTPUT.value), (_REQUEST, _RESPONSE), lengths, strict=True
        ):
            fields[media], fields[coding], fields[body] = self._body(
                fields[body], fields[media], fields[coding], length, side
            )
        if len(fields) > _LENGTHS:
            fields[_LENGTHS] = None  # the redacted JSON has another length
        ends = Ends(*fields[_ENDS]) if len(fields) > _ENDS and fields[_ENDS] else None
        if ends is not None:
            media, coding, _ = _RESPONSE
            fields[media], fields[coding], fields[_ENDS] = self._ends(ends, declared, encoding)
        if len(fields) > _CHUNK_SIZES and fields[_CHUNK_SIZES]:
            fields[_CHUNK_SIZES] = _marks(fields, whole, ends)
        if len(fields) > _QUERY:
            self._redact_rest(fields)
        return fields

    def _redact_rest(self, fields: list[Any]) -> None:
        """Redact the values that applications and settings add to an observation."""
        fields[_ID] = self._line(fields[_ID])
        fields[_LABELS] = {
            key: self._line(value)
            for key, value in (fields[_LABELS] or {}).items()
            if not self._names.key(key, key)
        }
        if fields[_VALUES]:
            fields[_VALUES] = self._values(fields[_VALUES])
            if not fields[_VALUES] and not fields[_REQUEST[0]]:
                fields[_REQUEST[0]] = WITHHELD  # a call has no body to mark
        if fields[_QUERY]:
            fields[_QUERY] = self._query(fields[_QUERY])
        if len(fields) > _ROUTE:
            fields[_ROUTE] = self._line(fields[_ROUTE])

    def _body(
        self, body: bytes | None, declared: str, encoding: str, length: str, side: str
    ) -> tuple[str, str, bytes | None]:
        """Return the content type, the content encoding and the body."""
        if not body:
            return self._type(declared), self._texts.text(encoding), body
        if is_plain(encoding):
            try:
                clean, declared = self._bodies[side].redacted(body, declared, length)
            except Withheld:
                pass
            else:
                return self._type(declared), encoding, clean
        return WITHHELD, "", b""

    def _ends(self, ends: Ends, declared: str, encoding: str) -> tuple[str, str, Ends | None]:
        """Return the content type, the content encoding and both ends of a response."""
        if is_plain(encoding):
            try:
                clean = self._bodies[Role.OUTPUT.value].redacted_ends(ends, declared)
            except Withheld:
                pass
            else:
                return self._type(declared), encoding, clean
        return WITHHELD, "", None

    def _values(self, packed: bytes) -> bytes:
        """Return logged values after redaction; empty if they are withheld."""
        kept: dict[str, object] = {}
        try:
            for name, value in msgspec.msgpack.decode(packed).items():
                prefix, _, rest = name.partition(".")
                has_side = prefix in _SIDES and bool(rest or isinstance(value, dict))
                documents = self._documents[prefix if has_side else Role.OUTPUT.value]
                field = rest if has_side else name
                if not field or not documents.fields.key(field, field):
                    kept[self._texts.text(name)] = documents.value(value, field, 0)
        except Withheld:
            return b""
        return msgspec.msgpack.encode(kept)

    def _query(self, query: str) -> str:
        """Return a query string after redaction; empty if it is withheld."""
        try:
            return self._bodies[Role.INPUT.value].form(query)
        except (Withheld, ValueError):
            return ""

    def _line(self, text: str) -> str:
        """Return the redacted *text* of a header, a label or a path."""
        return REDACTED if self._names.carries(text) else self._texts.text(text)

    def _type(self, content_type: str) -> str:
        """Return a redacted content type, without parameters if they contain a named field."""
        if self._names.carries(content_type):
            content_type = content_type.partition(";")[0]
        return self._texts.text(content_type)


def _marks(fields: Sequence[Any], whole: bytes | None, ends: Ends | None) -> bytes:
    """Return the marks of a redacted response, which was *whole* or had both *ends* before."""
    sizes, (_, _, body) = fields[_CHUNK_SIZES], _RESPONSE
    if whole and fields[body]:
        return moved(sizes, whole, fields[body])
    if ends is not None and fields[_ENDS]:
        return moved_ends(sizes, fields[_RESPONSE_SIZE], ends, fields[_ENDS])
    return b""
