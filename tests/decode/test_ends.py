"""Token counts stay right for streams of which only the beginning and the end are captured."""

import gzip
import json
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from nilometer.decode import Facts, Protocol, Side, custom, decode_exchange
from nilometer.decode.encodings import MAX_DECODED_BYTES, MAX_STREAM_BYTES, decoded_ends
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd
from nilometer.values.streams import Ends, Keeper

CAP = 4096
SSE, NDJSON = "text/event-stream", "application/x-ndjson"
LINE_ENDS = pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
USAGE = {"prompt_tokens": 11, "completion_tokens": 999}
FIRST = {"id": "c-1", "object": "chat.completion.chunk", "model": "m"}


def read(
    ends: tuple[bytes, bytes], content_type: str = SSE, encoding: str = "", **more: Any
) -> tuple[Facts, dict[str, list[Any]]]:
    side = Side()
    facts = decode_exchange(None, content_type, encoding, Role.OUTPUT, side, ends=ends, **more)
    return facts, {name: list(cells) for name, cells in side.columns(set()).items()}


def refused(ends: tuple[bytes, bytes], content_type: str = SSE, encoding: str = "") -> str:
    side = Side()
    with pytest.raises(Undecodable) as error:
        decode_exchange(None, content_type, encoding, Role.OUTPUT, side, ends=ends)
    assert not side.rows
    return error.value.reason


def kept(stream: bytes, cap: int = CAP) -> Ends:
    keeper = Keeper(cap)
    keeper.add(stream)
    return keeper.ends()


def event(value: Any, line_end: str = "\n", *, pretty: bool = False) -> str:
    """One event; *pretty* gives its JSON several lines of data."""
    text = json.dumps(value, indent=1 if pretty else None)
    return "".join(f"data: {line}{line_end}" for line in text.split("\n")) + line_end


def chat(
    length: int, line_end: str = "\n", *, usage: bool = True, pretty: bool = False
) -> Sequence[str]:
    """Events of a chat whose answer has *length* pieces."""
    choices: list[Any] = [{"delta": {"role": "assistant", "content": ""}}]
    choices += [{"delta": {"content": f"piece {number}"}} for number in range(length)]
    choices += [{"delta": {}, "finish_reason": "length"}]
    events = [
        event({**FIRST, "choices": [{"index": 0, **one}]}, line_end, pretty=pretty)
        for one in choices
    ]
    if usage:
        events.append(event({**FIRST, "choices": [], "usage": USAGE}, line_end, pretty=pretty))
    return [*events, f"data: [DONE]{line_end}{line_end}"]


