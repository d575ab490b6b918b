"""The server of `benchmarks.tokens`: eight dialects that stream a response at a fixed pace.

Each dialect has its own path and entity. A response begins with frames without content: a role
frame, a keep-alive, and reasoning if the dialect supports it. They are followed by `FRAMES` frames
with `EACH` tokens each, and the usage.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

FRAMES = 20
EACH = 3  # tokens of a frame with content
TOKENS = FRAMES * EACH
THOUGHT = 5  # tokens of reasoning, in one frame
BEFORE_SECONDS = 0.1  # before frames without content and the first one with it
GAP_SECONDS = 0.03  # between frames with content
CONTENT = "tok tok tok "
SSE, NDJSON = "text/event-stream", "application/x-ndjson"


class Dialect(NamedTuple):
    """A dialect: its path, its content type, and its frames."""

    path: str
    media: str
    before: tuple[bytes, ...]
    content: Callable[[str], bytes]
    after: tuple[bytes, ...]


def event(value: object, kind: str = "") -> bytes:
    head = f"event: {kind}\n" if kind else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def typed(kind: str, **more: object) -> bytes:
    return event({"type": kind, **more}, kind)


def line(**value: object) -> bytes:
    return json.dumps({"model": "m", **value}).encode() + b"\n"


def chat(delta: Mapping[str, object] | None, **more: object) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta}]
    return event({"object": "chat.completion.chunk", "model": "m", "choices": choices, **more})


def completion(text: str, **more: object) -> bytes:
    choices = [{"index": 0, "text": text}]
    return event({"object": "text_completion", "model": "m", "choices": choices, **more})


def candidate(text: str, *, thought: bool = False, **more: object) -> bytes:
    parts = [{"text": text, "thought": thought}]
    return event({"candidates": [{"content": {"parts": parts}, **more}], "modelVersion": "m"})


def token(text: str, details: object = None) -> bytes:
    return event({"token": {"id": 1, "text": text, "special": False}, "details": details})


PING = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": TOKENS}
ANSWER = {"id": "r", "object": "response", "model": "m", "output": []}
DIALECTS = {
    "chat": Dialect(
        "/chat/v1/chat/completions",
        SSE,
        (chat({"role": "assistant", "content": ""}), PING, chat({"reasoning_content": "hm"})),
        lambda text: chat({"content": text}),
        (chat(None, usage={**USAGE, "completion_tokens": TOKENS + THOUGHT}), DONE),
    ),
    "completions": Dialect(
        "/completions/v1/completions",
        SSE,
        (PING,),
        completion,
        (completion("", usage=USAGE), DONE),
    ),
    "responses": Dialect(
        "/responses/v1/responses",
        SSE,
        (typed("response.created", response=ANSWER), PING),
        lambda text: typed("response.output_text.delta", delta=text),
        (
            typed(
                "response.completed",
                response={
                    **ANSWER,
                    "status": "completed",
                    "usage": {"input_tokens": 7, "output_tokens": TOKENS},
                },
            ),
        ),
    ),
    "anthropic": Dialect(
        "/anthropic/v1/messages",
        SSE,
        (
            typed("message_start", message={"id": "m", "model": "m", "content": []}),
            typed("ping"),
            typed("content_block_delta", delta={"thinking": "hm"}),
        ),
        lambda text: typed("content_block_delta", delta={"text": text}),
        (
            typed(
                "message_delta",
                delta={"stop_reason": "end_turn"},
                usage={"output_tokens": TOKENS + THOUGHT},
            ),
            typed("message_stop"),
        ),
    ),
    "ollama": Dialect(
        "/ollama/api/chat",
        NDJSON,
        (line(message={"content": "", "thinking": "hm"}, done=False),),
        lambda text: line(message={"content": text}, done=False),
        (line(message={"content": ""}, done=True, eval_count=TOKENS + THOUGHT),),
    ),
    "tgi": Dialect(
        "/tgi/generate_stream",
        SSE,
        (PING,),
        token,
        (token("", {"finish_reason": "length", "generated_tokens": TOKENS}),),
    ),
    "gemini": Dialect(
        "/gemini/v1beta/models/m:streamGenerateContent",
        SSE,
        (candidate("hm", thought=True),),
        candidate,
        (
            event(
                {
                    "candidates": [{"finishReason": "STOP"}],
                    "usageMetadata": {
                        "candidatesTokenCount": TOKENS,
                        "thoughtsTokenCount": THOUGHT,
                    },
                    "modelVersion": "m",
                }
            ),
        ),
    ),
    "cohere": Dialect(
        "/cohere/v2/chat",
        SSE,
        (typed("message-start", id="c"), PING),
        lambda text: typed("content-delta", delta={"message": {"content": {"text": text}}}),
        (
            typed(
                "message-end",
                delta={
                    "finish_reason": "COMPLETE",
                    "usage": {"tokens": {"output_tokens": TOKENS}},
                },
            ),
        ),
    ),
}
WITH_REASONING = frozenset({"chat", "anthropic", "ollama", "gemini"})


async def frames(dialect: Dialect) -> AsyncIterator[bytes]:
    for frame in dialect.before:
        await asyncio.sleep(BEFORE_SECONDS)
        yield frame
    await asyncio.sleep(BEFORE_SECONDS)
    for _ in range(FRAMES):
        yield dialect.content(CONTENT)
        await asyncio.sleep(GAP_SECONDS)
    for frame in dialect.after:
        yield frame


def application_of(dialect: Dialect) -> Any:
    async def serve(_: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", dialect.media.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for frame in frames(dialect):
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body"})

    return serve


def application() -> Any:
    """Return the application, which has one observed application for each dialect."""
    from nilometer import NilometerMiddleware

    agent = os.environ["BENCHMARK_AGENT"]
    observed = {
        name: NilometerMiddleware(application_of(dialect), entity=name, agent=agent)
        for name, dialect in DIALECTS.items()
    }

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await next(iter(observed.values()))(scope, receive, send)
        else:
            await observed[scope["path"].split("/")[1]](scope, receive, send)

    return serve
