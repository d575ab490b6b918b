"""The dialects of language models that stream their responses."""

from collections.abc import Mapping, Sequence

from nilometer.decode import (
    anthropic,
    cohere,
    gemini,
    llama_cpp,
    ollama,
    openai_response,
    tgi,
    triton,
)
from nilometer.decode.answer import Answer, Dialect
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts
from nilometer.profile.feature import Cell

# In order of precedence: the first dialect with a frame like the object is used.
DIALECTS: tuple[Dialect, ...] = (
    openai_response.DIALECT,
    anthropic.DIALECT,
    ollama.DIALECT,
    tgi.DIALECT,
    gemini.DIALECT,
    cohere.DIALECT,
    triton.DIALECT,
    llama_cpp.DIALECT,
)


def answer_begun_by(value: Mapping[str, Cell]) -> Answer | None:
    """Return a new `Answer` if *value* is the first frame of a stream; otherwise None."""
    for dialect in DIALECTS:
        if dialect.begins(value):
            return Answer(dialect, streamed=True)
    return None


def decode_list(items: Sequence[Cell], text: bytes, side: Side) -> Facts | None:
    """Add answers that a server sends as one list of JSON; return None if they are none.

    Args:
        items: Parsed list.
        text: The list as JSON.
        side: Side that the rows are added to.
    """
    return tgi.decode_list(items, side) or gemini.decode_list(items, text, side)
