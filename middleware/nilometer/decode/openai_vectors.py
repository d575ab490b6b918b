"""Decodes embeddings of OpenAI-style servers: one vector column, with one row per input.

Source: OpenAI, "API reference": embeddings. Base64 is little-endian float32.
"""

import binascii
from collections.abc import Mapping

import numpy as np

from nilometer.decode.columns import Block, Column, Side
from nilometer.decode.facts import Facts, Protocol, text_of
from nilometer.decode.openai_response import tokens_of
from nilometer.profile.feature import Cell
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

_NAME = "embedding"


def is_embeddings(value: Mapping[str, Cell]) -> bool:
    """Return whether a body is a list of embeddings."""
    items = value.get("data")
    return (
        value.get("object") == "list"
        and isinstance(items, list)
        and bool(items)
        and all(isinstance(item, dict) and _NAME in item for item in items)
    )


def decode(value: Mapping[str, Cell], side: Side) -> Facts:
    """Add the vectors.

    Raises:
        Undecodable: If a vector is neither a list of numbers nor base64 of floats.
    """
    items = value["data"]
    found = [item.get(_NAME) for item in items if isinstance(item, dict)]  # type: ignore[attr-defined]
    vectors = [_vector(vector) for vector in found]
    usage = value.get("usage")
    tokens = tokens_of(usage) if isinstance(usage, dict) else {}
    model = text_of(value.get("model"))
    columns: dict[str, Column] = {"model": [model or None] * len(vectors)}
    side.add_block(Block(len(vectors), columns | {_NAME: _column(vectors)}))
    return Facts(Protocol.OPENAI, value=value, model=model, input_tokens=tokens.get("input_tokens"))


def _vector(vector: Cell) -> list[Cell]:
    if isinstance(vector, list) and vector and set(map(type, vector)) <= {int, float}:
        return vector
    if isinstance(vector, str):
        try:
            raw = binascii.a2b_base64(vector, strict_mode=True)
            if raw:
                return [*np.frombuffer(raw, "<f4").astype(np.float64).tolist()]
        except ValueError:  # invalid base64, or bytes that are not floats
            pass
    raise Undecodable(UndecodableReason.WRONG_SHAPE.value)


def _column(vectors: list[list[Cell]]) -> Column:
    """Return an array if all vectors have one length, as real embeddings do; otherwise a list."""
    if len(set(map(len, vectors))) != 1:
        return vectors
    try:
        return np.array(vectors, dtype=np.float64)
    except OverflowError:  # an integer too large for float64
        return vectors
