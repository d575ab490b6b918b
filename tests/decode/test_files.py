"""Files in cells are their size and type, and no text."""

import base64
import json
from typing import Any

import msgspec
import pytest

from nilometer.bodies.packed import MOST_BYTES
from nilometer.decode import Side, decode_exchange
from nilometer.decode.files import UNKNOWN, file_of
from nilometer.decode.learned import EXAMPLES, Shapes
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(90))
MSGPACK = "application/msgpack"


def columns(body: Any, content_type: str = "application/json") -> dict[str, list[Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    side = Side()
    decode_exchange(content, content_type, "", Role.INPUT, side)
    return {name: list(cells) for name, cells in side.columns(set()).items()}


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + PNG, "image/jpeg"),
        (b"GIF89a" + PNG, "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP" + PNG, "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE" + PNG, "audio/wav"),
        (b"%PDF-1.7\n" + PNG, "application/pdf"),
        (b"\x00\x00\x00\x18ftypavif" + PNG, "image/avif"),
        (b"\x00\x00\x00\x18ftypisom" + PNG, "video/mp4"),
        (b"ID3\x03" + PNG, "audio/mpeg"),
        (b"OggS\x00" + PNG, "audio/ogg"),
    ],
)
def test_a_file_in_base64_is_recognised_by_its_first_bytes(content: bytes, kind: str) -> None:
    for size in (len(content), len(content) - 1, len(content) - 2):
        assert file_of(text(content[:size])) == (size, kind)
        broken = base64.encodebytes(content[:size]).decode()  # lines of 76 characters
        assert file_of(broken) == (size, kind)
    assert file_of(base64.urlsafe_b64encode(content).decode()) == (len(content), kind)
    assert file_of(f"data:image/x-own;base64,{text(content)}") == (len(content), "image/x-own")
    assert file_of(content) == (len(content), kind)


@pytest.mark.parametrize(
    "cell",
    ["", "iVBORw0KGgo", "AAAA" * 20, "data: hello", "data:text/plain,hello", "/9j/ is no image " * 9,
     "UklGR is a word of nothing at all", "JVBERi0" + "é" * 40, 7, None, ["iVBORw0KGgo"]],
)  # fmt: skip
def test_other_cells_are_no_files(cell: Any) -> None:
    assert file_of(cell) is None


def test_a_name_may_say_that_a_text_is_base64() -> None:
    assert columns({"image": {"b64": text(b"x" * 30)}, "n": 1}) == {
        "image.b64.bytes": [30],
        "image.b64.type": [UNKNOWN],
        "n": [1],
    }
    assert columns({"b64": "short"}) == {"b64": ["short"]}


def test_files_among_texts_leave_the_texts() -> None:
    assert columns({"instances": [text(PNG), "none"]}) == {
        "instances": [None, "none"],
        "instances.bytes": [len(PNG), None],
        "instances.type": ["image/png", None],
    }
    assert columns([{"a": text(PNG), "a.type": 1}, {"a": "x"}]) == {
        "a": [text(PNG), "x"],
        "a.type": [1, None],  # no cell is lost
    }


@pytest.mark.parametrize("row", [{"image": text(PNG)}, {"b64": text(b"x" * 30)}])
def test_bodies_with_files_are_not_read_in_one_pass(row: dict[str, str]) -> None:
    shapes = Shapes("inputs")
    plain = json.dumps(dict.fromkeys(row, "x")).encode()
    if "image" in row:
        assert shapes.read([plain] * EXAMPLES) is not None
    assert shapes.read([plain, json.dumps(row).encode()] * EXAMPLES) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"age": 41, "ok": True, "gone": None}, {"age": [41], "ok": [True], "gone": [None]}),
        ([{"a": 1}, {"a": 2}], {"a": [1, 2]}),
        ({"instances": [[1, 2], [3, 4]]}, {"instances.0": [1, 3], "instances.1": [2, 4]}),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]]}}, {"a": [1]}),
        ({"image": PNG, "n": 1}, {"image.bytes": [98], "image.type": ["image/png"], "n": [1]}),
        ({1: 2, 2: 3}, {"1": [2], "2": [3]}),
        (7.5, {"value": [7.5]}),
    ],
)
def test_message_pack_is_read_like_json(value: Any, expected: Any) -> None:
    assert columns(msgspec.msgpack.encode(value), MSGPACK) == expected
    assert columns(msgspec.msgpack.encode(value), "application/x-msgpack; v=1") == expected


