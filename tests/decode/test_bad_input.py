"""Whatever the bytes, a body is columns or `Undecodable`, in bounded memory and time."""

import gzip
import json
import tracemalloc
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.measures import effort

from nilometer.commands.traffic_files import read
from nilometer.decode import Side, decode_exchange, free_json
from nilometer.profile.recorder import FeatureRecorder
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

CAP = 256 << 10  # of a captured body
RECORDED = Path(__file__).parent / "recorded"
REASONS = {reason.value for reason in UndecodableReason} - {"failed_request", "decoder_failed"}
TYPES = [
    "",
    "application/json",
    "application/problem+json; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=xx",
    "multipart/form-data",
    "application/x-ndjson",
    "text/event-stream",
    "text/csv",
    "text/plain",
    "application/grpc",
    "application/grpc+frames",
    "application/octet-stream",
    "image/png",
    "\udcff;;",
]
PATHS = [
    "",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/invocations",
    "/inference.GRPCInferenceService/ModelStreamInfer",
]
SEEDS = [
    (message.content_type, message.body)
    for exchange in read(RECORDED / "manifest.json")
    for message in (exchange.request, exchange.response)
    if message.body and len(message.body) < 2000
]


def check(body: bytes, content_type: str, encoding: str, role: Role, **more: str) -> Side:
    """Decode and profile; the side that came of it."""
    side = Side()
    try:
        decode_exchange(body, content_type, encoding, role, side, **more)  # type: ignore[arg-type]
    except Undecodable as error:
        assert error.reason in REASONS
        assert side.rows == 0
        assert not side.columns(set())
        return side
    columns = side.columns({"expected"})
    for name, cells in columns.items():
        assert isinstance(name, str)
        assert len(cells) == side.rows
        recorder = FeatureRecorder()
        recorder.observe(cells)
        assert recorder.profile().cells == side.rows
    return side


@given(
    st.binary(max_size=400),
    st.sampled_from(TYPES),
    st.sampled_from(["", "gzip", "deflate", "br", "zstd", "gzip, br", "x"]),
    st.sampled_from([Role.INPUT, Role.OUTPUT]),
    st.sampled_from(PATHS),
    st.sampled_from(["", "10", "99999999999", "-1", "²"]),
)
def test_no_bytes_raise_anything_but_undecodable(
    body: bytes, content_type: str, encoding: str, role: Role, path: str, length: str
) -> None:
    check(body, content_type, encoding, role, path=path, header_length=length)


@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 1999), st.binary(max_size=4)), max_size=4),
    st.integers(0, 2000),
    st.sampled_from([Role.INPUT, Role.OUTPUT]),
    st.sampled_from(PATHS),
    st.sampled_from(TYPES) | st.none(),
)
def test_real_bodies_cut_and_changed_raise_nothing_else(
    seed: tuple[str, bytes],
    changes: list[tuple[int, bytes]],
    end: int,
    role: Role,
    path: str,
    other: str | None,
) -> None:
    content_type, body = seed
    changed = bytearray(body)
    for at, octets in changes:
        place = at % len(changed)
        changed[place : place + len(octets)] = octets
    check(bytes(changed[:end]), content_type if other is None else other, "", role, path=path)


words = st.sampled_from(
    [
        "inputs",
        "outputs",
        "instances",
        "predictions",
        "dataframe_split",
        "dataframe_records",
        "columns",
        "data",
        "index",
        "name",
        "shape",
        "datatype",
        "parameters",
        "binary_data_size",
        "messages",
        "prompt",
        "input",
        "model",
        "choices",
        "delta",
        "message",
        "content",
        "text",
        "tool_calls",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "object",
        "id",
        "error",
        "names",
        "ndarray",
        "tensor",
        "values",
        "jsonData",
        "meta",
        "puid",
        "embedding",
        "response",
        "type",
        "output",
        "FP32",
        "BYTES",
        "chat.completion",
        "text_completion",
        "list",
        "response.completed",
    ]
)
cells: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300)
@given(
    cells,
    st.sampled_from([Role.INPUT, Role.OUTPUT]),
    st.sampled_from(PATHS),
    st.sampled_from(["", "stream", "lines"]),
)
@example(
    {"inputs": [{"name": "x", "shape": [1 << 50], "datatype": "FP32", "data": []}]},
    Role.INPUT,
    "",
    "",
)
@example({"predictions": [[10**400] * 200]}, Role.OUTPUT, "", "")
@example({"data": [{"embedding": [10**400]}], "object": "list"}, Role.OUTPUT, "", "")
def test_words_of_the_protocols_in_any_order_raise_nothing_else(
    value: Any, role: Role, path: str, form: str
) -> None:
    body = json.dumps(value).encode()
    if form == "stream":
        body = b"data: " + body + b"\n\ndata: " + body + b"\n\n"
    if form == "lines":
        body = body + b"\n" + body
    check(body, "", "", role, path=path)


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    return opening * depth + b"1" + closing * depth


