"""A home-made stream of generated text is one row; a stream of records has a row for each event."""

import json
from typing import Any

import pytest
from support.dialects import NDJSON, SSE, event, line

from nilometer.decode import Facts, Protocol, Side, decode_exchange
from nilometer.values.entity import Role
from nilometer.values.reasons import StreamEnd
from nilometer.values.streams import Ends

WORDS = ("he", "llo", " wor", "ld")
TEXT = "".join(WORDS)
SO_FAR = [TEXT[:end] for end in (2, 5, 9, 11)]
ROW = {"choices": 1, "characters": len(TEXT), "tool_calls": 0, "stream_end": "completed"}
END = b"data: [DONE]\n\n"
LANGCHAIN: dict[str, Any] = {
    "additional_kwargs": {},
    "response_metadata": {},
    "type": "AIMessageChunk",
    "name": None,
    "id": "run-1",
    "example": False,
    "tool_calls": [],
    "usage_metadata": None,
}


def read(
    body: bytes, media: str = SSE, role: Role = Role.OUTPUT, **more: Any
) -> tuple[Facts, list[dict[str, Any]]]:
    """The facts of a body and its rows, without absent cells."""
    side = Side()
    facts = decode_exchange(body, media, "", role, side, **more)
    columns = {name: list(cells) for name, cells in side.columns(set()).items()}
    rows = [
        {name: cells[at] for name, cells in columns.items() if cells[at] is not None}
        for at in range(side.rows)
    ]
    return facts, rows


def events(*values: Any, kind: str = "") -> bytes:
    return b"".join(event(value, kind) for value in values)


STREAMS = {
    "a token": events(*({"token": word} for word in WORDS)),
    "a text": events(*({"text": word} for word in WORDS)) + END,
    "a delta and whether it is done": events(*({"delta": word, "done": False} for word in WORDS))
    + events({"delta": "", "done": True}),
    "a type": events(
        {"type": "start", "id": "x"},
        {"type": "status", "content": "searching"},
        *({"type": "token", "content": word} for word in WORDS),
        {"type": "sources", "documents": [{"title": "a", "score": 0.5}]},
        {"type": "end"},
    ),
    "the type of an event": events({"message": "searching"}, kind="status")
    + events(*({"data": word} for word in WORDS), kind="token"),
    "the text so far": events(*({"text": text} for text in SO_FAR)),
    "both": events(
        *({"delta": word, "text": text} for word, text in zip(WORDS, SO_FAR, strict=True))
    ),
    "the whole text at the end": events(*({"token": word} for word in WORDS))
    + events({"generated_text": TEXT, "done": True}),
    "bare texts": events(*WORDS),
    "an object in an object": events(*({"data": {"token": {"text": word}}} for word in WORDS)),
    "an end mark of its own": events(*({"token": word} for word in WORDS)) + b"data: [END]\n\n",
    "flowise": events(*({"event": "token", "data": word} for word in WORDS))
    + events({"event": "end", "data": "[DONE]"}),
    "langserve": events({"run_id": "r"}, kind="metadata")
    + events(*({**LANGCHAIN, "content": word} for word in WORDS), kind="data")
    + b"event: end\n\n",
    "langgraph": events(
        *([{**LANGCHAIN, "content": word}, {"langgraph_step": 1}] for word in WORDS)
    ),
    "vercel": events(
        {"type": "start"},
        {"type": "text-start", "id": "0"},
        *({"type": "text-delta", "id": "0", "delta": word} for word in WORDS),
        {"type": "text-end", "id": "0"},
        {"type": "finish"},
    )
    + END,
}


@pytest.mark.parametrize("name", STREAMS)
def test_fragments_of_one_text_are_one_row(name: str) -> None:
    facts, rows = read(STREAMS[name])
    assert rows == [ROW]
    assert (facts.protocol, facts.stream_end) == (Protocol.FRAGMENTS, StreamEnd.COMPLETED)
    assert facts.frames is not None
    assert facts.frames.tokens == len(WORDS)


def test_the_frames_with_text_have_their_places() -> None:
    frames = [event({"type": "start"}), *(event({"token": word}) for word in WORDS), END]
    facts, _ = read(b"".join(frames))
    assert facts.frames is not None
    first, last = len(b"".join(frames[:2])), len(b"".join(frames[:5]))
    assert (facts.frames.first, facts.frames.last) == (first, last)


def test_reasoning_is_told_apart_and_does_not_belong_to_the_text() -> None:
    thinking = event({"type": "thinking", "content": "a greeting"})
    facts, rows = read(thinking + STREAMS["a token"])
    assert rows == [ROW]
    assert facts.frames is not None
    assert facts.frames.first_reasoning == len(thinking)
    assert facts.frames.first == len(thinking + event({"token": "he"}))


def test_usage_model_and_reason_are_read_as_in_other_dialects() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 9}
    last = {"model": "m", "done": True, "finish_reason": "stop", "usage": usage}
    facts, (row,) = read(STREAMS["a token"] + event(last))
    said = {"model": "m", "finish_reason": "stop", "input_tokens": 3, "output_tokens": 9}
    assert row == {**ROW, **said}
    assert facts.model == "m"
    assert facts.frames is not None
    assert facts.frames.tokens == 9