def test_json_that_is_declared_as_message_pack_is_json() -> None:
    assert columns({"a": 1}, MSGPACK) == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xc1", "malformed"),
        (b"\x81\xa1a", "malformed"),
        (b"\x91" * 100_000 + b"\x90", "malformed"),
        (b"\xdd\x7f\xff\xff\xff\x01", "malformed"),
        (msgspec.msgpack.encode(msgspec.msgpack.Ext(5, b"x")), "malformed"),
        (msgspec.msgpack.encode([[]] * (MOST_BYTES + 1)), "too_large"),
    ],
)
def test_bytes_that_are_no_message_pack_are_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as refused:
        columns(body, MSGPACK)
    assert refused.value.reason == reason


def test_a_large_file_in_message_pack_needs_no_memory_for_values() -> None:
    body = msgspec.msgpack.encode({"image": b"x" * (2 * MOST_BYTES), "n": 1})
    assert columns(body, MSGPACK)["image.bytes"] == [2 * MOST_BYTES]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1:0.5 3:2.0\n", {"1": [0.5], "3": [2.0]}),
        (b"1 1:0.5 10:2\n0 2:1e3 # a note\n\n", {"1": [0.5, None], "2": [None, 1000.0], "10": [2.0, None], "label": [1.0, 0.0]}),
        (b"-1 qid:3 7:1", {"7": [1.0], "label": [-1.0]}),
    ],
)  # fmt: skip
def test_libsvm_names_columns_by_number(body: bytes, expected: Any) -> None:
    assert columns(body, "text/libsvm") == expected
    assert columns(body, "text/x-libsvm") == expected


@pytest.mark.parametrize("body", [b"a:1", b"1:x", b"1:1 spam", b"1000:1", b"\xff", b"user@x.org:1"])
def test_a_text_that_is_no_libsvm_is_malformed(body: bytes) -> None:
    with pytest.raises(Undecodable) as refused:
        columns(body, "text/libsvm")
    assert refused.value.reason == "malformed"


@pytest.mark.parametrize("body", [b"", b"\n", b"# nothing"])
def test_libsvm_without_a_cell_has_no_columns(body: bytes) -> None:
    with pytest.raises(Undecodable):
        columns(body, "text/libsvm")


@pytest.mark.parametrize(
    "body",
    [b'{"age": 41, "inc', b"42", b'"spam"', b"age,income\n1,2", b"a=1&spam", b"=1", b"\x93NUMPY=1", b"<a href=1>"],
)  # fmt: skip
def test_what_is_no_form_names_no_field(body: bytes) -> None:
    with pytest.raises(Undecodable) as refused:
        columns(body, "application/x-www-form-urlencoded")
    assert refused.value.reason == "malformed"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"params": {"age": 41}, "method": "predict"}, {"age": [41]}),
        ({"params": [[1, 2], [3, 4]], "method": "m"}, {"value.0": [1, 3], "value.1": [2, 4]}),
        ({"result": 0.5}, {"result": [0.5]}),
        ({"result": [{"a": 1}, {"a": 2}]}, {"a": [1, 2]}),
        ({"result": 1, "other": 2}, {"jsonrpc": ["2.0"], "id": [7], "result": [1], "other": [2]}),
    ],
)
def test_what_json_rpc_carries_is_decoded(message: dict[str, Any], expected: Any) -> None:
    body = {"jsonrpc": "2.0", "id": 7, **message}
    assert columns(body) == expected
    assert Shapes("inputs").read([json.dumps(body).encode()] * EXAMPLES) is None or "other" in body


def test_a_tensor_of_one_row_holds_for_the_whole_call() -> None:
    assert columns({"inputs": {"x": [[1, 2], [3, 4]], "k": [5]}}) == {
        "x.0": [1, 3],
        "x.1": [2, 4],
        "k": [5, 5],
    }
    assert columns({"inputs": {"x": [1, 2, 3], "k": [5]}})["k"] == [5]  # not known to be a table