BOMBS = {
    "many keys": b"{" + b",".join(b'"%x":1' % at for at in range(22_000)) + b"}",
    "many objects": b"{" + b",".join(b'"%d@x.de":{"a":1}' % at for at in range(12_000)) + b"}",
    "deep lists": nested(100_000, b"[", b"]"),
    "deep lists that close": nested(900, b"[", b"]"),
    "deep objects": nested(40_000, b'{"a":', b"}"),
    "deep instances": b'{"instances":' + nested(900, b"[", b"]") + b"}",
    "deep inputs": b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":'
    + nested(900, b"[", b"]")
    + b"}]}",
    "many shapes": b'{"inputs":[{"name":"x","shape":['
    + b"1," * 100_000
    + b'1],"datatype":"FP32","data":[1]}]}',
    "many rows": b"[" + b",".join([b"{}"] * 80_000) + b"]",
    "many numbers": b"[" + b",".join([b"1"] * 120_000) + b"]",
    "many lists": b"[" + b",".join([b"[1]"] * 60_000) + b"]",
    "many tensors": b'{"inputs":['
    + b",".join([b'{"name":"","shape":[0],"datatype":"","data":[]}'] * 5000)
    + b"]}",
    "long number": b"1" * CAP,
    "long integer in an object": b'{"a":' + b"1" * (CAP - 10) + b"}",
    "long exponent": b"[1e" + b"9" * 1000 + b"]",
    "same keys": b"{" + b",".join([b'"a":1'] * 40_000) + b"}",
    "surrogates": b'["\\ud800", "\\udfff", "\xed\xa0\x80"]',
    "zeros": bytes(CAP),
    "no utf-8": b'{"a":"\xff"}',
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "brackets in text": b'{"a":"' + b"{[" * 100_000 + b'"',
    "backslashes": b'{"a":"' + b"\\" * 200_000,
    "lines": b"{}\n" * 80_000,
    "lines of keys": b"\n".join(b'{"%d":1}' % at for at in range(20_000)),
    "events": b"data: 1\n\n" * 25_000,
    "event lines": b"data: 1\n" * 30_000,
    "chunks": b'data: {"choices":[{"delta":{}}]}\n\n' * 7_000,
    "commas": b"a," * 500 + b"a\n" + b"," * 200_000,
    "rows of commas": b"a,b\n" + b",\n" * 100_000,
    "pairs": b"a=1&" * 60_000,
    "percents": b"a=" + b"%41" * 80_000,
    "parts": b"--xx\r\n" * 40_000,
    "empty parts": b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 4_000
    + b"--xx--",
    "quotes": b'--xx\r\nContent-Disposition: form-data; name="'
    + b"\\" * 7_000
    + b"\r\n\r\n\r\n--xx--",
    "spaces": b"--xx\r\nContent-Disposition: form-data" + b"; a" * 2_000 + b"\r\n\r\n\r\n--xx--",
    "fields": b"\x08\x01" * 100_000,
    "elements": b"\x2a\x80\x80\x04\x2a\xfc\xff\x03" + b"\x42\x00" * 32_000,
    "varints": b"\x2a" + b"\xff" * 10_000,
    "frames": b"\0\0\0\0\0" * 50_000,
}

NATURAL = {
    **dict.fromkeys(("lines", "lines of keys"), "application/x-ndjson"),
    **dict.fromkeys(("events", "event lines", "chunks"), "text/event-stream"),
    **dict.fromkeys(("commas", "rows of commas"), "text/csv"),
    **dict.fromkeys(("pairs", "percents"), "application/x-www-form-urlencoded"),
    **dict.fromkeys(("parts", "empty parts", "quotes", "spaces"), "multipart/form-data"),
    **dict.fromkeys(("fields", "elements", "varints"), "application/grpc"),
    **dict.fromkeys(("frames", "zeros"), "application/grpc+frames"),
}


