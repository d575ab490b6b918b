"""Redacts JSON documents: named fields are left out, text is replaced.

A field is found wherever a decoder finds a column: as a key, as a tensor of that name, as a column
of a table with a list of names, and as a position of a tensor or a list, which becomes null. A
field whose numbered repetition is named (``a.1`` of ``a``) is left out, too. JSON inside a
string is redacted like the document. Any other text that mentions a named field may name a column
of data elsewhere in the document, so the document is withheld.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import count
from math import prod

from nilometer.bodies.json_text import parsed
from nilometer.handoff.named_fields import MAX_PLACES, NamedFields
from nilometer.handoff.text_rules import TextRules
from nilometer.values.value_like import looks_like_value

MAX_DEPTH = 64
VALUE = "value"  # column of a bare value
_TENSORS = frozenset({"inputs", "outputs"})
_NAMES = ("columns", "names")  # keys of a table's list of names: pandas' and Seldon's
_ROWS = ("data", "ndarray", "rows", "values")  # keys of its rows
_ROLE = "role"  # key of a chat message
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


class Withheld(Exception):
    """A named field may be in a place where redaction does not find it."""


class Documents:
    """Redacts the documents of one side of an exchange.

    Args:
        fields: Named fields of the side.
        texts: Rules for text.
    """

    def __init__(self, fields: NamedFields, texts: TextRules) -> None:
        self.fields = fields
        self.texts = texts
        self._is_value_named = fields.name(VALUE)

    def redacted(self, document: bytes) -> bytes:
        """Return a JSON *document* redacted, in UTF-8.

        Raises:
            ValueError: If it is not JSON.
            Withheld: If a named field may be left.
        """
        return self.encoded(parsed(document))

    def encoded(self, value: object) -> bytes:
        """Return the document *value* redacted, as JSON.

        Raises:
            Withheld: If a named field may be left.
        """
        if self._is_value_named:
            self._check_bare(value)
        return self._json(self.value(value, "", 0))

    def part(self, document: bytes, name: str) -> bytes:
        """Return the JSON *document* of a field called *name*, redacted.

        Raises:
            ValueError: If it is not JSON.
            Withheld: If a named field may be left.
        """
        return self._json(self.value(parsed(document), name, 0))

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse keys that become one bare value if a rule names that column."""
        if self._is_value_named and any(map(looks_like_value, names)):
            raise Withheld

    def value(self, value: object, path: str, depth: int) -> object:
        """Return *value*, which is at the dotted *path*, without named fields."""
        if depth > MAX_DEPTH:
            raise Withheld
        if isinstance(value, str):
            return self.text(value, path, depth)
        if isinstance(value, dict):
            return self._object(value, path, depth)
        if isinstance(value, list):
            return self._list(value, path, depth)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.texts.number(value)
        return value

    def text(self, text: str, path: str, depth: int = 0) -> str:
        """Return the *text* at *path* redacted; JSON in it is redacted as JSON.

        Raises:
            Withheld: If it mentions a named field.
        """
        if text.lstrip()[:1] in {"{", "["}:
            try:
                inner = parsed(text)
            except ValueError:
                pass
            else:
                clean = self.value(inner, path, depth + 1)
                if clean == inner and not ("\\u" in text or self.fields.mentions(text)):
                    return self.texts.text(text)
                return self._json(clean).decode()
        if self.fields.mentions(text):
            raise Withheld
        return self.texts.text(text)

    def _json(self, value: object) -> bytes:
        try:
            return json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:  # half of a surrogate pair
            raise Withheld from error

    def _check_bare(self, value: object) -> None:
        if isinstance(value, dict):
            self.check_names(value)
        elif not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise Withheld

    def _object(self, value: dict[str, object], path: str, depth: int) -> dict[str, object]:
        fields = self.fields
        if not fields:
            kept: dict[str, object] = {}
            for key, one in value.items():
                kept[self._key(key, kept)] = self.value(one, key, depth + 1)
            return kept
        for key in _NAMES:
            names = value.get(key)
            if isinstance(names, list):
                value = self._without_columns(value, key, names)
        inside = f"{path}." if path else ""
        named = {
            key
            for key, one in value.items()
            if fields.key(key, inside + key) or self._is_named_repetition(one, inside + key)
        }
        kept = {}
        for key, one in value.items():
            if key in named:
                continue
            if isinstance(one, str) and (one in named or (key == _ROLE and one in _ROLES)):
                clean: object = self.texts.text(one)  # refers to a key that is left out, or to none
            else:
                clean = self.value(self._without_places(value, key, path), inside + key, depth + 1)
            if clean == [] and one:
                continue  # a message without tensors has another protocol
            kept[self._key(key, kept)] = clean
        return kept

    def _is_named_repetition(self, value: object, path: str) -> bool:
        """Return whether decoding may number the column *path*, and a rule names such a column."""
        return not isinstance(value, list | dict) and bool(self.fields.places(path, MAX_PLACES))

    def _list(self, items: list[object], path: str, depth: int) -> list[object]:
        if self.fields:
            of_tensors = path.rpartition(".")[2] in _TENSORS
            items = [one for one in items if not self._is_named_tensor(one, of_tensors=of_tensors)]
            items = self._blanked(items, path or VALUE)
        return [self.value(one, path, depth + 1) for one in items]

    def _key(self, key: str, taken: Mapping[str, object]) -> str:
        """Return *key* redacted; keys that become equal are numbered, so that none is lost."""
        clean = self.texts.text(key)
        if clean == key or clean not in taken:
            return clean
        return next(f"{clean} {number}" for number in count(2) if f"{clean} {number}" not in taken)

    def _is_named_tensor(self, item: object, *, of_tensors: bool) -> bool:
        """Return whether *item* of a list, perhaps one of tensors, is a tensor that a rule names."""
        if not isinstance(item, dict) or not (of_tensors or "data" in item):
            return False
        name = item.get("name")
        return isinstance(name, str) and self.fields.key(name, name)

    def _without_columns(
        self, value: dict[str, object], names_key: str, names: list[object]
    ) -> dict[str, object]:
        """Return *value*, a table with a list of *names*, without the named columns.

        Raises:
            Withheld: If it has no rows that match the list of names.
        """
        texts = [".".join(map(str, one)) if isinstance(one, list) else str(one) for one in names]
        kept = [at for at, text in enumerate(texts) if not self.fields.key(text, text)]
        if len(kept) == len(names):
            return value
        table = {**value, names_key: [names[at] for at in kept]}
        found = False
        for key in _ROWS:
            if key in value:
                found = True
                table[key] = _cut_rows(value[key], kept, len(names))
        if "tensor" in value:
            found = True
            table["tensor"] = _cut_tensor(value["tensor"], kept, len(names))
        if not found:
            raise Withheld
        return table

    def _without_places(self, value: Mapping[str, object], key: str, path: str) -> object:
        """Return the value of *key* with null at the named positions of a tensor or an array."""
        one = value[key]
        if not isinstance(one, list) or key not in _ROWS:
            return one
        if key == "ndarray":  # Seldon names its columns after the table
            return self._blanked(one, path)
        name, shape = value.get("name"), value.get("shape")
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            return one
        tensor = name if isinstance(name, str) else path.rpartition(".")[0] or path
        if len(shape) != 2 or any(isinstance(item, list) for item in one):
            return self._blanked(one, tensor)
        places = self.fields.places(tensor, width := prod(shape[1:]))
        return (
            [None if at % width in places else cell for at, cell in enumerate(one)]
            if places
            else one
        )

    def _blanked(self, rows: list[object], name: str) -> list[object]:
        """Return *rows* with null at the named positions: of each row, or of one fixed vector."""
        first = rows[0] if rows else None
        if not isinstance(first, list):
            places = self.fields.places(name, len(rows))
            return (
                [None if at in places else one for at, one in enumerate(rows)] if places else rows
            )
        places = self.fields.places(name, len(first))
        if not places or not all(isinstance(row, list) and len(row) == len(first) for row in rows):
            return rows
        return [
            [None if at in places else cell for at, cell in enumerate(row)]
            for row in rows
            if isinstance(row, list)
        ]


def _cut_rows(rows: object, kept: list[int], width: int) -> object:
    """Return *rows* of *width* cells with the *kept* cells only."""
    if not isinstance(rows, list):
        raise Withheld
    if all(isinstance(row, dict) for row in rows):
        return rows  # their keys are the names
    if not all(isinstance(row, list) and len(row) == width for row in rows):
        raise Withheld
    return [[row[at] for at in kept] for row in rows]


def _cut_tensor(tensor: object, kept: list[int], width: int) -> object:
    """Return a *tensor* of shape (n, *width*) with the *kept* columns only."""
    if not isinstance(tensor, dict):
        raise Withheld
    shape, values = tensor.get("shape"), tensor.get("values")
    if not isinstance(values, list) or not isinstance(shape, list) or len(shape) != 2:
        raise Withheld
    if shape[1] != width or shape[0] * width != len(values):
        raise Withheld
    columns = frozenset(kept)
    cut = [cell for at, cell in enumerate(values) if at % width in columns]
    return {**tensor, "shape": [shape[0], len(kept)], "values": cut}
