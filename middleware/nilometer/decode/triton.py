"""Decodes the generate extension of V2: Triton's ``generate`` and ``generate_stream``.

A stream has no end mark, so each frame may be the last. The paths are those of V2 models, and the
frames name the model and its version.

Source: NVIDIA Triton Inference Server, "Generate Extension".
"""

from collections.abc import Mapping

from nilometer.bodies.generated import is_triton
from nilometer.decode.answer import Answer, Dialect, decode, object_of
from nilometer.decode.columns import Row, Side
from nilometer.decode.facts import Facts, Protocol
from nilometer.decode.openai_response import tokens_of
from nilometer.decode.protocol import JsonProtocol
from nilometer.profile.feature import Cell

_ASKED, _TEXT = "text_input", "text_output"
_SETTINGS = (
    *("max_tokens", "temperature", "top_p", "top_k", "beam_width", "repetition_penalty"),
    *("random_seed", "stream"),
)
_SCALARS = (str, int, float, bool)


def _add(answer: Answer, value: Mapping[str, Cell]) -> None:
    answer.name(value, "model_name", version="model_version")
    answer.text(value.get(_TEXT))
    answer.finish(value.get("finish_reason"))
    answer.add_usage(value.get("usage"))
    answer.done()


DIALECT = Dialect(protocol=Protocol.TRITON, begins=is_triton, add=_add, tokens=tokens_of)


def _decode_input(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    """Add a request to generate text as one row; return None for any other request."""
    del path
    prompt = value.get(_ASKED)
    if not isinstance(prompt, str):
        return None
    given = {**value, **object_of(value.get("parameters"))}
    settings: Row = {
        name: given[name] for name in _SETTINGS if isinstance(given.get(name), _SCALARS)
    }
    side.add_rows([{"prompts": 1, "characters": len(prompt), **settings}])
    return Facts(Protocol.TRITON, value=value)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    del path
    return decode(DIALECT, value, side) if is_triton(value) else None


PROTOCOL = JsonProtocol(
    input_keys=frozenset({_ASKED}),
    output_keys=frozenset({_TEXT}),
    decode_input=_decode_input,
    decode_output=_decode_output,
)
