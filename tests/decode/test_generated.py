"""Answers of language models are one row, whole or streamed, whatever their dialect."""

import json
from typing import Any

import pytest
from support.dialects import (
    ANTHROPIC,
    CHAT,
    COHERE,
    DIALECTS,
    DONE,
    GEMINI,
    NDJSON,
    OLLAMA,
    SSE,
    TEXT,
    Dialect,
    event,
    line,
)

from nilometer.decode import Facts, Protocol, Side, decode_exchange
from nilometer.decode.facts import Frames
from nilometer.values.entity import Role
from nilometer.values.reasons import StreamEnd
from nilometer.values.streams import Ends

JSON = "application/json"
ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def read(
    body: bytes, media: str = SSE, role: Role = Role.OUTPUT, **more: Any
) -> tuple[Facts, dict[str, list[Any]]]:
    side = Side()
    facts = decode_exchange(body, media, "", role, side, **more)
    return facts, {name: list(cells) for name, cells in side.columns(set()).items()}


def row_of(body: bytes, media: str = SSE, **more: Any) -> dict[str, Any]:
    _, columns = read(body, media, **more)
    return {name: cells[0] for name, cells in columns.items() if len(cells) == 1}


def stream(dialect: Dialect, frames: int | None = None) -> bytes:
    return b"".join(dialect.frames[:frames])


def place(dialect: Dialect, at: int) -> int:
    return len(stream(dialect, at + 1))


@ALL
def test_a_stream_is_one_row(dialect: Dialect) -> None:
    facts, columns = read(stream(dialect), dialect.media, path=dialect.path)
    assert {name: cells[0] for name, cells in columns.items()} == {
        **dialect.row,
        "stream_end": "completed",
    }
    assert {len(cells) for cells in columns.values()} == {1}
    assert facts.stream_end is StreamEnd.COMPLETED
    assert facts.output_tokens == dialect.row["output_tokens"]


@ALL
def test_a_whole_answer_has_the_same_columns(dialect: Dialect) -> None:
    facts, columns = read(json.dumps(dialect.whole).encode(), JSON, path=dialect.path)
    assert {name: cells[0] for name, cells in columns.items()} == dialect.row
    assert (facts.stream_end, facts.frames) == (None, None)


@ALL
def test_the_request_is_one_row_without_text(dialect: Dialect) -> None:
    _, columns = read(json.dumps(dialect.request).encode(), JSON, Role.INPUT, path=dialect.path)
    characters = len("count") + len(dialect.request.get("system", ""))
    assert columns["characters"] == [characters]
    assert "count" not in str(columns)
    if "model" in columns:
        assert columns["model"] == ["asked"]


@ALL
def test_the_frames_with_generated_text_have_their_places(dialect: Dialect) -> None:
    facts, _ = read(stream(dialect), dialect.media)
    reasoning = [place(dialect, at) for at in dialect.reasoning]
    assert facts.frames == Frames(
        place(dialect, dialect.content[0]),
        place(dialect, dialect.content[-1]),
        reasoning[0] if reasoning else None,
        reasoning[-1] if reasoning else None,
        dialect.tokens,
    )


@ALL
def test_a_stream_without_its_end_mark_was_cut(dialect: Dialect) -> None:
    whole = stream(dialect)
    last = len(dialect.frames[-1].rstrip())
    for cut in range(len(stream(dialect, dialect.content[0] + 1)), len(whole) - last, 7):
        facts, _ = read(whole[:cut], dialect.media)
        assert (facts.stream_end, facts.error) == (StreamEnd.CUT, "")


