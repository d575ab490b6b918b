"""Recognises requests that prepare or manage something on a known server, by path and body.

The path alone does not tell: an application may have a model of its own on ``/tokenize`` or on
``/v1/batches``. So a request is such a call only if its body also has the form that the API
documents. A GET has its fields in the query. A request with any other body or query that a decoder
takes is a prediction, as on other paths.

Sources: the API references of vLLM, SGLang, llama.cpp, Text Generation Inference, Text Embeddings
Inference, Ollama, OpenAI, Anthropic, Cohere and Gemini.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from nilometer.bodies.form import fields
from nilometer.bodies.json_text import parsed
from nilometer.bodies.media import in_utf8, media_type
from nilometer.bodies.multipart import parts
from nilometer.decode.probes import BODYLESS
from nilometer.values.errors import Undecodable

IsForm: TypeAlias = Callable[[object], bool]

_MULTIPART = "multipart/form-data"
_ID = r"[^/]+"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    """Return whether *value* is a text, or a list of texts."""
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _is_ids(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in value)


def _is_tokens(value: object) -> bool:
    """Return whether *value* is a list of token ids, or a list of such lists."""
    return _is_ids(value) or (isinstance(value, list) and all(map(_is_ids, value)))


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _with_any(*names: str) -> IsForm:
    """Return a check for a list of objects, each of which has one of *names*."""

    def is_form(value: object) -> bool:
        return isinstance(value, list) and all(
            isinstance(one, dict) and not one.keys().isdisjoint(names) for one in value
        )

    return is_form


_is_messages = _with_any("role", "parts")


def _is_scales(value: object) -> bool:
    """Return whether *value* is llama.cpp's list of adapters."""
    return isinstance(value, list) and all(
        isinstance(one, dict) and one.keys() == {"id", "scale"} for one in value
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """A kind of call.

    Attributes:
        does: What the call does, for users.
        path: Regular expression of its paths.
        needs: Fields of its JSON body, and their forms; one of them is enough.
        only: All fields that the body may have, separated by spaces, if those of *needs* have usual
            names; empty allows any other field.
        marks: Fields, and their forms, that show by themselves that it is this call: with one of
            them, the body may have any other field.
        whole: Form of its JSON body if that is no object; None if it always is an object.
        parts: Names of the parts of its body, separated by spaces, if that is a form of files; one
            of them is enough.
        method: HTTP method. The fields of a GET are those of its query.
    """

    does: str
    path: str
    needs: Mapping[str, IsForm]
    only: str = ""
    marks: Mapping[str, IsForm] = field(default_factory=dict)
    whole: IsForm | None = None
    parts: str = ""
    method: str = "POST"

    def takes(self, value: object) -> bool:
        """Return whether a JSON *value* is a body of this call."""
        if value == {}:
            return True  # all fields may be optional, and no column is lost
        if not isinstance(value, dict):
            return self.whole is not None and self.whole(value)
        if self.only and not ({*value} <= {*self.only.split()} or _has_any(value, self.marks)):
            return False
        return _has_any(value, self.needs)


def _has_any(value: Mapping[str, object], forms: Mapping[str, IsForm]) -> bool:
    return any(name in value and is_form(value[name]) for name, is_form in forms.items())


# Fields of a request for a chat completion, which these calls take as it is.
_CHAT = (
    "model messages tools tool_choice parallel_tool_calls temperature top_p max_tokens "
    "max_completion_tokens stream stream_options seed stop n frequency_penalty presence_penalty "
    "logit_bias logprobs top_logprobs response_format user"
)
_CALLS = (
    _Call(
        "turns text into tokens",
        r"(?:/v1)?/tokenize",
        {
            **dict.fromkeys(("prompt", "content", "text", "inputs"), _is_texts),
            "messages": _is_messages,
        },
        only="model prompt content text inputs messages add_special add_special_tokens "
        "parse_special with_pieces return_token_strs parameters prompt_name stream tools "
        "add_generation_prompt continue_final_message chat_template chat_template_kwargs "
        "mm_processor_kwargs media_io_kwargs",
    ),
    _Call(
        "turns messages into tokens",
        r"(?:/v1)?/chat_tokenize",
        {"messages": _is_messages},
        only=f"{_CHAT} tool_prompt guideline",
    ),
    _Call(
        "turns tokens into text",
        r"(?:/v1)?/detokenize",
        dict.fromkeys(("tokens", "ids"), _is_tokens),
        only="model tokens ids skip_special_tokens",
    ),
    _Call(
        "counts tokens",
        r"/v1/messages/count_tokens",
        {"messages": _is_messages},
        only="model messages system tools tool_choice thinking mcp_servers context_management "
        "output_config output_format cache_control speed betas",
    ),
    _Call(
        "counts tokens",
        r"/v1(?:beta)?/models/[^/]+:countTokens",
        {
            "contents": _is_messages,
            "generateContentRequest": _is_object,
        },
        only="model contents generateContentRequest instances systemInstruction tools "
        "generationConfig",
    ),
    _Call(
        "counts tokens",
        r"/v1/responses/input_tokens",
        {"input": lambda one: _is_text(one) or _with_any("role", "type")(one)},
        only="model input instructions conversation previous_response_id parallel_tool_calls "
        "reasoning text tool_choice tools truncation personality",
    ),
    _Call(
        "writes a prompt",
        r"/apply-template",
        {"messages": _is_messages},
        only=f"{_CHAT} add_generation_prompt chat_template chat_template_kwargs "
        "reasoning_format parse_tool_calls",
    ),
    _Call(
        "manages models",
        r"/api/(?:pull|push|show|copy)",
        dict.fromkeys(("model", "name", "source"), _is_text),
        only="model name source destination system template verbose insecure stream username "
        "password options",
    ),
    _Call(
        "manages models",
        r"/api/create",
        dict.fromkeys(("model", "name"), _is_text),
        only="model name adapters template license system parameters messages quantize stream path",
        marks={"from": _is_text, "files": _is_object, "modelfile": _is_text},
    ),
    _Call(
        "manages models",
        r"/api/delete",
        dict.fromkeys(("model", "name"), _is_text),
        only="model name",
        method="DELETE",
    ),
    _Call(
        "manages adapters",
        r"(?:/v1)?/(?:un)?load_lora_adapter",
        {"lora_name": _is_text},
    ),
    _Call("manages adapters", r"/lora-adapters", {}, whole=_is_scales),
    _Call(
        "lists what is stored",
        rf"/v1/(?:files|(?:messages/)?batches|containers(?:/{_ID}/files)?"
        rf"|fine_tuning/(?:jobs(?:/{_ID}/(?:events|checkpoints))?|checkpoints/{_ID}/permissions)"
        rf"|vector_stores(?:/{_ID}/(?:files|file_batches/{_ID}/files))?"
        rf"|chat/completions(?:/{_ID}/messages)?|responses/{_ID}/input_items)",
        dict.fromkeys(
            ("limit", "after", "before", "after_id", "before_id", "order", "purpose", "filter"),
            _is_text,
        ),
        only="limit after before after_id before_id order purpose filter include include[] name "
        "model api-version",
        method="GET",
    ),
    _Call("uploads a file", r"/v1/files", {}, parts="purpose"),
    _Call(
        "uploads a file",
        rf"/v1/uploads(?:/{_ID}/(?:parts|complete|cancel))?",
        {"purpose": _is_text, "part_ids": _is_texts},
        parts="data",
    ),
    _Call(
        "manages batches",
        rf"/v1/batches(?:/{_ID}/cancel)?",
        {"input_file_id": _is_text},
    ),
    _Call(
        "manages batches",
        rf"/v1/messages/batches(?:/{_ID}/cancel)?",
        {"requests": _with_any("custom_id")},
    ),
    _Call(
        "manages fine-tuning",
        rf"/v1/fine_tuning/(?:jobs(?:/{_ID}/(?:cancel|pause|resume))?"
        rf"|checkpoints/{_ID}/permissions|alpha/graders/(?:run|validate))",
        {
            "training_file": _is_text,
            "project_ids": _is_texts,
            "grader": _is_object,
        },
    ),
    _Call(
        "manages vector stores",
        rf"/v1/vector_stores(?:/{_ID}(?:/search|/files(?:/{_ID})?|/file_batches(?:/{_ID}/cancel)?)?)?",
        {
            **dict.fromkeys(("name", "file_id"), _is_text),
            **dict.fromkeys(("file_ids", "query"), _is_texts),
            "expires_after": _is_object,
            "files": _with_any("file_id"),
        },
        only="name description file_id file_ids files expires_after chunking_strategy metadata "
        "attributes query filters max_num_results ranking_options rewrite_query",
    ),
    _Call(
        "manages containers",
        rf"/v1/containers(?:/{_ID}/files)?",
        dict.fromkeys(("name", "file_id"), _is_text),
        only="name file_id file_ids expires_after memory_limit network_policy skills",
        parts="file",
    ),
)


@lru_cache(maxsize=1024)
def may_manage(method: str, path: str) -> bool:
    """Return whether a request may be such a call; its body or its query tells."""
    return _call_at(method, path) is not None


def managed(method: str, path: str, body: bytes | None, content_type: str, query: str = "") -> str:
    """Return what a call does that prepares or manages something; empty if it is no such call.

    Args:
        method: HTTP method.
        path: Path below the root path.
        body: Body without its content encoding. None if it is not known: such a request counts as
            a call, because nothing shows that it has rows.
        content_type: Declared content type; may be empty.
        query: Query of the URL; looked at only if the method has no body.
    """
    call = _call_at(method, path)
    if call is None:
        return ""
    if not body:
        return call.does if method not in BODYLESS or call.takes(_fields(query)) else ""
    if media_type(content_type) == _MULTIPART:
        return call.does if {*call.parts.split()} & _names(body, content_type) else ""
    return call.does if call.takes(_value(body, content_type)) else ""


@lru_cache(maxsize=1024)
def _call_at(method: str, path: str) -> _Call | None:
    path = path.rstrip("/")
    return next(
        (call for call in _CALLS if call.method == method and re.fullmatch(call.path, path)), None
    )


def _fields(query: str) -> dict[str, str] | None:
    """Return the fields of *query*; None if they are too many."""
    try:
        return dict(fields(query))
    except ValueError:
        return None


def _value(body: bytes, content_type: str) -> object:
    """Return the value of a JSON document; None if it is none."""
    try:
        return parsed(in_utf8(body, content_type))
    except ValueError:
        return None


def _names(body: bytes, content_type: str) -> frozenset[str]:
    """Return the names of the parts of a form; empty if it cannot be read."""
    try:
        return frozenset(part.name for part in parts(body, content_type))
    except Undecodable:
        return frozenset()
