"""Redaction before observations leave the process: fields by name, text by pattern.

Both apply to names and to values. If a rule exists, a body that cannot be parsed is withheld as a
whole: a compressed or binary one, or one that contradicts its content type. Otherwise a rule that
cannot be applied would let data through. The content type is then `WITHHELD`, and the body counts
as undecodable.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import unquote_plus

import msgspec

from nilometer.profiling.observation import Observation
from nilometer.values.errors import ConfigError
from nilometer.values.limited_log import LimitedLog
from nilometer.values.redacted import REDACTED
from nilometer.values.streams import EVENT_STREAM, NDJSON, Ends

WITHHELD = "application/vnd.nilometer.withheld"
MAX_DEPTH = 64
ENDS = Observation.__struct_fields__.index("response_ends")
LEAST_DIGITS = 10**6  # smallest whole number that may identify a person

# The built-in kinds. Word boundaries keep them from matching parts of longer words and numbers.
KINDS: Mapping[str, str] = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "card": r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.])",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
    "phone": r"(?<![\w.])(?:\+|00)\d{1,3}(?:[ ()./-]{0,2}\d){6,13}(?![\w.])",
    "ssn": r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])",
    "ip": r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])",
    "token": r"\b(?:eyJ[\w-]+\.[\w-]+\.[\w-]+|(?:sk|pk|ghp|xox[a-z])[-_][\w-]{16,})",
}

Pattern: TypeAlias = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def value_patterns(rules: Sequence[str]) -> tuple[Pattern, ...]:
    """Return the rules of `redact_values`, compiled.

    Raises:
        ConfigError: If a rule is neither a built-in kind nor a regular expression.
    """
    patterns: list[Pattern] = []
    for rule in rules:
        try:
            expression = re.compile(KINDS.get(rule, rule))
        except re.error as error:
            raise ConfigError(
                f"redact_values = {rule!r}: must be one of {', '.join(KINDS)}, or a regular "
                f"expression: {error}"
            ) from error
        patterns.append((expression, _card if rule == "card" else _always))
    return tuple(patterns)


class Redaction:
    """Redaction rules, applied to observations before they are sent.

    Args:
        fields: Patterns of names: of a field's own name, of its dotted path, or of either with
            ``input.`` or ``output.`` before it.
        values: Rules for text, see `value_patterns`.
    """

    def __init__(self, fields: tuple[str, ...], values: tuple[Pattern, ...]) -> None:
        self._fields = fields
        self._values = values
        self._log = LimitedLog()

    @classmethod
    def of(cls, fields: Sequence[str], values: Sequence[str]) -> "Redaction | None":
        """Return the redaction for these rules; None without rules."""
        return cls(tuple(fields), value_patterns(values)) if fields or values else None

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
        fields[5] = self._text(fields[5])
        fields[8], fields[9], fields[12] = self._body(fields[12], fields[8], fields[9], "input.")
        fields[10], fields[11], fields[13] = self._body(
            fields[13], fields[10], fields[11], "output."
        )
        if len(fields) > ENDS and fields[ENDS]:
            self._redact_ends(fields)
        if len(fields) > 25:
            fields[20] = self._text(fields[20])
            fields[23] = {
                key: self._text(value)
                for key, value in fields[23].items()
                if not self._names(key, key, "")
            }
            if fields[24]:
                values = msgspec.msgpack.decode(fields[24])
                fields[24] = msgspec.msgpack.encode(self._value(values, "", "", 0))
            fields[25] = self._pairs(fields[25], "")
        return fields

    def _redact_ends(self, fields: list[Any]) -> None:
        """Redact both ends of a stream; the lines that are cut at the gap are left out."""
        declared, encoding = fields[10], fields[11]
        ends = []
        for part in Ends(*fields[ENDS]).whole_lines():
            fields[10], fields[11], clean = self._body(part, declared, encoding, "output.")
            if fields[10] == WITHHELD:
                fields[ENDS] = None
                return
            ends.append(clean)
        fields[ENDS] = ends

    def _body(
        self, body: bytes | None, declared: str, encoding: str, role: str
    ) -> tuple[str, str, bytes | None]:
        """Return the content type, the content encoding and the body."""
        if not body:
            return declared, encoding, body
        media = declared.partition(";")[0].strip().lower()
        if encoding.strip().lower() in {"", "identity"}:
            try:
                return declared, encoding, self._decoded_body(body, media, role)
            except (ValueError, RecursionError):
                pass  # the body cannot be parsed
        return WITHHELD, "", b""

    def _decoded_body(self, body: bytes, media: str, role: str) -> bytes:
        text = body.decode("utf-8")  # raises ValueError for binary data
        if media == "application/x-www-form-urlencoded":
            return self._pairs(text, role).encode()
        if media in NDJSON:
            lines = [self._json(line, role) if line.strip() else line for line in text.split("\n")]
            return "\n".join(lines).encode()
        if media == EVENT_STREAM:
            return "\n".join(self._event_line(line, role) for line in text.split("\n")).encode()
        try:
            return self._json(text, role).encode()
        except ValueError:
            if self._fields or media.endswith("json"):
                raise
        return self._text(text).encode()

    def _event_line(self, line: str, role: str) -> str:
        name, separator, data = line.partition(":")
        if name == "data" and data.strip().startswith(("{", "[")) and data.strip() != "[DONE]":
            return f"data: {self._json(data, role)}"
        if self._fields and name == "data" and data.strip() != "[DONE]":
            raise ValueError("an event without fields")
        return self._text(line) if separator else line

    def _json(self, text: str, role: str) -> str:
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = json.loads(text)  # accepts NaN and Infinity, too
        return json.dumps(self._value(value, "", role, 0), ensure_ascii=False)

    def _value(self, value: Any, path: str, role: str, depth: int) -> Any:
        """Return *value* without the named fields, and with its text redacted."""
        if depth > MAX_DEPTH:
            raise ValueError("too deep")
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [
                self._value(one, path, role, depth + 1)
                for one in value
                if not (isinstance(one, dict) and self._is_named_tensor(one, role))
            ]
        if isinstance(value, dict):
            value = self._without_columns(value, role)
            kept: dict[str, Any] = {}
            for key, one in value.items():
                whole = f"{path}.{key}" if path else key
                if not self._names(key, whole, role):
                    kept[self._key(key, kept)] = self._value(one, whole, role, depth + 1)
            return kept
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LEAST_DIGITS:
            return value if self._text(str(value)) == str(value) else REDACTED
        return value

    def _key(self, key: str, taken: Mapping[str, Any]) -> str:
        """Return *key* redacted; keys that become equal are numbered, so that none is lost."""
        clean = self._text(key)
        if clean == key or clean not in taken:
            return clean
        return next(f"{clean} {number}" for number in count(2) if f"{clean} {number}" not in taken)

    def _is_named_tensor(self, value: dict[str, Any], role: str) -> bool:
        """Return whether *value* is an Open Inference Protocol tensor that a rule names."""
        name = value.get("name")
        return isinstance(name, str) and "data" in value and self._names(name, name, role)

    def _without_columns(self, value: dict[str, Any], role: str) -> dict[str, Any]:
        """Return *value*, a table in pandas' ``split`` form, without the named columns."""
        columns, data = value.get("columns"), value.get("data")
        if not isinstance(columns, list) or not isinstance(data, list):
            return value
        kept = [
            index
            for index, name in enumerate(columns)
            if not self._names(str(name), str(name), role)
        ]
        if len(kept) == len(columns):
            return value
        rows = [
            [row[index] for index in kept if index < len(row)]
            for row in data
            if isinstance(row, list)
        ]
        return {**value, "columns": [columns[index] for index in kept], "data": rows}

    def _names(self, name: str, path: str, role: str) -> bool:
        return any(
            fnmatchcase(name, pattern)
            or fnmatchcase(path, pattern)
            or (
                role != ""
                and (fnmatchcase(role + path, pattern) or fnmatchcase(role + name, pattern))
            )
            for pattern in self._fields
        )

    def _pairs(self, text: str, role: str) -> str:
        """Return a form or a query string without the named fields."""
        kept = []
        for pair in text.split("&"):
            name, separator, value = pair.partition("=")
            name = unquote_plus(name)
            if not self._names(name, name, role):
                plain = (name, unquote_plus(value))
                clean = (self._text(name), self._text(plain[1]))
                kept.append(pair if clean == plain else separator.join(clean))
        return "&".join(kept)

    def _text(self, text: str) -> str:
        for expression, replace in self._values:
            text = expression.sub(replace, text)
        return text


def _always(match: re.Match[str]) -> str:
    del match
    return REDACTED


def _card(match: re.Match[str]) -> str:
    """Return the marker if the number has the check digit of a card (Luhn), else the number."""
    digits = [int(digit) for digit in match[0] if digit.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return REDACTED if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]