# Content types that are read like another one. A test below compares them.
READ_ALIKE = {"application/problem+json; charset=utf-8": "application/json"}
MOST_EFFORT = 150.0  # below a second of a machine of 2024


def _decode_as(content_type: str, body: bytes) -> None:
    for role in (Role.INPUT, Role.OUTPUT):
        side = Side()
        try:
            decode_exchange(body, content_type, "", role, side)
        except Undecodable as error:
            assert error.reason in REASONS
        assert all(len(cells) == side.rows for cells in side.columns(set()).values())


@pytest.mark.parametrize("content_type", READ_ALIKE)
def test_content_types_that_the_bombs_leave_out_are_read_alike(content_type: str) -> None:
    short = [bomb[:300] for bomb in BOMBS.values()]
    for body in (*short, *(body for _, body in SEEDS[::10])):
        for role in (Role.INPUT, Role.OUTPUT):
            told = [_told(body, one, role) for one in (content_type, READ_ALIKE[content_type])]
            assert told[0] == told[1], body


def _told(body: bytes, content_type: str, role: Role) -> object:
    side = Side()
    try:
        decode_exchange(body, content_type, "", role, side)
    except Undecodable as error:
        return error.reason
    return side.rows, {name: repr([*cells]) for name, cells in side.columns(set()).items()}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_bounded_in_memory_and_time(name: str) -> None:
    body = BOMBS[name]
    assert len(body) <= CAP + 10_000
    for content_type in (one for one in TYPES if one not in READ_ALIKE):
        took = effort(partial(_decode_as, content_type, body), MOST_EFFORT)
        assert took <= MOST_EFFORT, content_type
    tracemalloc.start()
    with suppress(Undecodable):
        decode_exchange(body, NATURAL.get(name, ""), "", Role.INPUT, Side())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20