@ALL
def test_of_a_long_stream_both_ends_give_the_same_figures(dialect: Dialect) -> None:
    if dialect.media == NDJSON:
        padding = dialect.frames[dialect.content[1]] * 1000
    else:
        padding = b": padding\n\n" * 1000
    body = stream(dialect, dialect.content[1]) + padding
    start = len(body)
    body += b"".join(dialect.frames[dialect.content[1] :])
    side = Side()
    ends = Ends(body[: start - 4000], body[start - 40 :])
    facts = decode_exchange(None, dialect.media, "", Role.OUTPUT, side, ends=ends)
    columns = side.columns(set())
    assert (facts.partial, facts.stream_end) in {
        (True, StreamEnd.COMPLETED),
        (False, StreamEnd.COMPLETED),
    }
    for name in ("model", "finish_reason", "input_tokens", "output_tokens"):
        assert list(columns[name]) == [dialect.row[name]]
    assert facts.frames is not None
    assert facts.frames.first == place(dialect, dialect.content[0])
    behind = b"".join(dialect.frames[dialect.content[-1] + 1 :])
    assert facts.frames.last == -len(behind)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_places_of_lines_are_those_of_their_ends(line_end: bytes) -> None:
    lines = [frame.rstrip() for frame in OLLAMA.frames[:4]]
    body = line_end.join(lines)
    facts, _ = read(body, NDJSON)
    assert facts.frames is not None
    first = len(line_end.join(lines[:2])) + len(line_end)
    assert (facts.frames.first, facts.frames.last) == (first, len(body))
    side = Side()
    ends = Ends(body[: first + 5], body[-len(lines[-1]) - 9 :])
    facts = decode_exchange(None, NDJSON, "", Role.OUTPUT, side, ends=ends)
    assert facts.frames is not None
    assert (facts.frames.first, facts.frames.last) == (first, 0)


