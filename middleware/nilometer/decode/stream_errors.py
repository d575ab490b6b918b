"""Recognises events and lines in which a stream reports an error.

`error.type` has few values: the known types of error, status codes, and `UNNAMED`. The message of an
error is not kept.

Sources: the API references of OpenAI, Anthropic, Cohere and Google, and the routers of Text
Generation Inference, vLLM and Ollama.
"""

from collections.abc import Mapping

from nilometer.profile.feature import Cell
from nilometer.values.reasons import Outcome

UNNAMED = Outcome.SERVER_ERROR.value  # the type of an error that is not a known type
_ERROR = "error"
_TYPES = frozenset(
    {
        # OpenAI, and servers that follow it
        "server_error", "internal_server_error", "InternalServerError", "rate_limit_error",
        "rate_limit_exceeded", "insufficient_quota", "invalid_request_error", "BadRequestError",
        "context_length_exceeded", "content_filter", "service_unavailable_error",
        # Anthropic
        "api_error", "overloaded_error", "timeout_error", "authentication_error",
        "billing_error", "permission_error", "not_found_error", "request_too_large",
        # Text Generation Inference
        "generation", "incomplete_generation", "overloaded", "validation", "unhealthy", "tool_error",
        # Google
        "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT",
        "FAILED_PRECONDITION", "PERMISSION_DENIED", "NOT_FOUND", "UNKNOWN", "CANCELLED",
    }
)  # fmt: skip
_NAMES = ("type", "error_type", "status", "code", "status_code")  # keys of a type, in this order
_SAID = frozenset({"message", "msg", "detail", *_NAMES})
# Keys that may occur together with an error's text. With any other key, the object is data.
_BESIDE = frozenset(
    {
        _ERROR,
        "message",
        "detail",
        "object",
        "id",
        "request_id",
        "done",
        "timestamp",
        "path",
        *_NAMES,
    }
)


def error_in(value: Mapping[str, Cell]) -> str:
    """Return the type of the error that an object reports; empty if it is not an error."""
    error = value.get(_ERROR)
    if value.get("type") == _ERROR or value.get("object") == _ERROR:
        return type_of(error if isinstance(error, dict) else value)
    if isinstance(error, dict):
        is_error = not error.keys().isdisjoint(_SAID) or value.keys() <= _BESIDE
        return type_of(error) if error and is_error else ""
    if isinstance(error, str) and error and value.keys() <= _BESIDE:
        return type_of(value)
    return ""


def type_of(error: Cell) -> str:
    """Return the value of `error.type` for an error object."""
    if not isinstance(error, dict):
        return UNNAMED
    for name in _NAMES:
        found = error.get(name)
        text = str(found) if isinstance(found, str | int) else ""
        if text in _TYPES or (len(text) == 3 and text[0] in "45" and text.isdecimal()):
            return text
    return UNNAMED
