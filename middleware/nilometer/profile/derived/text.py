"""Describes text by its lengths and classes of characters; the text is never kept.

A column of long strings is text. A column with a prompt's or a response's name is always text, even
if its strings are short, because free text written to a model is not a category.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nilometer.values.steps import Steps, parts_of

Floats = NDArray[np.float64]

MAX_BYTES = 1 << 16  # bytes of a text that are classified; lengths cover the whole text
# Last words of names, in lower case.
_PROMPTS = frozenset(
    {
        *("prompt", "prompts", "text", "texts", "content", "message", "messages", "question"),
        *("context", "query", "instruction", "instructions", "input", "inputs", "transcript"),
        *("sentence", "sentences", "passage", "paragraph", "document", "documents", "utterance"),
        *("answer", "completion", "response", "translation", "summary", "transcription"),
        *("premise", "hypothesis", "caption", "conversation", "sequence", "word"),
    }
)
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\- ]+")

_DIGIT, _UPPER, _PUNCTUATION, _SPACE, _NON_ASCII, _CONTINUED = range(1, 7)
_NAMES = {
    _DIGIT: "digit_share",
    _UPPER: "upper_share",
    _PUNCTUATION: "punctuation_share",
    _SPACE: "whitespace_share",
    _NON_ASCII: "non_ascii_share",
}


def _classes() -> bytes:
    table = bytearray(256)
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
    table[0x80:] = bytes((_CONTINUED,)) * 0x40 + bytes((_NON_ASCII,)) * 0x40  # first bytes
    return bytes(table)


_TABLE = _classes()


@lru_cache(4096)
def is_prompt(summary: str) -> bool:
    """Return whether *summary* is named like a prompt or a response, as in ``input.prompt``.

    The last word of the name decides: ``input.user_message``, ``output.generatedText``.
    """
    name = summary.rpartition(".")[2]
    return _WORDS.split(name)[-1].lower() in _PROMPTS


def text_columns(texts: Sequence[str]) -> Steps[dict[str, Floats]]:
    """Return the columns for *texts*, n of them, each of shape (n,), in steps.

    ``characters``, ``words`` (runs between spaces and line ends), ``lines``, and shares of the
    characters, 0 to 1: digits, upper case, punctuation, white space, non-ASCII. An empty text has
    shares of 0.
    """
    count = len(texts)
    characters = np.fromiter(map(len, texts), np.float64, count)
    words, lines = np.empty(count), np.empty(count)
    classes = np.empty((count, _CONTINUED + 1), dtype=np.int64)
    at = 0
    for part in parts_of(texts):
        for text in part:
            ends = text.count("\n")
            words[at] = text.count(" ") + ends + 1
            lines[at] = ends + 1
            packed = text[:MAX_BYTES].encode("utf-8", "replace")[:MAX_BYTES].translate(_TABLE)
            classes[at] = np.bincount(np.frombuffer(packed, np.uint8), minlength=_CONTINUED + 1)
            at += 1
        yield
    words[characters == 0] = 0
    lines[characters == 0] = 0
    columns = {"characters": characters, "words": words, "lines": lines}
    seen = np.maximum(classes.sum(axis=1) - classes[:, _CONTINUED], 1)  # classified
    for kind, name in _NAMES.items():
        columns[name] = classes[:, kind] / seen
    return columns
