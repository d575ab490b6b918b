"""Redaction before observations leave the process: fields by name, text by pattern.

Both apply to names and to values. If a rule exists, a body in which redaction cannot be sure to
find a field is withheld as a whole: a compressed or binary one, one that contradicts its content
type, or one with text that mentions the field. The content type is then `WITHHELD`, and the side
counts as ``withheld``.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from nilometer.bodies.media import is_plain
from nilometer.handoff.moved_marks import moved, moved_ends
from nilometer.handoff.named_fields import NamedFields
from nilometer.handoff.redact_body import Bodies
from nilometer.handoff.redact_json import Documents, Withheld
from nilometer.handoff.text_rules import TextRules
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.limited_log import LimitedLog
from nilometer.values.redacted import REDACTED, WITHHELD
from nilometer.values.streams import Ends

ENDS = Observation.__struct_fields__.index("response_ends")
SIZES = Observation.__struct_fields__.index("chunk_sizes")
_SIDES = frozenset({Role.INPUT.value, Role.OUTPUT.value})


class Redaction:
    """Redaction rules, applied to observations before they are sent.

    Args:
        fields: Patterns of names: of a field's own name, or of the end of its dotted path, each
            with or without ``input.`` or ``output.`` before it.
        values: Rules for text, see `nilometer.handoff.text_rules.value_patterns`.
    """

    def __init__(self, fields: Sequence[str], values: Sequence[str]) -> None:
        self._texts = TextRules(values)
        self._names = NamedFields(fields)
        self._documents = {
            side: Documents(NamedFields(fields, side), self._texts) for side in _SIDES
        }
        self._bodies = {side: Bodies(one) for side, one in self._documents.items()}
        self._log = LimitedLog()

    @classmethod
    def of(cls, fields: Sequence[str], values: Sequence[str]) -> "Redaction | None":
        """Return the redaction for these rules; None without rules."""
        return cls(fields, values) if fields or values else None

    def redacted_all(self, packed: Sequence[bytes]) -> list[bytes]:
        """Return the observations redacted; one that cannot be redacted is left out."""
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
        """Return *array*, in the order of `Observation`, redacted."""
        fields = list(array)
        fields[5] = self._line(fields[5])
        fields[8], fields[9], fields[12] = self._body(
            fields[12], fields[8], fields[9], Role.INPUT.value
        )
        declared, encoding, whole = fields[10], fields[11], fields[13]
        fields[10], fields[11], fields[13] = self._body(
            fields[13], declared, encoding, Role.OUTPUT.value
        )
        ends = Ends(*fields[ENDS]) if len(fields) > ENDS and fields[ENDS] else None
        if ends is not None:
            fields[10], fields[11], fields[ENDS] = self._ends(ends, declared, encoding)
        if len(fields) > SIZES and fields[SIZES]:
            fields[SIZES] = _marks(fields, whole, ends)
        if len(fields) > 25:
            fields[20] = self._line(fields[20])
            fields[23] = {
                key: self._line(value)
                for key, value in (fields[23] or {}).items()
                if not self._names.key(key, key)
            }
            if fields[24]:
                fields[24] = self._values(fields[24])
                if not fields[24] and not fields[8]:
                    fields[8] = WITHHELD  # a call has no body that could say so
            if fields[25]:
                fields[25] = self._query(fields[25])
        return fields

    def _body(
        self, body: bytes | None, declared: str, encoding: str, side: str
    ) -> tuple[str, str, bytes | None]:
        """Return the content type, the content encoding and the body."""
        if not body:
            return self._type(declared), self._texts.text(encoding), body
        if is_plain(encoding):
            try:
                clean, declared = self._bodies[side].redacted(body, declared)
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
        """Return logged values redacted; empty if they are withheld."""
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
        """Return a query string redacted; empty if it is withheld."""
        try:
            return self._bodies[Role.INPUT.value].form(query)
        except (Withheld, ValueError):
            return ""

    def _line(self, text: str) -> str:
        """Return the *text* of a header, a label or a path redacted."""
        return REDACTED if self._names.carries(text) else self._texts.text(text)

    def _type(self, content_type: str) -> str:
        """Return a content type redacted, without its parameters if they carry a named field."""
        if self._names.carries(content_type):
            content_type = content_type.partition(";")[0]
        return self._texts.text(content_type)


def _marks(fields: Sequence[Any], whole: bytes | None, ends: Ends | None) -> bytes:
    """Return the marks of a redacted response, which was *whole* or had both *ends* before."""
    if whole and fields[13]:
        return moved(fields[SIZES], whole, fields[13])
    if ends is not None and fields[ENDS]:
        return moved_ends(fields[SIZES], fields[7], ends, fields[ENDS])
    return b""
