"""Decodes responses of Ollama's chat and generate APIs, whole or as lines of JSON.

Requests have the shape of a chat or a completion (`nilometer.decode.openai_request`).

Source: Ollama, "API".
"""

from collections.abc import Mapping

from nilometer.bodies.generated import is_ollama
from nilometer.decode.answer import INPUT_TOKENS, OUTPUT_TOKENS, Answer, Dialect, decode, objects
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts, Protocol, count_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.profile.feature import Cell

_DONE = "done"


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    answer.name(value)
    message = value.get("message")
    if isinstance(message, dict):
        answer.text(message.get("content"))
        answer.reasoning(message.get("thinking"))
        for at, _ in enumerate(objects(message.get("tool_calls"))):
            answer.call((answer.at, at))  # each line contains complete calls
    answer.text(value.get("response"))
    answer.reasoning(value.get("thinking"))
    if value.get(_DONE) is True:
        answer.finish(value.get("done_reason"))
        answer.add_usage(value)
        answer.done()


def _tokens(usage: Mapping[str, Cell]) -> dict[str, int | None]:
    return {
        INPUT_TOKENS: count_of(usage.get("prompt_eval_count")),
        OUTPUT_TOKENS: count_of(usage.get("eval_count")),
    }


DIALECT = Dialect(protocol=Protocol.OLLAMA, begins=is_ollama, add=_add, tokens=_tokens)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    return decode(DIALECT, value, side) if is_ollama(value) else None


PROTOCOL = JsonProtocol(output_keys=frozenset({_DONE}), decode_output=_decode_output)
