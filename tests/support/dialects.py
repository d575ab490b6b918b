"""Streams of eight dialects of language models, frame by frame, and the expected columns.

Each response says "one two three". It consists of a role frame or similar, a keep-alive, reasoning
if the dialect supports it, three frames of text, and the usage.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
WORDS = ("one ", "two ", "three")
TEXT = "".join(WORDS)


class Dialect(NamedTuple):
    """One format of a streamed response.

    Attributes:
        path: Path of the request.
        request: Body of the request.
        media: Content type of the response.
        frames: Frames as bytes, each complete.
        content: Indexes of the frames with content.
        reasoning: Indexes of the frames with reasoning.
        row: Columns of the response, besides those that all dialects have.
        whole: The same response without streaming; None if the dialect has no such form.
        tokens: Tokens from the first frame with generated text to the last.
    """

    path: str
    request: dict[str, Any]
    media: str
    frames: Sequence[bytes]
    content: Sequence[int]
    reasoning: Sequence[int]
    row: dict[str, Any]
    whole: Any
    tokens: int


def event(value: Any, kind: str = "") -> bytes:
    head = f"event: {kind}\n" if kind else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


DONE = b"data: [DONE]\n\n"
PING = b": keep-alive\n\n"
ASKED = {"model": "asked", "messages": [{"role": "user", "content": "count"}], "stream": True}
ROW = {"model": "m-1", "choices": 1, "characters": len(TEXT), "tool_calls": 0}


def _chunk(delta: dict[str, Any] | None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
    given = {"id": "c-1", "object": "chat.completion.chunk", "model": "m-1", "choices": choices}
    return event({**given, **more})


_CHAT_USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
_FINISHED = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
CHAT = Dialect(
    "/v1/chat/completions",
    ASKED,
    SSE,
    (
        _chunk({"role": "assistant", "content": ""}),
        PING,
        _chunk({"reasoning_content": "hm"}),
        *(_chunk({"content": word}) for word in WORDS),
        _chunk(None, choices=_FINISHED),
        _chunk(None, usage=_CHAT_USAGE),
        DONE,
    ),
    (3, 4, 5),
    (2,),
    {
        **ROW,
        "finish_reason": "stop",
        "input_tokens": 7,
        "output_tokens": 12,
        "cached_tokens": 4,
        "reasoning_tokens": 2,
    },
    {
        "id": "c-1",
        "object": "chat.completion",
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": TEXT, "reasoning_content": "hm"},
            }
        ],
        "usage": _CHAT_USAGE,
    },
    12,
)
COMPLETIONS = Dialect(
    "/v1/completions",
    {"model": "asked", "prompt": "count", "stream": True},
    SSE,
    (
        PING,
        *(
            event(
                {
                    "id": "c-1",
                    "object": "text_completion",
                    "model": "m-1",
                    "choices": [
                        {"index": 0, "text": word, "finish_reason": "length" if at == 2 else None}
                    ],
                }
            )
            for at, word in enumerate(WORDS)
        ),
        event(
            {
                "id": "c-1",
                "object": "text_completion",
                "model": "m-1",
                "choices": [],
                "usage": {"prompt_tokens": 7, "completion_tokens": 9},
            }
        ),
        DONE,
    ),
    (1, 2, 3),
    (),
    {**ROW, "finish_reason": "length", "input_tokens": 7, "output_tokens": 9},
    {
        "id": "c-1",
        "object": "text_completion",
        "model": "m-1",
        "choices": [{"index": 0, "text": TEXT, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 9},
    },
    9,
)
_RESPONSE = {
    "id": "r-1",
    "object": "response",
    "status": "completed",
    "model": "m-1",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": TEXT}]},
    ],
    "usage": {
        "input_tokens": 7,
        "output_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 5},
    },
}


def _told(kind: str, **more: Any) -> bytes:
    return event({"type": kind, **more}, kind)


RESPONSES = Dialect(
    "/v1/responses",
    {"model": "asked", "input": "count", "stream": True},
    SSE,
    (
        _told("response.created", response={**_RESPONSE, "output": [], "usage": None}),
        _told("response.output_item.added", output_index=0, item={"type": "reasoning"}),
        _told("response.reasoning_summary_text.delta", delta="hm"),
        _told("response.output_item.added", output_index=1, item={"type": "message"}),
        *(_told("response.output_text.delta", delta=word) for word in WORDS),
        _told("response.output_text.done", text=TEXT),
        _told("response.completed", response=_RESPONSE),
    ),
    (4, 5, 6),
    (2,),
    {
        **ROW,
        "finish_reason": "completed",
        "input_tokens": 7,
        "output_tokens": 11,
        "cached_tokens": 0,
        "reasoning_tokens": 5,
    },
    _RESPONSE,
    11,
)


def _block(delta: dict[str, Any], index: int) -> bytes:
    return _told("content_block_delta", index=index, delta=delta)


_MESSAGE = {"id": "msg-1", "type": "message", "role": "assistant", "model": "m-1"}
_ASKED_USAGE = {"input_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1}
ANTHROPIC = Dialect(
    "/v1/messages",
    {**ASKED, "max_tokens": 50, "system": "be brief"},
    SSE,
    (
        _told(
            "message_start",
            message={**_MESSAGE, "content": [], "usage": {**_ASKED_USAGE, "output_tokens": 1}},
        ),
        _told("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
        _told("ping"),
        _block({"type": "thinking_delta", "thinking": "hm"}, 0),
        _told("content_block_stop", index=0),
        _told("content_block_start", index=1, content_block={"type": "text", "text": ""}),
        *(_block({"type": "text_delta", "text": word}, 1) for word in WORDS),
        _told("content_block_stop", index=1),
        _told("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 13}),
        _told("message_stop"),
    ),
    (6, 7, 8),
    (3,),
    {
        **ROW,
        "finish_reason": "end_turn",
        "input_tokens": 7,
        "output_tokens": 13,
        "cached_tokens": 4,
    },
    {
        **_MESSAGE,
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "usage": {**_ASKED_USAGE, "output_tokens": 13},
    },
    13,
)
_OLLAMA_END = {"done_reason": "stop", "prompt_eval_count": 7, "eval_count": 10}
OLLAMA = Dialect(
    "/api/chat",
    ASKED,
    NDJSON,
    (
        line({"model": "m-1", "message": {"content": "", "thinking": "hm"}, "done": False}),
        *(line({"model": "m-1", "message": {"content": word}, "done": False}) for word in WORDS),
        line({"model": "m-1", "message": {"content": ""}, "done": True, **_OLLAMA_END}),
    ),
    (1, 2, 3),
    (0,),
    {**ROW, "finish_reason": "stop", "input_tokens": 7, "output_tokens": 10},
    {"model": "m-1", "message": {"content": TEXT}, "done": True, **_OLLAMA_END},
    10,
)
_DETAILS = {"finish_reason": "eos_token", "generated_tokens": 3, "input_length": 7}
TGI = Dialect(
    "/generate_stream",
    {"inputs": "count", "parameters": {"max_new_tokens": 3}},
    SSE,
    (
        PING,
        *(
            event(
                {
                    "index": at + 1,
                    "token": {"id": at, "text": word, "logprob": -0.1, "special": False},
                    "generated_text": TEXT if at == 2 else None,
                    "details": _DETAILS if at == 2 else None,
                }
            )
            for at, word in enumerate(WORDS)
        ),
    ),
    (1, 2, 3),
    (),
    {
        **ROW,
        "model": None,
        "finish_reason": "eos_token",
        "input_tokens": 7,
        "output_tokens": 3,
    },
    {"generated_text": TEXT, "details": _DETAILS},
    3,
)


def _candidate(parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, **more}],
        "modelVersion": "m-1",
        "responseId": "g-1",
    }


_GEMINI_USAGE = {
    "promptTokenCount": 7,
    "candidatesTokenCount": 6,
    "thoughtsTokenCount": 2,
    "cachedContentTokenCount": 3,
}
GEMINI = Dialect(
    "/v1beta/models/asked:streamGenerateContent",
    {"contents": [{"role": "user", "parts": [{"text": "count"}]}]},
    SSE,
    (
        event(_candidate([{"text": "hm", "thought": True}])),
        *(event(_candidate([{"text": word}])) for word in WORDS),
        event({**_candidate([], finishReason="STOP"), "usageMetadata": _GEMINI_USAGE}),
    ),
    (1, 2, 3),
    (0,),
    {
        **ROW,
        "finish_reason": "STOP",
        "input_tokens": 7,
        "output_tokens": 8,
        "cached_tokens": 3,
        "reasoning_tokens": 2,
    },
    {**_candidate([{"text": TEXT}], finishReason="STOP"), "usageMetadata": _GEMINI_USAGE},
    8,
)
# Without `alt=sse`, Gemini streams one list of JSON.
GEMINI_LIST = GEMINI._replace(
    media="application/json; charset=UTF-8",
    frames=[
        (b"[" if at == 0 else b",\r\n") + one.strip().removeprefix(b"data: ")
        for at, one in enumerate(GEMINI.frames)
    ]
    + [b"\n]"],
)
_COHERE_USAGE = {"tokens": {"input_tokens": 7, "output_tokens": 6}}


def _cohere(kind: str, **content: Any) -> bytes:
    return _told(kind, index=0, delta={"message": {"content": content}})


COHERE = Dialect(
    "/v2/chat",
    ASKED,
    SSE,
    (
        _told("message-start", id="co-1", delta={"message": {"role": "assistant"}}),
        _cohere("content-start", type="text", text=""),
        *(_cohere("content-delta", text=word) for word in WORDS),
        _told("content-end", index=0),
        _told("message-end", delta={"finish_reason": "COMPLETE", "usage": _COHERE_USAGE}),
    ),
    (2, 3, 4),
    (),
    {
        **ROW,
        "model": None,
        "finish_reason": "COMPLETE",
        "input_tokens": 7,
        "output_tokens": 6,
    },
    {
        "id": "co-1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": TEXT}]},
        "usage": _COHERE_USAGE,
    },
    6,
)

DIALECTS = {
    "chat": CHAT,
    "completions": COMPLETIONS,
    "responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "ollama": OLLAMA,
    "tgi": TGI,
    "gemini": GEMINI,
    "cohere": COHERE,
}
