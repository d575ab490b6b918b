"""Attributes of the agent's series."""

from collections.abc import Mapping

from nilometer.export.genai import genai
from nilometer.export.keys import GEN_AI_MODEL, GEN_AI_OPERATION, GEN_AI_PROVIDER
from nilometer.export.series import Attributes, Value, attributes_of


def with_more(at: Attributes, more: Mapping[str, Value]) -> Attributes:
    """Return the attributes *at* with *more* added."""
    return attributes_of({**dict(at), **more})


def model_attributes(entity: str, operation: str) -> dict[str, Value]:
    """Return the attributes of a generative *operation* of *entity*, as OpenTelemetry names them."""
    return {
        GEN_AI_OPERATION: operation,
        GEN_AI_PROVIDER: genai().provider,
        GEN_AI_MODEL: entity,
    }