@LINE_ENDS
@pytest.mark.parametrize("pretty", [False, True], ids=["one line", "several lines"])
def test_usage_and_finish_reason_of_a_stream_of_ten_caps_are_right(
    line_end: str, *, pretty: bool
) -> None:
    stream = "".join(chat(10 * CAP // 100, line_end, pretty=pretty)).encode()
    assert len(stream) > 10 * CAP
    facts, columns = read(kept(stream))
    assert (facts.protocol, facts.model, facts.prediction_id) == (Protocol.OPENAI, "m", "c-1")
    assert (facts.input_tokens, facts.output_tokens) == (11, 999)
    assert facts.stream_end is StreamEnd.COMPLETED
    assert facts.partial
    assert columns == {
        "model": ["m"],
        "finish_reason": ["length"],
        "choices": [1],
        "characters": [None],
        "tool_calls": [None],
        "stream_end": ["completed"],
        "input_tokens": [11],
        "output_tokens": [999],
    }


@LINE_ENDS
@pytest.mark.parametrize("pretty", [False, True], ids=["one line", "several lines"])
def test_the_gap_may_end_at_every_byte(line_end: str, *, pretty: bool) -> None:
    """As long as it leaves the events that tell, nothing of the others matters."""
    *begun, finish, usage, done = chat(6, line_end, pretty=pretty)
    start, told = "".join(begun[:3]).encode(), (finish + usage + done).encode()
    lost = "".join(begun[3:]).encode()
    for at in range(len(lost) + 1):
        facts, columns = read((start, lost[at:] + told))
        assert (facts.input_tokens, facts.output_tokens) == (11, 999), at
        assert columns["finish_reason"] == ["length"], at
        assert facts.stream_end is StreamEnd.COMPLETED, at


@LINE_ENDS
def test_the_gap_may_begin_at_every_byte(line_end: str) -> None:
    begun = "".join(chat(6, line_end)[:6]).encode()
    first = len(chat(6, line_end)[0])
    *_, finish, usage, done = chat(6, line_end)
    told = (line_end + line_end + finish + usage + done).encode()
    for at in range(first, len(begun) + 1):
        facts, columns = read((begun[:at], told))
        assert (facts.model, facts.prediction_id, facts.output_tokens) == ("m", "c-1", 999), at
        assert columns["finish_reason"] == ["length"], at


@LINE_ENDS
@pytest.mark.parametrize("pretty", [False, True], ids=["one line", "several lines"])
def test_usage_is_found_where_the_gap_cuts_into_its_event(line_end: str, *, pretty: bool) -> None:
    start = "".join(chat(2, line_end)[:2]).encode()
    value = {**FIRST, "choices": [], "usage": USAGE}
    usage = event(value, line_end, pretty=pretty).encode()
    before = usage.index(b'"usage"')
    for at in range(before + 1):
        facts, _ = read((start, usage[at:] + b"data: [DONE]" + line_end.encode()))
        assert (facts.input_tokens, facts.output_tokens) == (11, 999), at
    for at in range(before + 1, len(usage) + 1):  # the key itself is lost
        facts, columns = read((start, usage[at:]))
        assert (facts.input_tokens, facts.output_tokens) == (None, None), at
        assert "output_tokens" not in columns
        assert facts.partial


@pytest.mark.parametrize("ended", ["\n\n", "\n", ""])
def test_usage_in_a_last_event_without_an_empty_line_counts(ended: str) -> None:
    *events, _ = chat(400)
    facts, _ = read(kept(("".join(events).rstrip("\n") + ended).encode()))
    assert facts.output_tokens == 999


def test_what_an_answer_says_about_usage_is_no_usage() -> None:
    said = {"delta": {"content": '{"usage": {"prompt_tokens": 5, "completion_tokens": 5}}'}}
    start = "".join(chat(2)[:2]).encode()
    lying = event({**FIRST, "choices": [{"index": 0, **said}]}).encode()
    for at in range(len(lying)):
        facts, _ = read((start, lying[at:] + b"data: [DONE]\n\n"))
        assert facts.output_tokens is None, at


def test_without_usage_what_is_known_is_counted_and_partial() -> None:
    facts, columns = read(kept("".join(chat(500, usage=False)).encode()))
    assert (facts.partial, facts.output_tokens) == (True, None)
    assert columns == {
        "model": ["m"],
        "finish_reason": ["length"],
        "choices": [1],
        "characters": [None],
        "tool_calls": [None],
        "stream_end": ["completed"],
    }


def response_stream(pieces: int) -> tuple[bytes, bytes]:
    """A streamed response: its events, and the last one, which has all of the text again."""
    whole = {
        "id": "r-1",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [
            {"type": "message", "content": [{"type": "output_text", "text": "piece" * pieces}]},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 77},
    }
    created = {"type": "response.created", "response": {**whole, "output": [], "usage": None}}
    begun = [created] + [{"type": "response.output_text.delta", "delta": "piece"}] * pieces
    text = "".join(f"event: {one['type']}\n{event(one)}" for one in begun)
    last = {"type": "response.completed", "response": whole}
    return text.encode(), f"event: response.completed\n{event(last)}".encode()


def test_a_last_event_that_tells_all_leaves_nothing_partial() -> None:
    begun, last = response_stream(100)
    facts, columns = read((begun[:900], begun[-500:] + last))
    assert (facts.partial, facts.stream_end) == (False, StreamEnd.COMPLETED)
    assert (columns["characters"], columns["output_tokens"]) == ([500], [77])


def test_usage_stands_behind_the_text_of_a_last_event_that_is_longer_than_what_is_kept() -> None:
    begun, last = response_stream(10 * CAP // 5)
    facts, columns = read(kept(begun + last))
    assert len(last) > CAP
    assert (facts.partial, facts.input_tokens, facts.output_tokens) == (True, 3, 77)
    assert (columns["model"], columns["characters"]) == (["m"], [None])


def test_of_other_events_those_at_both_ends_are_rows() -> None:
    stream = "".join(event({"n": number}) for number in range(1000)).encode()
    facts, columns = read(kept(stream))
    assert (facts.protocol, facts.partial) == (Protocol.SSE, True)
    numbers = columns["n"]
    assert numbers[0] == 0
    assert numbers[-1] == 999
    assert len(numbers) == len(set(numbers)) < 1000
    gaps = [
        number for number, last in zip(numbers[1:], numbers, strict=False) if number != last + 1
    ]
    assert len(gaps) == 1


def test_a_cut_event_of_several_lines_gives_no_row_of_its_own() -> None:
    start, lines = event({"n": 1}).encode(), b"data: some text\ndata: 42\n\n"
    for at in range(len(lines)):
        _, columns = read((start, lines[at:] + event({"n": 2}).encode()))
        assert columns == {"n": [1, 2]}, at


def test_events_of_text_cannot_be_counted_at_both_ends() -> None:
    stream = b"data: some text\n\n" * 1000
    assert refused(kept(stream)) == "too_large"


def test_an_error_at_the_end_of_a_stream_is_its_end() -> None:
    stream = "".join(chat(500)[:-1]) + event({"error": {"message": "out of memory"}})
    facts, _ = read(kept(stream.encode()))
    assert facts.stream_end is StreamEnd.ERROR


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_lines_at_both_ends_are_rows_wherever_the_gap_cuts(line_end: bytes) -> None:
    lines = [json.dumps({"n": number}).encode() for number in range(9)]
    text = line_end.join(lines) + line_end
    start, end = text[: len(text) // 3], text[len(text) // 3 :]
    for cut in range(len(end) + 1):
        facts, columns = read((start, end[cut:]), NDJSON)
        assert (facts.protocol, facts.partial) == (Protocol.NDJSON, True)
        numbers = columns["n"]
        assert numbers[:2] == [0, 1]
        assert numbers == sorted(set(numbers))
        if cut < len(end) - len(lines[-1]) - len(line_end):
            assert numbers[-1] == 8


def test_a_last_line_without_an_end_counts() -> None:
    stream = b"".join(b'{"n": %d}\n' % number for number in range(1000)) + b'{"eval_count": 7}'
    _, columns = read(kept(stream), NDJSON)
    assert columns["eval_count"][-1] == 7


def test_a_last_line_that_broke_off_says_so() -> None:
    stream = b"".join(b'{"n": %d}\n' % number for number in range(1000)) + b'{"eval_co'
    facts, columns = read(kept(stream), NDJSON)
    assert (facts.stream_end, columns["n"][-1]) == (StreamEnd.CUT, 999)


def test_of_one_line_nothing_can_be_known() -> None:
    assert refused((b'{"a": 1', b"2}"), NDJSON) == "malformed"


@pytest.mark.parametrize(
    ("start", "content_type", "reason"),
    [
        (b"[1, 2, 3", SSE, "too_large"),  # declared, and none
        (b"some text", "text/plain", "too_large"),
        (b"\x00\x01", "image/png", "too_large"),
        (b'{"a": 1', "application/json", "too_large"),
    ],
)
def test_of_other_bodies_ends_tell_nothing(start: bytes, content_type: str, reason: str) -> None:
    assert refused((start, b"whatever\n\n"), content_type) == reason


def test_a_decoder_of_the_users_own_gets_no_part_of_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "registered", [])
    custom.decoder(SSE)(lambda body, media: {"size": len(body)})
    assert refused(kept("".join(chat(500)).encode())) == "too_large"


# Content encodings


def test_of_a_compressed_stream_over_the_cap_the_start_is_read() -> None:
    stream = gzip.compress("".join(chat(2000)).encode())
    assert len(stream) > CAP
    facts, columns = read(kept(stream), encoding="gzip")
    assert (facts.model, facts.prediction_id, facts.partial) == ("m", "c-1", True)
    assert (facts.stream_end, facts.output_tokens) == (None, None)
    assert columns["characters"] == [None]


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_compressed_stream_that_grows_over_the_limit_is_read_at_both_ends(
    encoding: str, compress: Any
) -> None:
    stream = "".join(chat(20_000)).encode()
    packed = compress(stream)
    assert len(packed) < MAX_DECODED_BYTES < len(stream) < MAX_STREAM_BYTES
    side = Side()
    facts = decode_exchange(packed, SSE, encoding, Role.OUTPUT, side)
    assert (facts.input_tokens, facts.output_tokens) == (11, 999)
    assert (facts.stream_end, facts.partial) == (StreamEnd.COMPLETED, True)


def test_what_was_read_last_of_a_stream_that_grows_without_end_is_not_its_end() -> None:
    packed = gzip.compress(bytes(2 * MAX_STREAM_BYTES))
    assert decoded_ends(packed, "gzip", 1000) == (bytes(500), b"")
    assert decoded_ends(packed[: len(packed) // 2], "gzip", 1000) == (bytes(500), b"")
    assert decoded_ends(gzip.compress(bytes(9000)), "gzip", 1000) == (bytes(500), bytes(500))
    cut = gzip.compress(bytes(9000) + b"end")
    assert decoded_ends(cut, "gzip", 1000, cut_off=True) == (bytes(500), b"")
    assert decoded_ends(gzip.compress(b"short"), "gzip", 1000, cut_off=True) == (b"short", b"")


def test_a_stream_that_grows_without_end_is_read_at_its_start() -> None:
    first, piece, *_ = (one.encode() for one in chat(3))
    stream = first + piece * (MAX_STREAM_BYTES // len(piece) * 2)
    side = Side()
    facts = decode_exchange(gzip.compress(stream), SSE, "gzip", Role.OUTPUT, side)
    assert (facts.model, facts.partial, facts.stream_end) == ("m", True, None)


@pytest.mark.parametrize("encoding", ["gzip, gzip", "unheard-of"])
def test_a_stream_of_another_encoding_is_not_read(encoding: str) -> None:
    assert refused((b"\x1f\x8b", b""), encoding=encoding) == "encoded"


def test_a_compressed_body_that_is_no_stream_is_too_large_as_ever() -> None:
    body = json.dumps([1] * MAX_DECODED_BYTES).encode()
    with pytest.raises(Undecodable) as error:
        decode_exchange(gzip.compress(body), "application/json", "gzip", Role.OUTPUT, Side())
    assert error.value.reason == "too_large"
