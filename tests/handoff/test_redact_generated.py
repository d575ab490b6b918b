"""Redaction of streams of language models: no text leaves, and all figures stay the same."""

import struct
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import msgspec
import pytest
from support.dialects import DIALECTS, NDJSON, TEXT, WORDS, Dialect, event, line

from nilometer.bodies.generated import is_frame
from nilometer.decode import Side, decode_exchange
from nilometer.decode.facts import Facts
from nilometer.handoff.redact import Redaction
from nilometer.profiling.observation import Observation
from nilometer.profiling.stream_facts import StreamFacts
from nilometer.values.entity import Role

ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
RULES = [(("ssn",), ()), ((), ("card",)), (("ssn",), ("email",))]


def redacted(one: Observation, fields: Sequence[str], values: Sequence[str]) -> Observation:
    rules = Redaction.of(fields, values)
    assert rules is not None
    (packed,) = rules.redacted_all([msgspec.msgpack.encode(one)])
    return msgspec.msgpack.decode(packed, type=Observation)


def streamed(messages: Sequence[bytes], media: str, ends: int = 0) -> Observation:
    """A stream whose messages come half a second after each other; *ends* bytes of each end."""
    body = b"".join(messages)
    gaps = [0.5] * (len(messages) - 1)
    given: dict[str, Any] = {"response_ends": (body[:ends], body[-ends:])} if ends else {}
    return Observation(
        *(1, 9.0, 200, "ok", "POST", "/p", 2, len(body), "application/json", "", media, ""),
        *(b"{}", None if ends else body),
        first_byte=0.25,
        chunks=len(messages),
        chunk_gaps=struct.pack(f"<{len(gaps)}f", *gaps),
        chunk_sizes=struct.pack(f"<{len(messages)}I", *map(len, messages)),
        labels={},
        **given,
    )


def told(one: Observation) -> tuple[StreamFacts, dict[str, list[Any]]]:
    side = Side()
    facts: Facts = decode_exchange(
        one.response_body,
        one.response_type,
        "",
        Role.OUTPUT,
        side,
        ends=one.response_ends,
    )
    columns = {name: list(cells) for name, cells in side.columns(set()).items()}
    return StreamFacts.of(one, facts), columns


@ALL
@pytest.mark.parametrize(("fields", "values"), RULES)
def test_no_text_leaves_and_the_figures_stay(
    dialect: Dialect, fields: Sequence[str], values: Sequence[str]
) -> None:
    messages = [part for frame in dialect.frames for part in (frame[:9], frame[9:])]
    one = streamed(messages, dialect.media)
    clean = redacted(one, fields, values)
    assert told(clean) == told(one)
    assert told(one)[0].first_token > 0
    assert clean.response_body is not None
    for word in (*WORDS, TEXT, "hm"):
        assert f'"{word}"'.encode() not in clean.response_body


@ALL
def test_the_figures_stay_for_a_stream_over_the_cap(dialect: Dialect) -> None:
    middle = dialect.frames[dialect.content[1]]
    messages = [*dialect.frames[:-3], *[middle] * 40, *dialect.frames[-3:]]
    start = len(b"".join(dialect.frames[:-3]))
    end = len(b"".join(dialect.frames[-3:]))
    one = streamed(messages, dialect.media, ends=max(start, end) + len(middle) + 5)
    before, columns = told(one)
    after, same = told(redacted(one, ("ssn",), ()))
    assert same == columns
    assert after == before


def chunk_of(piece: str) -> bytes:
    choices = [{"index": 0, "delta": {"content": piece}}]
    return event({"object": "chat.completion.chunk", "choices": choices})


def line_of(piece: str) -> bytes:
    return line({"model": "m", "response": piece, "done": False})


def fragment_of(piece: str) -> bytes:
    return event({"type": "token", "content": piece})


def data_of(piece: str) -> bytes:
    return event({"event": "token", "data": piece})


def named_of(piece: str) -> bytes:
    return event({"data": piece}, "token")


def pair_of(piece: str) -> bytes:
    return event([{"content": piece, "type": "AIMessageChunk"}, {"langgraph_step": 1}])


def text_of(piece: str) -> bytes:
    return event(piece)


def token_of(piece: str) -> bytes:
    return line({"token": piece})


MADE: dict[Callable[[str], bytes], str] = {
    chunk_of: "text/event-stream",
    line_of: NDJSON,
    fragment_of: "text/event-stream",
    data_of: "text/event-stream",
    named_of: "text/event-stream",
    pair_of: "text/event-stream",
    text_of: "text/event-stream",
    token_of: NDJSON,
}


@pytest.mark.parametrize("secret", ["ssn: 123-45-6789", "4111 1111 1111 1111", "jo@example.org"])
def test_a_secret_that_is_cut_into_frames_does_not_leave(secret: str) -> None:
    for made, media in MADE.items():
        frames = [made(character) for character in secret]
        one = redacted(streamed(frames, media), ("ssn",), ("card", "email"))
        _, columns = told(one)
        assert columns["characters"] == [len(secret)]
        assert one.response_body is not None
        pieces = [character.encode() for character in secret if character.isdigit()]
        assert not any(b'"' + piece + b'"' in one.response_body for piece in pieces)