LONG = "9" * 400
NPY_HEAD = "{'descr': '<f8', 'fortran_order': True, 'shape': %s, }"
ODD = {
    "a score of 400 digits": (
        f'{{"y": 1, "x": [{{"label": "a", "score": {LONG}}}, {{"label": "b", "score": 0.5}}]}}',
        "application/json",
    ),
    "scores of 400 digits": (f'[["a", {LONG}], ["b", 0.5]]', "application/json"),
    "an infinite shape": (NPY_HEAD % "(1e999,)", "application/x-npy"),
    "a shape of no cells": (NPY_HEAD % f"(0, {2**62}, 3)", "application/x-npy"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_numbers_are_read_or_refused_by_the_decoder_itself(name: str) -> None:
    text, media = ODD[name]
    body = text.encode()
    if media == "application/x-npy":
        body = b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body
    try:
        decode_exchange(body, media, "", Role.OUTPUT, Side())
    except Undecodable as error:
        assert error.reason in {"malformed", "wrong_shape", "too_large"}


def test_an_error_of_a_decoder_costs_its_own_body_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    decode_rows = free_json.decode

    def broken(value: Any, side: Side) -> Any:
        decode_rows(value, side)
        raise ZeroDivisionError

    side = Side()
    decode_exchange(b'{"a": 1}', "application/json", "", Role.INPUT, side)
    weight = side.weight
    monkeypatch.setattr(free_json, "decode", broken)
    with pytest.raises(Undecodable) as caught:
        decode_exchange(b'{"a": 2, "b": 3}', "application/json", "", Role.INPUT, side)
    assert caught.value.reason == "decoder_failed"
    assert "ZeroDivisionError" in caplog.text
    assert (side.rows, side.weight, side.columns(set())) == (1, weight, {"a": [1]})


MIB = 1 << 20  # what a body may be once its content encoding is undone
WIDE_HEAD = b",".join(b"c%d" % at for at in range(1000)) + b"\n"
JSON_PART = (
    b"--B\r\ncontent-disposition: form-data; name=a\r\ncontent-type: application/json\r\n\r\n["
)
TENSOR = b'{"inputs":[{"name":"x","datatype":"FP32","data":[],"shape":['
UNLIKE = [
    json.dumps({"a": 1, "items": [{f"k{at}": 1} for at in range(50_000)]}).encode(),
    json.dumps([{"a": 1, "items": [{f"k{at}": 1} for at in range(900)]}] * 60).encode(),
]
GROWN = {  # what costs the most memory a byte in each format
    "numbers": (b"[" + b"1," * (MIB // 2 - 2) + b"1]", "application/json"),
    "lists": (b"[" + b"[]," * (MIB // 3 - 2) + b"[]]", "application/json"),
    "nested lists": (b"[" + b"[1]," * (MIB // 4 - 2) + b"[1]]", "application/json"),
    "objects": (b"[" + b"{}," * (MIB // 3 - 2) + b"{}]", "application/json"),
    "rows": (b"[" + b'{"a":1},' * (MIB // 8 - 2) + b'{"a":1}]', "application/json"),
    "strings": (b"[" + b'"ab",' * (MIB // 5 - 2) + b'"ab"]', "application/json"),
    "wide text": (b'["' + b"x" * (MIB - 20) + "\U0001f600".encode() + b'"]', "application/json"),
    "seldon": (b'{"jsonData":[' + b"1," * (MIB // 2 - 20) + b"1]}", "application/json"),
    "deep": (b"[" * (MIB // 2) + b"]" * (MIB // 2), "application/json"),
    "csv rows": (b"a\n" + b"1\n" * (MIB // 2 - 2), "text/csv"),
    "csv cells": (WIDE_HEAD + (b"," * 999 + b"\n") * 1000, "text/csv"),
    "lines": (b"1\n" * (MIB // 2), "application/x-ndjson"),
    "lists in lines": (b"[1,1,1]\n" * (MIB // 8), "application/x-ndjson"),
    "events": (b"data:1\n\n" * (MIB // 8), "text/event-stream"),
    "fields": (b"a&" * (MIB // 2), "application/x-www-form-urlencoded"),
    "parts": (
        JSON_PART + b"[]," * (MIB // 3 - 60) + b"[]]\r\n--B--",
        "multipart/form-data; boundary=B",
    ),
    "varints": (
        b"\x2a\xf9\xff\x3f\x2a\xf5\xff\x3f" + b"\x01" * (MIB - 20),
        "application/grpc",
    ),
    "unlike objects": (UNLIKE[0], "application/json"),
    "rows of unlike objects": (UNLIKE[1], "application/json"),
    "sizes": (TENSOR + b"9," * (MIB // 2 - 60) + b"9]}]}", "application/json"),
}
MOST_GROWN = 32 << 20


@pytest.mark.parametrize("name", GROWN)
def test_a_small_gzip_never_becomes_much_in_memory(name: str) -> None:
    content, content_type = GROWN[name]
    assert len(content) <= MIB
    body = gzip.compress(content)
    tracemalloc.start()
    with suppress(Undecodable):
        decode_exchange(body, content_type, "gzip", Role.INPUT, Side())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_GROWN, f"{peak >> 20} MiB"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"[" + b"1," * 300_000 + b"1]", "application/json"),
        (b"[" + b"{}," * 80_000 + b"{}]", "application/json"),
        (b"a\n" + b"1\n" * 80_000, "text/csv"),
        (b"1\n" * 80_000, "application/x-ndjson"),
        (b"data:1\n\n" * 40_000, "text/event-stream"),
    ],
)
def test_a_body_over_its_budget_is_too_large(content: bytes, content_type: str) -> None:
    side = Side()
    with pytest.raises(Undecodable, match="too_large"):
        decode_exchange(gzip.compress(content), content_type, "gzip", Role.INPUT, side)
    assert (side.rows, side.weight) == (0, 0)


def test_a_table_of_usual_size_is_read_whole() -> None:
    row = {f"feature_{at}": at / 7 for at in range(20)}
    body = json.dumps([row] * 1500).encode()
    side = Side()
    decode_exchange(gzip.compress(body), "application/json", "gzip", Role.INPUT, side)
    assert side.rows == 1500


def test_a_tensor_of_too_many_dimensions_is_refused() -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1] * 33, "data": [1.0]}
    body = json.dumps({"inputs": [tensor]}).encode()
    with pytest.raises(Undecodable, match="wrong_shape"):
        decode_exchange(body, "application/json", "", Role.INPUT, Side())