ERRORS = {
    "event": (CHAT, b"event: error\ndata: out of memory\n\n", "server_error"),
    "event of JSON": (CHAT, event({"detail": "no"}, "error"), "server_error"),
    "openai": (CHAT, event({"error": {"message": "x", "type": "rate_limit_error"}}), None),
    "code": (CHAT, event({"error": {"message": "x", "code": 503}}), "503"),
    "text": (CHAT, event({"error": "out of memory"}), "server_error"),
    "vllm": (CHAT, event({"object": "error", "message": "x", "code": 400}), "400"),
    "beside choices": (
        CHAT,
        event({"choices": [], "error": {"message": "x", "code": "502"}}),
        "502",
    ),
    "responses": (
        DIALECTS["responses"],
        event({"type": "error", "code": "server_error", "message": "x"}, "error"),
        "server_error",
    ),
    "failed response": (
        DIALECTS["responses"],
        event(
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}},
            }
        ),
        "rate_limit_exceeded",
    ),
    "anthropic": (
        ANTHROPIC,
        event({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, "error"),
        "overloaded_error",
    ),
    "ollama": (OLLAMA, line({"error": "model runner has stopped"}), "server_error"),
    "tgi": (
        DIALECTS["tgi"],
        event({"error": "x", "error_type": "incomplete_generation"}),
        "incomplete_generation",
    ),
    "gemini": (
        GEMINI,
        event({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}),
        "UNAVAILABLE",
    ),
    "cohere": (
        COHERE,
        event({"type": "message-end", "delta": {"finish_reason": "ERROR"}}, "message-end"),
        "server_error",
    ),
    "a type that is not known": (CHAT, event({"error": {"type": "Jane Doe"}}), "server_error"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("is_last", [True, False], ids=["last", "then done"])
def test_an_error_in_a_stream_is_its_end(name: str, *, is_last: bool) -> None:
    dialect, error, kind = ERRORS[name]
    then = b"" if is_last or dialect.media == NDJSON else DONE
    body = stream(dialect, dialect.content[0] + 1) + error + then
    facts, columns = read(body, dialect.media)
    assert (facts.stream_end, facts.error) == (StreamEnd.ERROR, kind or "rate_limit_error")
    assert columns["stream_end"] == ["error"]
    assert columns["characters"] == [4 if name != "failed response" else 0]
    assert "message" not in columns


def test_a_stream_of_nothing_but_an_error_tells_it() -> None:
    for body, media in (
        (event({"error": {"message": "x", "type": "server_error"}}), SSE),
        (line({"error": "x"}), NDJSON),
    ):
        facts, columns = read(body, media)
        assert (facts.stream_end, columns) == (StreamEnd.ERROR, {})


def test_the_error_of_one_row_is_data() -> None:
    facts, columns = read(b'{"p": 1}\n{"error": "bad row"}\n{"p": 3}\n', NDJSON)
    assert (facts.stream_end, columns["error"]) == (None, [None, "bad row", None])
    rows = event({"p": 1}) + event({"error": "bad row"}) + event({"p": 3})
    facts, columns = read(rows)
    assert (facts.stream_end, columns["error"]) == (None, [None, "bad row", None])
    facts, columns = read(b'{"step": 1, "error": 0.5}\n{"step": 2, "error": 0.25}\n', NDJSON)
    assert (facts.stream_end, columns["error"]) == (None, [0.5, 0.25])


def test_the_last_error_of_lines_is_the_end_of_their_stream() -> None:
    facts, columns = read(b'{"p": 1}\n{"error": "boom", "status": 500}\n\n', NDJSON)
    assert (facts.stream_end, facts.error, columns) == (StreamEnd.ERROR, "500", {"p": [1]})
    facts, columns = read(b'{"a": 1}\n{"error": "x"}\n', NDJSON, Role.INPUT)
    assert (facts.stream_end, columns["error"]) == (None, [None, "x"])


def test_tool_calls_are_counted_once_and_are_content() -> None:
    def part(**call: Any) -> bytes:
        delta = {"tool_calls": [call]}
        return event({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]})

    body = (
        part(index=0, id="a", function={"name": "f", "arguments": ""})
        + part(index=0, function={"arguments": "{}"})
        + part(index=1, id="b", function={"name": "g", "arguments": ""})
        + DONE
    )
    facts, columns = read(body)
    assert (columns["tool_calls"], columns["characters"]) == ([2], [0])
    assert facts.frames is not None
    assert facts.frames.first == body.index(b"\n\n") + 2


def test_tokens_are_those_of_one_choice_and_those_that_are_seen() -> None:
    def told(*frames: bytes, **usage: Any) -> float:
        end = event({"object": "chat.completion.chunk", "choices": [], "usage": usage}) + DONE
        facts, _ = read(b"".join(frames) + end)
        assert facts.frames is not None
        return facts.frames.tokens

    def piece(index: int = 0, **more: Any) -> bytes:
        choice = {"index": index, "delta": {"content": "x"}, **more}
        return event({"object": "chat.completion.chunk", "choices": [choice]})

    hidden = {"completion_tokens_details": {"reasoning_tokens": 90}}
    assert told(piece(), piece(), completion_tokens=100) == 100
    assert told(piece(), piece(), completion_tokens=100, **hidden) == 10
    assert told(piece(0), piece(1), completion_tokens=100) == 50
    assert told(piece(), piece()) == 2
    four = {"content": [{"token": "x"}] * 4}
    assert told(piece(logprobs=four), piece(logprobs=four)) == 8


def test_a_special_token_is_counted_and_is_no_content() -> None:
    def token(text: str, *, special: bool = False, details: Any = None) -> bytes:
        told = {"id": 1, "text": text, "special": special}
        return event({"token": told, "generated_text": None, "details": details})

    text = token("one") + token("two")
    facts, columns = read(text + token("</s>", special=True, details={"finish_reason": "eos"}))
    assert facts.frames is not None
    assert (facts.frames.last, facts.frames.tokens) == (len(text), 3)
    assert columns["characters"] == [6]


def test_a_stream_of_gemini_as_one_list_is_one_row() -> None:
    frames = [json.loads(frame[6:]) for frame in GEMINI.frames]
    facts, columns = read(json.dumps(frames).encode(), JSON)
    assert (facts.protocol, facts.stream_end) == (Protocol.GEMINI, StreamEnd.COMPLETED)
    assert columns["characters"] == [len(TEXT)]
    facts, _ = read(json.dumps(frames[:2]).encode(), JSON)
    assert facts.stream_end is StreamEnd.CUT


def test_other_bodies_with_such_keys_are_no_answers() -> None:
    for body in (
        {"candidates": [{"id": 1, "score": 0.5}]},
        {"done": True, "score": 1},
        {"finish_reason": "x", "score": 1},
        {"stop_reason": "x", "score": 1},
        {"generated_text": 5},
    ):
        facts, _ = read(json.dumps(body).encode(), JSON)
        assert facts.protocol is Protocol.JSON
    for asked in ({"message": "hello"}, {"inputs": "I like it"}, {"contents": [1]}):
        facts, _ = read(json.dumps(asked).encode(), JSON, Role.INPUT, path="/predict")
        assert facts.protocol in {Protocol.JSON, Protocol.MLFLOW}


def test_a_list_of_generated_texts_has_a_row_each_and_no_text() -> None:
    texts = [{"generated_text": "secret"}, {"generated_text": "two"}]
    facts, columns = read(json.dumps(texts).encode(), JSON)
    assert (facts.protocol, columns["characters"]) == (Protocol.TGI, [6, 3])
    assert "generated_text" not in columns


def test_tritons_generate_extension_names_model_and_version() -> None:
    frames = [
        {"model_name": "m", "model_version": "2", "text_output": one} for one in ("he", "llo")
    ]
    facts, columns = read(b"".join(map(event, frames)), path="/v2/models/m/generate_stream")
    assert (facts.model, facts.model_version, facts.stream_end) == ("m", "2", StreamEnd.COMPLETED)
    assert facts.frames == Frames(len(event(frames[0])), 2 * len(event(frames[0])) + 1, tokens=2)
    assert columns["characters"] == [5]
    asked = {"text_input": "hi", "parameters": {"max_tokens": 3}, "temperature": 0.5}
    assert row_of(json.dumps(asked).encode(), JSON, role=Role.INPUT) == {
        "prompts": 1,
        "characters": 2,
        "max_tokens": 3,
        "temperature": 0.5,
    }


def test_a_stream_of_llama_cpp_is_one_row() -> None:
    end = {"stop_type": "limit", "tokens_evaluated": 4, "tokens_predicted": 3, "model": "m"}
    frames = [
        {"content": "he", "stop": False, "tokens": [1, 2]},
        {"content": "llo", "stop": False, "tokens": [3]},
        {"content": "", "stop": True, "tokens": [], "timings": {"cache_n": 1}, **end},
    ]
    facts, columns = read(b"".join(map(event, frames)))
    assert (facts.model, facts.stream_end) == ("m", StreamEnd.COMPLETED)
    assert {name: cells[0] for name, cells in columns.items()} == {
        "model": "m",
        "finish_reason": "limit",
        "choices": 1,
        "characters": 5,
        "tool_calls": 0,
        "stream_end": "completed",
        "input_tokens": 4,
        "output_tokens": 3,
        "cached_tokens": 1,
    }


def test_groq_has_the_usage_beside_the_choices() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    last = {"choices": [{"index": 0, "delta": {}}], "x_groq": {"usage": usage}}
    facts, _ = read(event(last) + DONE)
    assert (facts.input_tokens, facts.output_tokens) == (3, 2)


@pytest.mark.parametrize(
    ("delta", "characters"),
    [
        ({"audio": {"id": "a", "transcript": "hello"}}, 5),
        ({"audio": {"data": "UklGRg=="}}, 0),
        ({"images": [{"type": "image_url"}]}, 0),
    ],
)
def test_audio_and_images_are_content(delta: dict[str, Any], characters: int) -> None:
    def chunk(part: dict[str, Any]) -> bytes:
        choices = [{"index": 0, "delta": part}]
        return event({"object": "chat.completion.chunk", "model": "m", "choices": choices})

    frames = [chunk({"role": "assistant"}), chunk({"audio": {"id": "a"}}), chunk(delta), chunk({})]
    facts, columns = read(b"".join(frames), SSE)
    assert facts.frames is not None
    assert facts.frames.first == len(b"".join(frames[:3]))
    assert columns["characters"] == [characters]
