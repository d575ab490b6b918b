"""Recognises the frames in which language models stream responses, and masks their text.

Decoders only use the length of generated text. A number or a field that redaction should find may
be split over several frames. So redaction masks the text of all frames.

Sources: the API references of OpenAI, Anthropic, Ollama, Hugging Face's Text Generation Inference,
Google's Gemini, Cohere, NVIDIA's Triton and llama.cpp.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Object: TypeAlias = Mapping[str, Any]

MASK = "x"
MAX_DEPTH = 64
_ANSWERS = frozenset(
    {"chat.completion", "chat.completion.chunk", "text_completion", "completion", "response"}
)
_RESPONSE_EVENT = "response."  # prefix of the event types of OpenAI's responses
_ANTHROPIC = frozenset(
    {
        "message_start", "content_block_start", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    }
)  # fmt: skip
_COHERE = frozenset(
    {
        "message-start", "content-start", "content-delta", "content-end", "tool-plan-delta",
        "tool-call-start", "tool-call-delta", "tool-call-end", "citation-start", "citation-end",
        "message-end", "stream-start", "text-generation", "tool-calls-chunk",
        "tool-calls-generation", "citation-generation", "search-queries-generation",
        "search-results", "stream-end",
    }
)  # fmt: skip
# Keys of generated text, and of arguments of tool calls.
_TEXTS = frozenset(
    {
        "content", "text", "thinking", "reasoning", "reasoning_content", "refusal", "delta",
        "generated_text", "instructions", "partial_json", "response", "token", "tokens", "tool_plan",
        "text_output", "transcript", "chunk", "answer", "completion", "output_text",
        "data",
    }
)  # fmt: skip
_ARGUMENTS = frozenset({"args", "arguments", "input", "bytes"})


def is_openai(value: Object) -> bool:
    """Return whether an object is a response of an OpenAI-style server, or a frame of one."""
    return is_openai_answer(value) or _text(value, "type").startswith(_RESPONSE_EVENT)


def is_openai_answer(value: Object) -> bool:
    """Return whether an object is an OpenAI-style chat or completion response, or a chunk of it."""
    if _text(value, "object") in _ANSWERS:
        return True
    choices = value.get("choices")
    return isinstance(choices, list) and bool(choices) and all(map(_is_choice, choices))


def is_anthropic(value: Object) -> bool:
    """Return whether an object is a frame of Anthropic's messages."""
    return _text(value, "type") in _ANTHROPIC


def is_ollama(value: Object) -> bool:
    """Return whether an object is a response of Ollama, or a line of one."""
    return (
        isinstance(value.get("done"), bool)
        and isinstance(value.get("model"), str)
        and (isinstance(value.get("message"), dict) or isinstance(value.get("response"), str))
    )


def is_tgi(value: Object) -> bool:
    """Return whether an object is a frame of Text Generation Inference."""
    token = value.get("token")
    return isinstance(token, dict) and "id" in token and "text" in token


def is_gemini(value: Object) -> bool:
    """Return whether an object is a response of Gemini, or a frame of one."""
    candidates = value.get("candidates")
    has_usage = isinstance(value.get("usageMetadata"), dict)
    if candidates is None:
        return has_usage and "modelVersion" in value
    if not isinstance(candidates, list) or not all(isinstance(one, dict) for one in candidates):
        return False
    return has_usage or any(map(_is_candidate, candidates))


def is_cohere(value: Object) -> bool:
    """Return whether an object is a frame of Cohere's chat API, version 1 or 2."""
    return _text(value, "type") in _COHERE or _text(value, "event_type") in _COHERE


def is_triton(value: Object) -> bool:
    """Return whether an object is a response of Triton's generate extension, or a frame of one."""
    return isinstance(value.get("text_output"), str) and isinstance(value.get("model_name"), str)


def is_llama_cpp(value: Object) -> bool:
    """Return whether an object is a response of llama.cpp's completion API, or a frame of one."""
    return isinstance(value.get("content"), str) and isinstance(value.get("stop"), bool)


def is_frame(value: object) -> bool:
    """Return whether *value* is a frame of any of these APIs."""
    return isinstance(value, dict) and (
        is_openai(value)
        or is_anthropic(value)
        or is_ollama(value)
        or is_tgi(value)
        or is_gemini(value)
        or is_cohere(value)
        or is_triton(value)
        or is_llama_cpp(value)
    )


def masked(value: object, depth: int = 0) -> object:
    """Return a frame with each text replaced by a mask of the same length."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [masked(one, depth + 1) for one in value]
    if isinstance(value, str) and not depth:
        return MASK * len(value)
    if not isinstance(value, dict):
        return value
    return {key: _masked(key, one, depth) for key, one in value.items()}


def texts_in(value: object, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each text that `masked` replaces, with its key; a text without an object has none."""
    if isinstance(value, str):
        if key in _TEXTS | _ARGUMENTS or not depth:
            yield key, value
    elif depth <= MAX_DEPTH:
        inner = value.items() if isinstance(value, dict) else ()
        items = [(key, one) for one in value] if isinstance(value, list) else inner
        for name, one in items:
            yield from texts_in(one, name, depth + 1)


def scalars_in(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Yield each scalar that `masked` keeps, with its path; the place in a list is no part of it."""
    key = path.rpartition(".")[2]
    if isinstance(value, dict | list):
        if depth <= MAX_DEPTH and key not in _ARGUMENTS:
            inner = value.items() if isinstance(value, dict) else (("", one) for one in value)
            for name, one in inner:
                yield from scalars_in(one, f"{path}.{name}" if name else path, depth + 1)
    elif depth and not (isinstance(value, str) and key in _TEXTS | _ARGUMENTS):
        yield path, value


def _masked(key: str, value: object, depth: int) -> object:
    if key in _ARGUMENTS:
        return MASK * len(value) if isinstance(value, str) else type(value)()
    if key in _TEXTS:
        if isinstance(value, str):
            return MASK * len(value)
        if isinstance(value, list):
            return [_masked(key, one, depth + 1) for one in value]
    return masked(value, depth + 1)


def _text(value: Object, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _is_choice(choice: object) -> bool:
    return isinstance(choice, dict) and not choice.keys().isdisjoint({"message", "delta", "text"})


def _is_candidate(candidate: Object) -> bool:
    content = candidate.get("content")
    return "finishReason" in candidate or (isinstance(content, dict) and "parts" in content)
