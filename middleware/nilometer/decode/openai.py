"""Declares the OpenAI protocol, which many servers implement.

Chat, completions, responses and embeddings share keys. Path and shape distinguish them.

Source: OpenAI, "API reference".
"""

from collections.abc import Mapping

from nilometer.bodies.generated import is_openai_answer
from nilometer.decode import openai_request, openai_response, openai_vectors
from nilometer.decode.answer import decode
from nilometer.decode.columns import Side
from nilometer.decode.facts import Facts
from nilometer.decode.protocol import JsonProtocol
from nilometer.profile.feature import Cell


def _decode_input(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    """Add a request; return None without a model and a known path, because it is free JSON."""
    return openai_request.decode(value, path, side)


def _decode_output(value: Mapping[str, Cell], path: str, side: Side) -> Facts | None:
    """Add a response: generated text or embeddings."""
    del path
    if is_openai_answer(value):
        return decode(openai_response.DIALECT, value, side)
    if openai_vectors.is_embeddings(value):
        return openai_vectors.decode(value, side)
    return None


PROTOCOL = JsonProtocol(
    input_keys=frozenset({"messages", "prompt", "input"}),
    output_keys=frozenset({"object", "choices"}),
    decode_input=_decode_input,
    decode_output=_decode_output,
)