def test_a_counter_of_frames_is_no_id_of_a_prediction() -> None:
    facts, _ = read(events(*({"id": at, "token": word} for at, word in enumerate(WORDS))))
    assert (facts.protocol, facts.prediction_id) == (Protocol.FRAGMENTS, "")


@pytest.mark.parametrize("after", [b"", event({"done": True})], ids=["", "done"])
def test_an_error_ends_the_stream(after: bytes) -> None:
    facts, rows = read(STREAMS["a token"] + event({"error": "the model is gone"}) + after)
    assert rows == [{**ROW, "stream_end": "error"}]
    assert (facts.stream_end, facts.error) == (StreamEnd.ERROR, "server_error")


RECORDS: dict[str, list[Any]] = {
    "other fields": [{"text": "so good", "sentiment": "pos"}, {"text": "bad", "sentiment": "neg"}],
    "a score": [{"token": "he", "score": 0.5}, {"token": "llo", "score": 0.25}],
    "labels": [{"label": "spam"}, {"label": "ham"}],
    "two texts": [{"answer": "a", "content": "b"}, {"answer": "c", "content": "d"}],
    "records without their label": [
        {"id": 1, "text": "a", "label": "x"},
        {"id": 2, "text": "b", "label": "y"},
        {"id": 3, "text": "c"},
    ],
    "numbers": [1, 5],
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_stay_rows(name: str) -> None:
    facts, rows = read(events(*RECORDS[name]))
    assert facts.protocol is Protocol.SSE
    expected = [one if isinstance(one, dict) else {"value": one} for one in RECORDS[name]]
    assert rows == expected


def test_a_number_in_a_stream_of_plain_text_is_text() -> None:
    words = ("You", "owe", "5", "true", '"', "euros")
    facts, rows = read(b"".join(b"data: %b\n\n" % word.encode() for word in words))
    assert (facts.protocol, rows) == (Protocol.SSE, [{"texts": 6, "characters": 17}])


@pytest.mark.parametrize("frame", [{"token": "%"}, {"response": "%", "done": False}])
def test_lines_that_are_parts_of_a_text_are_one_row(frame: dict[str, Any]) -> None:
    body = b"".join(
        line({key: word if value == "%" else value for key, value in frame.items()})
        for word in WORDS
    )
    facts, rows = read(body, NDJSON)
    assert (facts.protocol, rows) == (Protocol.FRAGMENTS, [ROW])
    facts, rows = read(body + b'{"tok', NDJSON)
    assert (facts.stream_end, rows) == (StreamEnd.CUT, [{**ROW, "stream_end": "cut"}])


def test_lines_with_a_text_are_rows_as_in_a_batch() -> None:
    body = b"".join(line({"generated_text": word}) for word in WORDS)
    assert read(body, NDJSON)[1] == [{"generated_text": word} for word in WORDS]
    asked = b"".join(line({"token": word}) for word in WORDS)
    assert read(asked, NDJSON, Role.INPUT)[1] == [{"token": word} for word in WORDS]


def test_of_a_long_stream_both_ends_are_one_row() -> None:
    body = events(*({"token": word} for word in WORDS * 100))
    side = Side()
    facts = decode_exchange(
        None, SSE, "", Role.OUTPUT, side, ends=Ends(body[:1000], body[len(body) - 1000 :])
    )
    assert side.rows == 1
    assert side.columns(set())["characters"] == [None]
    assert (facts.protocol, facts.partial) == (Protocol.FRAGMENTS, True)


def test_no_frame_has_a_category_of_its_token() -> None:
    for body in STREAMS.values():
        _, rows = read(body)
        assert not any(word.strip() in json.dumps(rows) for word in WORDS)


LINES = b"".join(line({"token": word, "done": False}) for word in WORDS)
CHUNKS = b"".join(
    line({"object": "chat.completion.chunk", "model": "m", "choices": [], "score": at})
    for at in range(4)
)
FAILED = line({"amount": 1}) + line({"error": {"message": "no"}})


@pytest.mark.parametrize(
    ("body", "media", "rows"),
    [
        (LINES, NDJSON, [{"token": word, "done": False} for word in WORDS]),
        (CHUNKS, NDJSON, 4),
        (FAILED, NDJSON, [{"amount": 1}, {"error.message": "no"}]),
        (LINES, "application/json", 4),
        (STREAMS["a token"], SSE, [{"token": word} for word in WORDS]),
        (event({"error": "no"}, "error") + event({"amount": 1}), SSE, 2),
    ],
    ids=["fragments", "chunks", "an error", "without a type", "events", "an event of an error"],
)
def test_a_request_is_never_a_stream_of_an_answer(body: bytes, media: str, rows: Any) -> None:
    facts, found = read(body, media, Role.INPUT)
    assert facts.stream_end is None
    assert not facts.error
    assert facts.output_tokens is None
    assert (len(found) if isinstance(rows, int) else found) == rows


def test_the_last_line_of_a_request_that_is_cut_is_a_lost_line_and_no_end() -> None:
    facts, found = read(line({"amount": 1}) + b'{"amo', NDJSON, Role.INPUT)
    assert (facts.stream_end, facts.partial, found) == (None, True, [{"amount": 1}])
