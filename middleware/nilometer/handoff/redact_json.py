"""Redacts JSON documents: removes named fields and replaces text.

A field is found wherever a decoder finds a column: as a key, as a tensor with that name, as a
column of a table with a list of names, and as a position of a tensor or a list, which becomes null.
If a rule names a numbered repetition of a field (``a.1`` of ``a``), the field is removed too. JSON
inside a string is redacted like the document. Any other text that mentions a named field may name a
column of data elsewhere in the document, so the whole document is withheld. It is also withheld if
a decoder computes a named column from it, or numbers one.
"""

import json
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import count

from nilometer.bodies import computed, scored
from nilometer.bodies.column_names import MAX_COLUMNS, VALUE
from nilometer.bodies.json_text import parsed
from nilometer.bodies.named_tables import NAMES, ROWS, SERIES
from nilometer.handoff.named_fields import NamedFields
from nilometer.handoff.redact_tables import without_cells, without_columns, without_places
from nilometer.handoff.text_rules import TextRules
from nilometer.handoff.withheld import Withheld
from nilometer.values.value_like import is_place, looks_like_value

MAX_DEPTH = 64
BLANK = b"\xff"  # replaces each byte of a file; it is not text, so only the length is profiled
_TENSORS = frozenset({"inputs", "outputs"})
_OF_TABLES = frozenset({*NAMES, *ROWS})
_ROLE = "role"  # key of a chat message
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


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
        self._computed = frozenset(filter(fields.name, computed.OF_LANGUAGE_MODELS))
        self._of_text = fields.computed((*computed.OF_TEXT, *computed.OF_FILE))

    def redacted(self, document: bytes) -> bytes:
        """Return a redacted JSON *document*, in UTF-8.

        Raises:
            ValueError: If *document* is not JSON.
            Withheld: If a named field may remain.
        """
        return self.encoded(parsed(document))

    def encoded(self, value: object) -> bytes:
        """Return the redacted document *value*, as JSON.

        Raises:
            Withheld: If a named field may remain.
        """
        return self._json(self.cleaned(value))

    def cleaned(self, value: object) -> object:
        """Return the redacted document *value*.

        Raises:
            Withheld: If a named field may remain.
        """
        if self._is_value_named:
            self._check_bare(value)
        if self.fields.is_positional:
            self._check_numbered(value, "", 0)
        if self._computed and computed.may_be_computed(value) and not self._has_computed(value):
            raise Withheld
        return self.value(value, "", 0)

    def part(self, document: bytes, name: str) -> bytes:
        """Return the redacted JSON *document* of a field called *name*.

        Raises:
            ValueError: If *document* is not JSON.
            Withheld: If a named field may remain.
        """
        return self._json(self.value(parsed(document), name, 0))

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse keys that become one column called ``value`` if a rule names it."""
        if self._is_value_named and any(map(looks_like_value, names)):
            raise Withheld

    def check_tensors(self, names: Iterable[str]) -> None:
        """Refuse tensors with these *names* if a rule may name a column that decoders number."""
        counts = Counter(names)
        self._check_repeated(
            [name for name, times in counts.items() if times > 1 or _is_position(name, counts)]
        )

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
        return BLANK * len(value) if isinstance(value, bytes) else value

    def text(self, text: str, path: str, depth: int = 0) -> str:
        """Return the redacted *text* at *path*; JSON in it is redacted as JSON.

        Raises:
            Withheld: If the text mentions a named field.
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
        except UnicodeEncodeError as error:  # a lone surrogate
            raise Withheld from error

    def _check_bare(self, value: object) -> None:
        rows = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in rows):
            raise Withheld

    def _check_numbered(self, value: object, path: str, depth: int) -> set[str]:
        """Return the paths of the keys in *value*; refuse equal paths if a rule may number them.

        Decoders leave out the key of a table, so the paths of its rows begin at the row.
        """
        if depth > MAX_DEPTH:
            raise Withheld
        found: set[str] = set()
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict | list):
                    found |= self._check_numbered(item, "", depth + 1)
        elif isinstance(value, dict):
            for key, one in value.items():
                name = path + key
                inner = {name}
                if isinstance(one, dict | list):
                    inner |= self._check_numbered(one, f"{name}.", depth + 1)
                twice = inner & found
                if _is_position(key, value):
                    twice.add(name)
                self._check_repeated(twice)
                found |= inner
        return found

    def _check_repeated(self, names: Collection[str]) -> None:
        """Refuse *names* that occur twice if a rule names one with its number, as in ``a.1``."""
        if any(map(self.fields.may_repeat, names)):
            raise Withheld

    def _has_computed(self, value: object) -> bool:
        """Return whether the document has a key for every computed column that a rule names."""
        return self._computed <= _keys_in(value, self._computed, 0)

    def _object(self, value: dict[str, object], path: str, depth: int) -> dict[str, object]:
        fields = self.fields
        kept: dict[str, object] = {}
        if not fields:
            for key, one in value.items():
                kept[self._key(key, kept)] = self.value(one, key, depth + 1)
            return kept
        self._check_names_of(value, path)
        named = self._named_keys(value, path)
        value, is_told = without_columns(value, fields)
        inside = f"{path}." if path else ""
        for key, one in value.items():
            if key in named:
                continue
            if isinstance(one, str) and (one in named or (key == _ROLE and one in _ROLES)):
                clean: object = self.texts.text(one)  # refers to a removed key, or to no key
            elif is_told and key in _OF_TABLES and isinstance(one, list):
                clean = [self._row(row, inside + key, depth + 1) for row in one]
            else:
                clean = self.value(self._without_places(value, key, path), inside + key, depth + 1)
            if clean == [] and one:
                continue  # a message without tensors has another protocol
            kept[self._key(key, kept)] = clean
        return kept

    def _row(self, row: object, path: str, depth: int) -> object:
        """Return a redacted row or name of a table; its columns are not matched by position."""
        if isinstance(row, list):
            return [self.value(cell, path, depth + 1) for cell in row]
        return self.value(row, path, depth)

    def _check_names_of(self, value: dict[str, object], path: str) -> None:
        """Refuse an object if a rule names one of its columns that has no key."""
        if self._is_value_named:
            self.check_names(value)
            if value.keys() == SERIES and not isinstance(value["name"], str):
                raise Withheld
        names = (path, VALUE) if path else (VALUE,)
        if self.fields.is_positional and any(map(self.fields.may_number, names)):
            for key, one in value.items():
                if isinstance(one, dict | list) and looks_like_value(key):
                    raise Withheld  # the name may contain a row's id, which is not in the rule

    def _named_keys(self, value: dict[str, object], path: str) -> set[str]:
        """Return the keys of *value* from which a named column is computed."""
        inside = f"{path}." if path else ""
        named = {
            key
            for key, one in value.items()
            if self.fields.key(key, inside + key) or self._is_column_named(one, inside + key)
        }
        lists = scored.scored_lists(value)
        if lists is not None:
            columns = zip(lists, (scored.LABEL, scored.SCORE), strict=True)
            named |= {key for key, column in columns if self.fields.name(inside + column)}
        return named

    def _is_column_named(self, value: object, path: str) -> bool:
        """Return whether a rule names a column that decoders compute or number from *value*."""
        if isinstance(value, list | dict):
            return False
        if isinstance(value, str) and any(
            self.fields.name(f"{path}.{one}") for one in self._of_text
        ):
            return True
        return self.fields.may_number(path)

    def _list(self, items: list[object], path: str, depth: int) -> list[object]:
        if self.fields:
            self._check_scored(items, path)
            of_tensors = path.rpartition(".")[2] in _TENSORS
            items = self._without_tensors(items, of_tensors=of_tensors)
            items = without_places(items, lambda width: self.fields.places(path or VALUE, width))
        return [self.value(one, path, depth + 1) for one in items]

    def _check_scored(self, items: list[object], path: str) -> None:
        """Refuse pairs of label and score if a rule names the label or the score."""
        inside = f"{path}." if path else ""
        if any(self.fields.name(inside + one) for one in (scored.LABEL, scored.SCORE)):
            best = scored.best_of(items) or scored.best_of_each(items)
            if best is not None and scored.has_pairs(items):
                raise Withheld

    def _key(self, key: str, taken: Mapping[str, object]) -> str:
        """Return the redacted *key*; equal keys are numbered, so that no value is lost."""
        clean = self.texts.text(key)
        if clean == key or clean not in taken:
            return clean
        return next(f"{clean} {number}" for number in count(2) if f"{clean} {number}" not in taken)

    def _without_tensors(self, items: list[object], *, of_tensors: bool) -> list[object]:
        """Return the list *items*; if they are tensors, without the tensors that a rule names."""
        names = [_tensor_name(item, of_tensors=of_tensors) for item in items]
        self.check_tensors(name for name in names if name is not None)
        return [
            item
            for item, name in zip(items, names, strict=True)
            if name is None or not self.fields.key(name, name)
        ]

    def _without_places(self, value: Mapping[str, object], key: str, path: str) -> object:
        """Return the value of *key* with null at the named positions of a tensor or an array."""
        one = value[key]
        if not isinstance(one, list) or key not in ROWS:
            return one
        if key == ROWS[0] and one and isinstance(one[0], list):
            one = without_places(one, self._frame_places)
        name, shape = value.get("name"), value.get("shape")
        if key == "ndarray":  # Seldon names its columns after the table
            return without_places(one, lambda width: self.fields.places(path, width))
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            return one
        tensor = name if isinstance(name, str) else path.rpartition(".")[0] or path
        return without_cells(one, shape, lambda width: self.fields.places(tensor, width))

    def _frame_places(self, width: int) -> frozenset[int]:
        """Return the named positions of a data frame without names."""
        if not self.fields.is_positional:
            return frozenset()
        return frozenset(at for at in range(min(width, MAX_COLUMNS)) if self.fields.name(str(at)))


def _is_position(name: str, names: Container[str]) -> bool:
    """Return whether *name* may also be a position in another column: ``m.0`` in ``m``."""
    whole, _, place = name.rpartition(".")
    return is_place(place) and whole in names


def _tensor_name(item: object, *, of_tensors: bool) -> str | None:
    """Return the name of *item* if it is a tensor; otherwise None."""
    if not isinstance(item, dict) or not (of_tensors or "data" in item):
        return None
    name = item.get("name")
    return name if isinstance(name, str) else None


def _keys_in(value: object, wanted: AbstractSet[str], depth: int) -> set[str]:
    """Return the *wanted* keys that occur anywhere in *value*."""
    if depth > MAX_DEPTH:
        return set()
    inner: Iterable[object] = ()
    found: set[str] = set()
    if isinstance(value, dict):
        found, inner = wanted & value.keys(), value.values()
    elif isinstance(value, list):
        inner = value
    return found.union(*(_keys_in(one, wanted, depth + 1) for one in inner))