def test_arguments_and_tokens_are_masked() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"ssn": "123"}'}}
    told_by = {"content": [{"token": "123", "bytes": [49, 50, 51], "top_logprobs": []}]}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "logprobs": told_by}
    frame = event({"object": "chat.completion.chunk", "choices": [choice]})
    one = redacted(streamed([frame, b"data: [DONE]\n\n"], "text/event-stream"), ("ssn",), ())
    assert one.response_body is not None
    for secret in (b"123", b"ssn", b"49"):
        assert secret not in one.response_body
    assert told(one)[1]["tool_calls"] == [1]


def test_marks_that_do_not_fit_are_left_out() -> None:
    frames = [b'data: {"n": %d}\n\n' % number for number in range(4)]
    one = streamed(frames, "text/event-stream")
    clean = redacted(one, ("ssn",), ())
    sizes = struct.unpack("<4I", clean.chunk_sizes)
    assert clean.response_body is not None
    assert list(accumulate(sizes))[-1] == len(clean.response_body)
    withheld = redacted(streamed([b"\xff", b"ssn=1"], "application/json"), ("ssn",), ())
    assert withheld.chunk_sizes == b""


def test_rows_with_such_keys_are_no_frames() -> None:
    for value in ({"text": "a", "score": 1}, {"done": True}, {"type": "ping"}, {"candidates": [1]}):
        assert not is_frame(value)


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__)
def test_a_number_that_is_cut_into_frames_of_a_request_does_not_leave(
    made: Callable[[str], bytes],
) -> None:
    body = made("123-4") + made("5-6789")
    sent = streamed([b"{}"], "application/json")
    sent = msgspec.structs.replace(sent, request_body=body, request_type=MADE[made])
    one = redacted(sent, (), ("ssn",))
    assert b"123-4" in body
    assert b"123-4" not in (one.request_body or b"")
    assert b"5-6789" not in (one.request_body or b"")


@pytest.mark.parametrize("carrier", ["lines", "events"])
@pytest.mark.parametrize("rule", [("ssn", ""), ("", "ssn")])
def test_rows_of_a_request_that_look_like_frames_keep_their_text(
    carrier: str, rule: tuple[str, str]
) -> None:
    rows = [{"token": word, "done": False} for word in ("cash", "card")]
    if carrier == "lines":
        body, media = b"".join(map(line, rows)), NDJSON
    else:
        body, media = b"".join(map(event, rows)), "text/event-stream"
    sent = streamed([event({"token": "he"}), event({"token": "y"})], "text/event-stream")
    sent = msgspec.structs.replace(sent, request_body=body, request_type=media)
    one = redacted(sent, *((name,) if name else () for name in rule))
    side = Side()
    decode_exchange(one.request_body, one.request_type, "", Role.INPUT, side)
    assert [*side.columns(set())["token"]] == ["cash", "card"]
    assert b"he" not in (one.response_body or b"")


def test_a_field_that_is_cut_into_frames_of_a_request_does_not_leave() -> None:
    body = b"".join(line({"token": part, "done": False}) for part in ('{"ss', 'n": 123}'))
    sent = msgspec.structs.replace(
        streamed([b"{}"], "application/json"), request_body=body, request_type=NDJSON
    )
    one = redacted(sent, ("ssn",), ())
    assert b"123" not in (one.request_body or b"")


def chunk_at(index: int, piece: str) -> bytes:
    choices = [{"index": index, "delta": {"content": piece}}]
    return line({"object": "chat.completion.chunk", "choices": choices})


def indexed(index: int, piece: str) -> bytes:
    return line({"token": piece, "index": index})


def of_conversation(number: int, piece: str) -> bytes:
    """A frame of the data of a conversation, whose last fields differ."""
    return line({"data": {"delta": piece, "session_id": f"c{number}"}, "done": piece.endswith("u")})


def with_metadata(number: int, piece: str) -> bytes:
    return line([{"token": piece, "type": "AIMessageChunk"}, {"langgraph_step": number}])


def named_now_and_then(number: int, piece: str) -> bytes:
    return line({"token": piece, **({"id": "a"} if number else {})})


@pytest.mark.parametrize(
    "made", [chunk_at, indexed, of_conversation, with_metadata, named_now_and_then]
)
@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        (("4111 11", "11 1111 1111"), ((), (r"\d{4} \d{4} \d{4} \d{4}",))),
        (('{"ss', 'n": 12345}'), (("ssn",), ())),
    ],
)
def test_a_secret_that_is_split_in_one_of_two_streams_of_a_request_does_not_leave(
    made: Callable[[int, str], bytes],
    parts: tuple[str, str],
    rule: tuple[Sequence[str], Sequence[str]],
) -> None:
    pieces = ((0, parts[0]), (1, "hello"), (0, parts[1]), (1, " you"))
    body = b"".join(made(number, piece) for number, piece in pieces)
    sent = msgspec.structs.replace(
        streamed([b"{}"], "application/json"), request_body=body, request_type=NDJSON
    )
    one = redacted(sent, *rule)
    for secret in (b"4111", b"1111", b"12345", b"hello"):
        assert secret not in (one.request_body or b"")


def test_rows_of_a_request_whose_labels_do_not_alternate_keep_their_text() -> None:
    rows = [{"token": word, "id": at, "done": at % 2 > 0} for at, word in enumerate(["cash"] * 4)]
    sent = msgspec.structs.replace(
        streamed([b"{}"], "application/json"),
        request_body=b"".join(map(line, rows)),
        request_type=NDJSON,
    )
    assert (redacted(sent, (), ("ssn",)).request_body or b"").count(b"cash") == len(rows)
