"""Whatever the bytes, a body is columns or `Undecodable`, in bounded memory and time."""

import gzip
import json
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nilometer.commands.traffic_files import read
from nilometer.decode import Side, decode_exchange
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


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_bounded_in_memory_and_time(name: str) -> None:
    body = BOMBS[name]
    assert len(body) <= CAP + 10_000
    for content_type in TYPES:
        started = time.process_time()
        for role in (Role.INPUT, Role.OUTPUT):
            side = Side()
            try:
                decode_exchange(body, content_type, "", role, side)
            except Undecodable as error:
                assert error.reason in REASONS
            assert all(len(cells) == side.rows for cells in side.columns(set()).values())
        assert time.process_time() - started < 1.0, content_type
    tracemalloc.start()
    with suppress(Undecodable):
        decode_exchange(body, NATURAL.get(name, ""), "", Role.INPUT, Side())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 48 << 20  # objects of Python are some thirty bytes for each byte of JSON


def test_a_bomb_of_columns_in_a_small_gzip_is_bounded_too() -> None:
    body = gzip.compress(b"[" + b",".join([b"{}"] * 300_000) + b"]")
    side = check(body, "application/json", "gzip", Role.INPUT)
    assert side.rows == 300_000
