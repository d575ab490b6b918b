"""Recognises fields that `redact_fields` names: as keys, as column names and inside text.

A rule is the name of a column as users see it: ``user.id``, or ``input.user.id``. A decoder may
leave out the outer keys of a body, so a rule also matches the end of a path. Text mentions a field
if it may contain the field's value or name its column, as in ``ssn=1``, ``"ssn": 1``, ``<ssn>``,
``ssn,age``, or the name alone. A word in a sentence is not a field.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from unicodedata import normalize
from urllib.parse import unquote_plus

from nilometer.bodies.column_names import MAX_WIDTH
from nilometer.values.value_like import MAX_NAME

MAX_PATH = 256  # characters of a path that are compared, counted from its end
_SHORT = 64  # longest text whose result is remembered
_REMEMBERED = 4096  # remembered results; real traffic has few different names

# A piece of text between delimiters, and the following mark if a value comes after it.
_PIECE = re.compile(r"([^,;|&\t\r\n{}\[\]()<>:=?\"'`\\]+)([\"'`\\]*\s*[:=>])?")
_ENCODED_TWICE = 2
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_WILD = re.compile(r"[*?\[]")
_NUMBERS = re.compile(r"(?:\.[0-9]+)+$")
_DIGITS = re.compile(r"[0-9]{1,6}")
_SIDES = ("input", "output")


class NamedFields:
    """The named fields of one side of an exchange.

    Args:
        patterns: Rules of `redact_fields`; an empty sequence matches nothing.
        side: ``input``, ``output``, or empty if the names belong to no side.

    Attributes:
        is_positional: Whether a rule may name a column by its position, as in ``scores.3``.
    """

    def __init__(self, patterns: Sequence[str], side: str = "") -> None:
        self._patterns = tuple(map(composed, patterns))
        self._written = frozenset(self._patterns)
        self._matched = re.compile("|".join(map(translate, self._patterns)) or r"(?!)").match
        self._prefix = f"{side}." if side else ""
        self._cores = tuple(map(_core, self._patterns))
        self.is_positional = any(one[-1:].isdigit() or one[-1:] in "*?]" for one in self._patterns)
        # Positions that rules without wildcards name; None if a wildcard may name any.
        is_wild = any(map(_WILD.search, self._patterns))
        ends = {one.rpartition(".")[2] for one in self._patterns}
        self._ends = None if is_wild else {int(end) for end in ends if _DIGITS.fullmatch(end)}
        # Rules without trailing numbers: ``a`` for ``a.1`` and for ``a.1.0``.
        self._bases = {base for one in self._patterns if (base := _NUMBERS.sub("", one)) != one}
        self._known = lru_cache(_REMEMBERED)(self._is_named)
        self._remembered = lru_cache(_REMEMBERED)(self._is_mentioned)
        self._known_places = lru_cache(_REMEMBERED)(self._places)

    def __bool__(self) -> bool:
        """Return whether there is at least one rule."""
        return bool(self._patterns)

    def name(self, path: str) -> bool:
        """Return whether a rule names the field at the dotted *path*."""
        if not self._patterns:
            return False
        path = composed(path)
        return self._known(path) if len(path) <= MAX_PATH else self._is_named(path)

    def key(self, key: str, path: str) -> bool:
        """Return whether the value of *key*, at the dotted *path*, may be a named field.

        A key that is longer than a name can be counts as named.
        """
        if not self._patterns:
            return False
        return self.name(path) or len(key) > MAX_NAME or self.mentions(key)

    def places(self, name: str, width: int) -> frozenset[int]:
        """Return the named columns among the *width* columns ``name.0``, ``name.1`` and so on."""
        if not self.is_positional or not 1 < width <= MAX_WIDTH or len(name) > MAX_PATH:
            return frozenset()
        return self._known_places(composed(name), width)

    def may_number(self, name: str) -> bool:
        """Return whether a rule names column *name* followed by a number, as in ``a.1``."""
        return bool(self.places(name, MAX_WIDTH))

    def may_repeat(self, name: str) -> bool:
        """Return whether a rule names a repetition of *name*, as ``a.1``, or a position in it."""
        if self.may_number(name):
            return True
        sided = self._prefix + name
        return any(sided == one or sided.endswith(f".{one}") for one in self._bases)

    def computed(self, columns: Iterable[str]) -> list[str]:
        """Return the *columns* computed from a field that a rule may name, as ``a.bytes``."""
        return [
            one
            for one in columns
            if any(fnmatchcase(one, rule.rpartition(".")[2]) for rule in self._patterns)
        ]

    def mentions(self, text: str) -> bool:
        """Return whether *text* may contain the value of a named field, or name its column."""
        if not self._patterns:
            return False
        text = composed(text)
        return self._remembered(text) if len(text) <= _SHORT else self._is_mentioned(text)

    def carries(self, text: str) -> bool:
        """Return whether *text* contains the value of a named field, as in ``ssn=1``."""
        return bool(self._patterns) and self._is_mentioned(composed(text), marked_only=True)

    def _is_named(self, path: str) -> bool:
        if self._matches(path):
            return True
        path = path[-MAX_PATH:]
        while path:
            path = path.partition(".")[2]
            if path and self._matches(path):
                return True
        return False

    def _matches(self, name: str) -> bool:
        sided = self._prefix + name
        if name in self._written or sided in self._written:  # a rule such as a[0], as it is written
            return True
        return self._matched(name) is not None or self._matched(sided) is not None

    def _is_mentioned(self, text: str, *, marked_only: bool = False) -> bool:
        for plain in _spellings(text) if "%" in text or "\\u" in text else (text,):
            if not any(core in plain for core in self._cores):
                continue
            for piece, mark in _PIECE.findall(plain):
                name = piece.strip()
                if mark and (self._is_name(name) or self._is_name(name.rpartition(" ")[2])):
                    return True
                if not marked_only and self._is_name(name):
                    return True
        return False

    def _is_name(self, name: str) -> bool:
        return 0 < len(name) <= MAX_NAME and not name.isdigit() and self._known(name)

    def _places(self, name: str, width: int) -> frozenset[int]:
        if not any(core in name or core.isdigit() for core in self._cores):
            return frozenset()  # the usual case: no rule matches a name that begins like this
        tried = range(width) if self._ends is None else [at for at in self._ends if at < width]
        return frozenset(at for at in tried if self._is_named(f"{name}.{at}"))


def composed(text: str) -> str:
    """Return *text* in composed Unicode (NFC), so that names that look equal are equal."""
    return text if text.isascii() else normalize("NFC", text)


def _core(pattern: str) -> str:
    """Return a text that is in every name that *pattern* matches; empty if there is none."""
    if "[" in pattern:
        return ""
    pieces = [piece for run in _WILD.split(pattern) for piece in run.split(".")]
    core = max(pieces, key=len)
    return "" if any(core in side for side in _SIDES) else core


def _spellings(text: str) -> Iterator[str]:
    """Yield *text*, and its decoded forms: URL-decoded or JSON-unescaped, up to twice."""
    yield text
    for _ in range(_ENCODED_TWICE):
        plain = composed(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), unquote_plus(text)))
        if plain == text:
            return
        yield plain
        text = plain
