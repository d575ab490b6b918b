"""Texts that every store can keep: UTF-8 without NUL.

PostgreSQL cannot store NUL, and no database can store a lone surrogate. Names with such characters
are refused. In free text, such as evidence, they are replaced by U+FFFD.
"""

from collections.abc import Iterable

from nilometer_collector.errors import Refused

MOST_FAILURE_CHARACTERS = 200

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Return *text* with U+FFFD instead of NUL and lone surrogates."""
    if _is_storable(text):
        return text
    return "".join(_REPLACEMENT if _is_bad(character) else character for character in text)


def short_text(failure: str) -> str:
    """Return the start of a *failure*'s reason, as `storable` text."""
    return storable(failure[:MOST_FAILURE_CHARACTERS])


def check_texts(values: Iterable[object]) -> None:
    """Refuse a text in *values* that not every store can keep.

    Raises:
        Refused: If a text contains NUL or a lone surrogate.
    """
    for value in values:  # called for every statement, so it avoids a function call for most texts
        if type(value) is str and ("\0" in value or not (value.isascii() or _is_storable(value))):
            raise Refused(f"{value[:64]!r} must not contain NUL or half of a surrogate pair")


def _is_storable(text: str) -> bool:
    return (text.isascii() and "\0" not in text) or not any(map(_is_bad, text))


def _is_bad(character: str) -> bool:
    return character == "\0" or "\ud800" <= character <= "\udfff"
