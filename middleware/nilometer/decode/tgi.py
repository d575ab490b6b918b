"""Decodes Hugging Face's Text Generation Inference: requests, whole responses and streams.

Each frame of a stream is one token. The last frame also repeats the whole text.

Source: Hugging Face, "Text Generation Inference API": generate, generate_stream.
"""

from collections.abc import Mapping, Sequence

from nilometer.bodies.generated import is_tgi
from nilometer.decode.answer import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Answer,
    Dialect,
    decode,
    object_of,
)
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol, count_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.profile.feature import Cell

_TEXT = "generated_text"
_PATHS = ("/generate", "/generate_stream")
_SETTINGS = (
    *("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty"),
    *("do_sample", "best_of", "typical_p", "details", "decoder_input_details"),
)
_SCALARS = (str, int, float, bool)


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    token = value.get("token")
    if isinstance(token, dict):
        if token.get("special") is not True:
            answer.text(token.get("text"))
        answer.tell(1)
    whole, details = value.get(_TEXT), value.get("details")
    if isinstance(details, dict):
        answer.finish(details.get("finish_reason"))
        answer.add_usage(details)
    if isinstance(whole, str):
        answer.restart()
        answer.count(whole)
    if isinstance(whole, str) or isinstance(details, dict):
        answer.done()


def _tokens(usage: Mapping[str, Cell]) -> dict[str, int | None]:
    prefill = usage.get("prefill")
    asked = count_of(usage.get("input_length"))
    if asked is None and isinstance(prefill, list) and prefill:
        asked = len(prefill)
    return {INPUT_TOKENS: asked, OUTPUT_TOKENS: count_of(usage.get("generated_tokens"))}


DIALECT = Dialect(protocol=Protocol.TGI, begins=is_tgi, add=_add, tokens=_tokens)


def decode_input(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    """Add a request to generate text as one row; return None for any other request."""
    prompt = value.get("inputs")
    if not isinstance(prompt, str) or not path.endswith(_PATHS):
        return None
    given = object_of(value.get("parameters"))
    settings: Row = {
        name: given[name] for name in _SETTINGS if isinstance(given.get(name), _SCALARS)
    }
    row: Row = {"prompts": 1, "characters": len(prompt), **settings}
    if isinstance(value.get("stream"), bool):
        row = {**row, "stream": value["stream"]}
    side.add_rows([row])
    return Facts(Protocol.TGI, value=value)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    return decode(DIALECT, value, side) if isinstance(value.get(_TEXT), str) else None


def decode_list(items: Sequence[Cell], side: Side) -> Facts | None:
    """Add the responses in a list, one row each; return None for any other list."""
    rows: list[Row] = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get(_TEXT), str):
            return None
        answer = Answer(DIALECT)
        answer.add(item)
        rows.append(answer.row())
    if not rows:
        return None
    side.add_rows(rows)
    return Facts(Protocol.TGI)


PROTOCOL = JsonProtocol(
    input_keys=frozenset({"inputs"}),
    output_keys=frozenset({_TEXT}),
    decode_input=decode_input,
    decode_output=_decode_output,
)
