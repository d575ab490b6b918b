"""Text by its lengths and classes of characters; never the text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_BYTES = 1 << 16  # of one text that are classified; the lengths are of all of it
_DIGIT, _UPPER, _PUNCTUATION, _SPACE, _NON_ASCII = range(1, 6)
_NAMES = {
    _DIGIT: "digit_share",
    _UPPER: "upper_share",
    _PUNCTUATION: "punctuation_share",
    _SPACE: "whitespace_share",
    _NON_ASCII: "non_ascii_share",
}


def _classes() -> NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for code in range(128):
        character = chr(code)
        if character.isdigit():
            table[code] = _DIGIT
        elif character.isupper():
            table[code] = _UPPER
        elif character.isspace():
            table[code] = _SPACE
        elif character.isprintable() and not character.isalnum():
            table[code] = _PUNCTUATION
    table[0xC0:] = _NON_ASCII  # a character's first byte; those that follow are below
    return table


_TABLE = _classes()


def text_columns(texts: Sequence[str]) -> dict[str, Floats]:
    """Columns of *texts*, n of them, each of shape (n,).

    ``characters``, ``words`` (runs between spaces and line ends), ``lines``, and shares of the
    characters, 0 to 1: digits, upper case, punctuation, white space, beyond ASCII. An empty text
    has shares of 0.
    """
    count = len(texts)
    characters = np.fromiter(map(len, texts), np.float64, count)
    words = np.fromiter(
        (text.count(" ") + text.count("\n") + 1 for text in texts), np.float64, count
    )
    words[characters == 0] = 0
    lines = np.fromiter((text.count("\n") + 1 for text in texts), np.float64, count)
    lines[characters == 0] = 0
    columns = {"characters": characters, "words": words, "lines": lines}
    packed = [text[:MAX_BYTES].encode("utf-8", "replace")[:MAX_BYTES] for text in texts]
    lengths = np.fromiter(map(len, packed), np.int64, count)
    joined = np.frombuffer(b"".join(packed), dtype=np.uint8)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    kinds = _TABLE[joined]
    continued = _running((joined & 0xC0) == 0x80, starts, ends)
    seen = np.maximum(lengths - continued, 1)  # characters that were classified
    for kind, name in _NAMES.items():
        columns[name] = _running(kinds == kind, starts, ends) / seen
    return columns


def _running(
    hits: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Hits between each start and end."""
    total = np.zeros(hits.size + 1, dtype=np.int64)
    np.cumsum(hits, out=total[1:])
    return total[ends] - total[starts]
