"""Decodes responses of llama.cpp's own completion API, whole or as events.

Each event has one token or a few. The last one has an empty text and the counts of the whole
response. llama.cpp also serves OpenAI's API, see `nilometer.decode.openai_response`.

Source: llama.cpp, "LLaMA.cpp HTTP Server", ``POST /completion``.
"""

from collections.abc import Mapping

from nilometer.bodies.generated import is_llama_cpp
from nilometer.decode.answer import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Answer,
    Dialect,
    decode,
    object_of,
)
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol, count_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.profile.feature import Cell


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    answer.name(value)
    answer.text(value.get("content"))
    tokens = value.get("tokens")
    if isinstance(tokens, list):
        answer.tell(len(tokens))
    if value.get("stop") is True:
        answer.finish(value.get("stop_type"))
        answer.add_usage(value)
        answer.done()


def _tokens(usage: Mapping[str, Cell]) -> dict[str, int | None]:
    return {
        INPUT_TOKENS: count_of(usage.get("tokens_evaluated")),
        OUTPUT_TOKENS: count_of(usage.get("tokens_predicted")),
        CACHED_TOKENS: count_of(object_of(usage.get("timings")).get("cache_n")),
    }


DIALECT = Dialect(protocol=Protocol.LLAMA_CPP, begins=is_llama_cpp, add=_add, tokens=_tokens)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    return decode(DIALECT, value, side) if is_llama_cpp(value) else None


PROTOCOL = JsonProtocol(output_keys=frozenset({"stop"}), decode_output=_decode_output)
