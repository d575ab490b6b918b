"""What each decoder makes of a body, beyond what was recorded."""

import base64
import json
import math
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nilometer.decode import Facts, Protocol, Side, decode_exchange
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.reasons import StreamEnd

JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=xx"


def read(
    body: Any, content_type: str = JSON, role: Role = Role.INPUT, **more: Any
) -> tuple[Facts, dict[str, Any]]:
    side = Side()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    facts = decode_exchange(raw, content_type, "", role, side, **more)
    columns = side.columns(set())
    assert {len(cells) for cells in columns.values()} <= {side.rows}
    return facts, {
        name: cells.tolist() if isinstance(cells, np.ndarray) else list(cells)
        for name, cells in columns.items()
    }


def refused(body: Any, content_type: str = JSON, **more: Any) -> str:
    with pytest.raises(Undecodable) as error:
        read(body, content_type, **more)
    return error.value.reason


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        ({"instances": [1, 2.5, None]}, {"instances": [1, 2.5, None]}),
        ({"instances": [[1], [2]]}, {"instances": [1, 2]}),
        ({"instances": ["a", "b"]}, {"instances": ["a", "b"]}),
        ({"instances": [[1, 2], [3]]}, {"instances": [[1, 2], [3]]}),
        ({"instances": [[[1, 2], [3, 4]]]}, {"instances": [[[1, 2], [3, 4]]]}),
        ({"instances": []}, {"instances": []}),
        ({"instances": [{"a": {"b": 1}}, {"c": [2]}]}, {"a.b": [1, None], "c": [None, 2]}),
        (
            {"instances": {"a": [1, 2], "b": [[1, 2], [3, 4]]}},
            {"a": [1, 2], "b.0": [1, 3], "b.1": [2, 4]},
        ),
        ({"instances": 3}, {"instances": [3]}),  # free JSON
        ({"inputs": {"a": 1, "b": "x"}}, {"a": [1], "b": ["x"]}),
        ({"inputs": {"a": [1, 2], "b": [1]}}, {"a.0": [1], "a.1": [2], "b": [1]}),
        ({"inputs": "some text", "parameters": {}}, {"inputs": ["some text"]}),
        (
            {"inputs": [1, 2], "user": 3},
            {"inputs.0": [1], "inputs.1": [2], "user": [3]},
        ),  # fields of its own
        (
            {"dataframe_split": {"columns": ["a", ["b", 1]], "data": [[1, 2]]}},
            {"a": [1], "b.1": [2]},
        ),
        ({"dataframe_split": {"columns": ["a"], "data": []}}, {"a": []}),
        ({"data": {"ndarray": [[1, 2]]}}, {"data.0": [1], "data.1": [2]}),
        ({"data": {"names": ["a"], "tensor": {"shape": [2, 1], "values": [1, 2]}}}, {"a": [1, 2]}),
        ({"data": {"names": ["a", "a"], "ndarray": [[1, 2]]}}, {"data.0": [1], "data.1": [2]}),
        ({"jsonData": {"a": 1}, "meta": {}}, {"a": [1]}),
        ({"data": 3}, {"data": [3]}),
    ],
)
def test_tables_by_rows_and_by_columns(body: Any, columns: Any) -> None:
    assert read(body)[1] == columns


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"a": 1}, 2]},
        {"instances": [[1], 2]},
        {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": "a", "data": [[1]]}},
        {"dataframe_split": 1},
        {"dataframe_records": {"a": 1}},
        {"dataframe_records": [1]},
        {"data": {"tensor": {"shape": [2, 2], "values": [1]}}},
        {"data": {"tensor": {"shape": "2", "values": [1]}}},
        {"inputs": [{"name": "x", "shape": [1 << 40, 0], "datatype": "FP32", "data": []}]},
        {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]},
        [{f"a{row}.{at}": 1 for at in range(100)} for row in range(50)],
    ],
)
def test_what_is_no_table_is_refused(body: Any) -> None:
    assert refused(body) == "wrong_shape"


def test_a_table_of_more_rows_than_are_read_is_too_large() -> None:
    wide = {f"c{at}": at for at in range(1000)}
    assert refused([wide, *({} for _ in range(80_000))]) == "too_large"
    lines = b"\n".join([json.dumps(wide).encode(), *(b"{}" for _ in range(80_000))])
    assert refused(lines, "application/x-ndjson") == "too_large"
    assert len(read([{"a": 1} for _ in range(20_000)])[1]["a"]) == 20_000


def test_wide_rows_are_one_vector_column_of_an_array() -> None:
    side = Side()
    body = json.dumps({"instances": [[0.5] * 129, [1.5] * 129]}).encode()
    decode_exchange(body, JSON, "", Role.INPUT, side)
    column = side.columns(set())["instances"]
    assert isinstance(column, np.ndarray)
    assert column.shape == (2, 129)
    # Beside a vector of another width, cells stay cells.
    decode_exchange(json.dumps({"instances": [[2] * 130]}).encode(), JSON, "", Role.INPUT, side)
    assert list(map(len, side.columns(set())["instances"])) == [129, 129, 130]


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        (b"a=1&b=x+y&c=&d=true", {"a": [1], "b": ["x y"], "c": [None], "d": [True]}),
        (
            b"zip=01234&n=-1.5e3&big=" + b"9" * 500,
            {"zip": ["01234"], "n": [-1500.0], "big": [float("inf")]},
        ),
        (b"a=1&a=2&a=3", {"a": [[1, 2, 3]]}),
        (b"a=%ff", {"a": ["\ufffd"]}),
        (b'{"a": 1}', {"a": [1]}),  # what curl -d sends
    ],
)
def test_forms(body: bytes, columns: Any) -> None:
    assert read(body, "application/x-www-form-urlencoded; charset=utf-8")[1] == columns


def test_forms_without_a_field_or_with_too_many_are_refused() -> None:
    form = "application/x-www-form-urlencoded"
    assert refused(b"&&", form) == "wrong_shape"
    assert refused(b"&".join(b"a%d=1" % at for at in range(1001)), form) == "wrong_shape"
    assert refused(b"a=1&" * 10_001, form) == "wrong_shape"


def test_a_query_counts_where_there_is_no_body() -> None:
    facts, columns = read(b"", "", query="age=33&name=a")
    assert (facts.protocol, columns) == (Protocol.QUERY, {"age": [33], "name": ["a"]})
    assert read({"a": 1}, query="age=33")[1] == {"a": [1]}
    assert refused(b"", "", role=Role.OUTPUT, query="age=33") == "empty"


def multipart(*parts: bytes, boundary: bytes = b"xx") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
        + b"--"
        + boundary
        + b"--\r\n"
    )


FIELD = b'Content-Disposition: form-data; name="age"\r\n\r\n41'
FILE = b'content-disposition: form-data; filename="c:\\\\x.png"; name=img\r\n\r\n\r\n--x\x00\xff'
MODEL = b'Content-Disposition: form-data; name="q"\r\nContent-Type: application/json\r\n\r\n{"a": {"b": 1}}'
LONG = b'Content-Disposition: form-data; name="text"\r\n\r\n' + b"x" * 2000


def test_multipart_has_small_fields_sizes_and_json_and_no_content() -> None:
    body = multipart(FIELD, FILE, MODEL, LONG)
    columns = {
        "age": [41],
        "img.bytes": [7],
        "img.type": ["application/octet-stream"],
        "q.a.b": [1],
        "text.bytes": [2000],
    }
    told = 'multipart/form-data; boundary="xx"'
    assert read(body, told)[1] == columns
    # A logger copied the type without its parameter.
    assert read(body, "multipart/form-data")[1] == columns
    for end in range(1, len(body) - 4):
        assert refused(body[:end], told) == "malformed"
    assert refused(multipart(b"Content-Disposition: form-data\r\n\r\n1"), told) == "malformed"


def test_multipart_has_so_many_parts() -> None:
    def body(count: int) -> bytes:
        return multipart(*(FIELD.replace(b"age", b"f%d" % at) for at in range(count)))

    assert len(read(body(1000), MULTIPART)[1]) == 1000
    for count in (1001, 1002, 5000):
        assert refused(body(count), MULTIPART) == "too_large"
    assert refused(multipart(*[FIELD] * 5000), MULTIPART) == "too_large"


def test_no_part_of_a_multipart_body_is_lost() -> None:
    def field(name: bytes) -> bytes:
        return FIELD.replace(b"age", name)

    assert read(multipart(FIELD, FIELD, FILE, FILE), MULTIPART)[1] == {
        "age": [[41, 41]],
        "img.bytes": [[7, 7]],
        "img.type": [["application/octet-stream"] * 2],
    }
    assert read(multipart(MODEL, field(b"q.a.b")), MULTIPART)[1] == {"q.a.b": [41], "q.a.b.1": [1]}
    assert read(multipart(field(b"value"), field(b"jo@x.com")), MULTIPART)[1] == {
        "value": [41],
        "value.1": [{"jo@x.com": None}],
    }


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        ({"a": {"b": 1}, "a.b": "x"}, {"a.b": ["x"], "a.b.1": [1]}),
        ({"a.b": "x", "a": {"b": 1}}, {"a.b": ["x"], "a.b.1": [1]}),  # whatever their order
        ([{"a": {"b": 1}, "a.b": 2}], {"a.b": [2], "a.b.1": [1]}),
        ({"a.b": 1, "a": {"b": 2}, "a.b.1": 3}, {"a.b": [1], "a.b.1": [3], "a.b.2": [2]}),
        ({"value": 1, "jo@x.com": 2}, {"value": [1], "value.1": [{"jo@x.com": 2}]}),
        ({"a.b": 1, "a": {"b": {"jo@x.com": 2}}}, {"a.b": [1], "a.b.1": [{"jo@x.com": 2}]}),
        ({"instances": {"a": [[1, 2]], "a.0": [3]}}, {"a.0": [1], "a.1": [2], "a.0.1": [3]}),
        (
            {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
            {"a": [1], "a.1": [2]},
        ),
        (
            {
                "inputs": [
                    {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
                    {"name": "x.0", "shape": [1], "datatype": "FP32", "data": [3]},
                    {"name": "x.0", "shape": [1], "datatype": "FP32", "data": [4]},
                ]
            },
            {"x.0": [1], "x.1": [2], "x.0.1": [3], "x.0.2": [4]},
        ),
    ],
)
def test_two_fields_of_one_name_are_told_apart(body: Any, columns: Any) -> None:
    assert read(body)[1] == columns


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        (b"a,b\n1,x\n2.5,\n", {"a": [1, 2.5], "b": ["x", None]}),
        (b"\xef\xbb\xbfa\r\n01\r\n2\r\n", {"a": ["01", "2"]}),
        (b"a\nTrue\n\nFalse\n", {"a": [True, False]}),
        (b'"a,b",c\n"x\ny",1\n', {"a,b": ["x\ny"], "c": [1]}),
        (b"a\n1\ntrue\n", {"a": ["1", "true"]}),
        (b"a,b\nTRUE,x\nFALSE,NA\n,nan\n", {"a": [True, False, None], "b": ["x", None, None]}),
        (b"a,b\n1,NaN\n2,\n3,-inf\n", {"a": [1, 2, 3], "b": [None, None, -math.inf]}),
        (b"a, b\n1, 2\n3, NA\n", {"a": [1, 3], "b": [2, None]}),  # a space after each comma
        (b"a,b,c,d\n.5,1.,+3,-.5e1\n1,2,4,.\n",
         {"a": [0.5, 1], "b": [1.0, 2], "c": ["+3", "4"], "d": ["-.5e1", "."]}),
        (b"a\n1\n#N/A\n<NA>\n-nan\n", {"a": [1, None, None, None]}),
        (b"a,b,\n1,2,\n", {"a": [1], "b": [2]}),  # a comma at the end of each line
        (b"a,b,\n1,2,3\n", {"a": [1], "b": [2], "2": [3]}),
        (b"a,a,b,a.1\n1,2,3,4\n", {"a": [1], "a.2": [2], "b": [3], "a.1": [4]}),
        (b"a\tb\n1\tx, y\n", {"a": [1], "b": ["x, y"]}),
        (b"5.1|3.5\n4.9|3.0\n", {"0": [5.1, 4.9], "1": [3.5, 3.0]}),
        (b"sep=;\r\na;b\r\n1;x,y\r\n", {"a": [1], "b": ["x,y"]}),  # Excel says the delimiter
        (b'"sep=,"\na,b\n1,2\n', {"a": [1], "b": [2]}),
        (b"a;b;c\n41;52000,5;n,1\n23;18000;s\n",
         {"a": [41, 23], "b": [52000.5, 18000], "c": ["n,1", "s"]}),
        (b"5;3,1\n2;4,5\n", {"0": [5, 2], "1": [3.1, 4.5]}),  # two columns by either
        (b"hi; all,1\nso; long,2\n", {"0": ["hi; all", "so; long"], "1": [1, 2]}),
        (b'a,n\n"x;y",1\n"z;w",2\n', {"a": ["x;y", "z;w"], "n": [1, 2]}),
    ],
)  # fmt: skip
def test_csv(body: bytes, columns: Any) -> None:
    assert read(body, "text/csv; charset=utf-8")[1] == columns


def test_a_table_with_tabs_may_have_one_column() -> None:
    for media in ("text/tab-separated-values", "text/tsv; charset=utf-8"):
        assert read(b"a;b\n1\n2\n", media)[1] == {"a;b": [1, 2]}


def test_csv_that_is_no_table_is_refused() -> None:
    assert refused(b"a,b\n1\n", "text/csv") == "wrong_shape"
    assert refused(b"\n", "text/csv") == "wrong_shape"
    assert refused(b'a\n"x', "text/csv") == "malformed"
    assert refused(b"a\n\xff\n", "text/csv") == "malformed"
    assert refused(b"a\n" + b"x" * 200_000, "text/csv") == "malformed"


def test_lines_are_rows_and_a_last_one_cut_off_says_that_the_stream_was_cut() -> None:
    lines = b'{"a": 1}\r\n\n{"a": 2, "b": 3}\n'
    for kind in ("application/x-ndjson", JSON, ""):
        facts, columns = read(lines, kind)
        assert (facts.protocol, facts.stream_end) == (Protocol.NDJSON, None)
        assert columns == {"a": [1, 2], "b": [None, 3]}
    facts, columns = read(lines + b'{"a": 3', "application/x-ndjson", Role.OUTPUT)
    assert (facts.stream_end, columns["a"]) == (StreamEnd.CUT, [1, 2])
    bad_line = b'{"a": 1}\nx\n{"a": 2}'
    facts, columns = read(bad_line, "application/x-ndjson")
    assert (columns, facts.partial) == ({"a": [1, 2]}, True)
    assert refused(bad_line) == "malformed"  # nothing says that these are lines of JSON
    assert refused(b"x\ny\n", "application/x-ndjson") == "malformed"
    assert refused(b'{"a": 1} garbage') == "malformed"
    assert refused(b"\n\n", "application/x-ndjson") == "malformed"


@pytest.mark.parametrize(
    "text", ["id: 12345, name: Jo", "data: hello", "data: hello\n\n", ": note", "event: x\n"]
)
def test_plain_text_that_begins_like_an_event_is_text(text: str) -> None:
    facts, columns = read(text.encode(), "text/plain")
    assert facts.protocol is Protocol.TEXT
    assert columns == {"characters": [len(text)], "words": [len(text.split())]}


def test_json_is_read_in_the_declared_encoding() -> None:
    text = json.dumps({"name": "Zoë"}, ensure_ascii=False)
    for charset in ("iso-8859-1", "windows-1252", "utf-16", '"UTF-16"'):
        body = text.encode(charset.strip('"'))
        assert read(body, f"{JSON}; charset={charset}")[1] == {"name": ["Zoë"]}
    assert read(text.encode("utf-16"), JSON)[1] == {"name": ["Zoë"]}
    assert read(text.encode(), f"{JSON}; charset=iso-8859-15")[1] == {"name": ["Zoë"]}  # a lie
    assert refused(text.encode("latin-1"), f"{JSON}; charset=rot13") == "malformed"
    csv = "naïve;größe\n1;2\n".encode("cp1252")
    assert read(csv, "text/csv; charset=windows-1252")[1] == {"naïve": [1], "größe": [2]}


def test_bytes_are_told_by_size_and_type() -> None:
    for media in ("image/png", "audio/wav", "application/x-image", "application/octet-stream"):
        facts, columns = read(b"\x00\xff" * 4, f"{media}; q=1")
        assert facts.protocol is Protocol.BINARY
        assert columns == {"value.bytes": [8], "value.type": [media]}
    assert read(b"{x", "image/svg")[1]["value.bytes"] == [2]
    assert refused(b"{x", "application/octet-stream") == "malformed"
    assert read({"a": 1}, "application/octet-stream")[1] == {"a": [1]}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "|u1", "<f2"])
def test_an_array_of_numpy_is_a_tensor(dtype: str, order: Any) -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype, order=order)
    expected = {"value.0": [1, 4], "value.1": [2, 5], "value.2": [3, 6]}
    for media in ("application/x-npy", "application/octet-stream"):
        facts, columns = read(npy(array), media)
        assert (facts.protocol, columns) == (Protocol.NPY, expected)
    assert read(npy(array[:, 0] > 1), "application/x-npy")[1] == {"value": [False, True]}


def npy(array: NDArray[Any]) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def test_what_is_no_array_of_numbers_is_refused() -> None:
    whole = npy(np.zeros((2, 3)))
    for end in range(len(whole)):
        reason = refused(whole[:end] or b"\x93", "application/x-npy")
        assert reason == ("malformed" if end < 128 else "wrong_shape")
    for array in (np.array(["a"]), np.array([{}], object), np.array([1j])):
        assert refused(npy(array), "application/x-npy") == "malformed"
    assert refused(npy(np.array(1.0)), "application/x-npy") == "wrong_shape"
    assert refused(npy(np.zeros((1, 1 << 19), "u1")), "application/x-npy") == "too_large"
    for header in (
        b"(",
        b"{",
        b"[1]",
        b"{'descr': 1, 'fortran_order': 0, 'shape': (-1,)}",
        b"\xff",
    ):
        body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        assert refused(body, "application/x-npy") == "malformed"


def test_events_are_found_by_their_framing_and_not_by_what_is_declared() -> None:
    stream = b': ping\n\nevent: token\ndata: {"t": "a"}\n\ndata: {"t":\ndata: "b"}\r\n\r\ndata: [DONE]\n\n'
    for kind in ("text/event-stream", "text/plain", JSON, ""):
        facts, columns = read(stream, kind, Role.OUTPUT)
        assert (facts.protocol, facts.stream_end) == (Protocol.SSE, StreamEnd.COMPLETED)
        assert columns == {"t": ["a", "b"]}
    facts, columns = read(b"tok0 tok1 t\xc3\xb6k2", "text/event-stream", Role.OUTPUT)
    assert (facts.protocol, columns) == (Protocol.TEXT, {"characters": [14], "words": [3]})
    facts, columns = read({"error": "x"}, "text/event-stream", Role.OUTPUT)
    assert (facts.protocol, columns) == (Protocol.JSON, {"error": ["x"]})
    assert refused(b"\xff\xfe", "text/event-stream") == "malformed"


def test_events_of_text_are_only_counted() -> None:
    facts, columns = read(
        b"data: Hello\n\ndata: you\n\nevent: end\n\n", "text/event-stream", Role.OUTPUT
    )
    assert (facts.stream_end, columns) == (None, {"texts": [2], "characters": [8]})


@pytest.mark.parametrize(
    "last",
    [
        b'data: {"error": {"message": "x"}}\n\n',
        b"event: error\ndata: x\n\n",
        b'data: {"type": "error"}\n\n',
    ],
)
def test_an_error_in_a_stream_is_its_end_even_where_it_says_done(last: bytes) -> None:
    body = b'data: {"a": 1}\n\n' + last + b"data: [DONE]\n\n"
    facts, columns = read(body, "text/event-stream", Role.OUTPUT)
    assert facts.stream_end is StreamEnd.ERROR
    assert columns["a"][0] == 1


@pytest.mark.parametrize(
    ("last", "columns"),
    [
        (b'data: {"a": 2}', {"a": [1, 2]}),  # nothing can follow
        (b'data: {"a": 2}\r\n', {"a": [1, 2]}),
        (b'data: {"a": 2', {"a": [1]}),
        (b"data: 2", {"a": [1]}),  # it may be the beginning of 23
        (b"data: 2\n", {"a": [1]}),
        (b"data: some te", {"a": [1]}),
        (b"event: end", {"a": [1]}),
    ],
)
def test_an_event_that_no_empty_line_ends_counts_where_it_is_whole(
    last: bytes, columns: dict[str, Any]
) -> None:
    assert read(b'data: {"a": 1}\n\n' + last, "text/event-stream", Role.OUTPUT)[1] == columns


CHUNK = {"id": "c-1", "object": "chat.completion.chunk", "model": "m"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}


def chat(*chunks: Any, done: bool = True) -> bytes:
    events = [b"data: " + json.dumps({**CHUNK, **chunk}).encode() + b"\n\n" for chunk in chunks]
    return b"".join(events) + (b"data: [DONE]\n\n" if done else b"")


HEL = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}
LO = {"choices": [{"index": 0, "delta": {"content": "lo"}}]}
STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "chunks",
    [
        # OpenAI: a last chunk without choices; null on all others
        [HEL | {"usage": None}, LO | {"usage": None}, STOP, {"choices": [], "usage": USAGE}],
        # litellm: a last chunk with an empty choice
        [HEL, LO, STOP, {"choices": [{"index": 0, "delta": {}}], "usage": USAGE}],
        # litserve: beside the reason
        [HEL, LO, STOP | {"usage": USAGE}],
        # vLLM with continuous usage: on each, growing
        [HEL | {"usage": {**USAGE, "completion_tokens": 1}}, LO, STOP | {"usage": USAGE}],
    ],
)
def test_every_dialect_of_usage_is_one_answer(chunks: list[Any]) -> None:
    facts, columns = read(chat(*chunks), "text/event-stream", Role.OUTPUT)
    assert columns == {
        "model": ["m"],
        "finish_reason": ["stop"],
        "choices": [1],
        "characters": [5],
        "tool_calls": [0],
        "stream_end": ["completed"],
        "input_tokens": [7],
        "output_tokens": [2],
        "cached_tokens": [4],
    }
    assert (facts.prediction_id, facts.model, facts.stream_end) == ("c-1", "m", StreamEnd.COMPLETED)
    assert (facts.input_tokens, facts.output_tokens) == (7, 2)


def test_counts_that_are_all_zero_are_not_told() -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    facts, columns = read(chat(HEL, STOP | {"usage": zero}), "text/event-stream", Role.OUTPUT)
    assert facts.output_tokens is None
    assert "output_tokens" not in columns


def test_a_stream_that_breaks_off_was_cut() -> None:
    facts, columns = read(chat(HEL, LO, done=False), "text/event-stream", Role.OUTPUT)
    assert (facts.stream_end, columns["finish_reason"], columns["characters"]) == (
        StreamEnd.CUT,
        [None],
        [5],
    )
    facts, _ = read(chat(HEL, {"error": {"code": 500}}), "text/event-stream", Role.OUTPUT)
    assert facts.stream_end is StreamEnd.ERROR


def test_calls_of_tools_are_counted_whole_and_in_pieces() -> None:
    call = {"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": "{}"}}
    pieces = [{"choices": [{"index": 0, "delta": {"tool_calls": [one]}}]} for one in (call, more)]
    assert read(chat(*pieces), "text/event-stream", Role.OUTPUT)[1]["tool_calls"] == [1]
    message = {"content": None, "tool_calls": [call, call]}
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    columns = read(whole, role=Role.OUTPUT)[1]
    assert (columns["tool_calls"], columns["finish_reason"]) == ([2], ["tool_calls"])


def test_several_choices_are_one_answer() -> None:
    choices = [{"index": at, "text": "x" * at, "finish_reason": "length"} for at in range(3)]
    columns = read({"object": "text_completion", "choices": choices}, role=Role.OUTPUT)[1]
    assert (columns["choices"], columns["characters"]) == ([3], [3])
    assert columns["finish_reason"] == ["length"]


def test_responses_whole_and_streamed_are_the_same_answer() -> None:
    response = {
        "id": "r-1",
        "object": "response",
        "model": "m",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
            {"type": "function_call", "name": "f"},
        ],
        "usage": {
            "input_tokens": 3,
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 5},
        },
    }
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "r-1", "model": "m"}},
        {"type": "response.output_text.delta", "delta": "Hello"},
        {"type": "response.incomplete", "response": response},
    ]
    stream = b"".join(
        f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events
    )
    whole, columns = read(response, role=Role.OUTPUT)
    assert columns == {
        "model": ["m"],
        "finish_reason": ["max_output_tokens"],
        "choices": [1],
        "characters": [5],
        "tool_calls": [1],
        "input_tokens": [3],
        "output_tokens": [9],
        "reasoning_tokens": [5],
    }
    streamed, same = read(stream, "text/event-stream", Role.OUTPUT)
    assert same == {**columns, "stream_end": ["completed"]}
    assert (whole.prediction_id, streamed.prediction_id) == ("r-1", "r-1")
    assert streamed.stream_end is StreamEnd.COMPLETED
    broken, columns = read(stream[: stream.index(b"event: response.inc")], "", Role.OUTPUT)
    assert (broken.stream_end, columns["characters"]) == (StreamEnd.CUT, [5])
    failed = b'data: {"type": "response.failed", "response": {"status": "failed"}}\n\n'
    assert read(failed, "", Role.OUTPUT)[0].stream_end is StreamEnd.ERROR


def test_embeddings_are_one_array_as_numbers_and_as_base64() -> None:
    vectors = np.array([[0.5, -1.0, 2.0], [1.0, 0.25, 0.0]], "<f4")
    for form in (lambda row: row.tolist(), lambda row: base64.b64encode(row.tobytes()).decode()):
        side = Side()
        items = [{"object": "embedding", "embedding": form(row)} for row in vectors]
        body = {"object": "list", "model": "m", "data": items, "usage": {"prompt_tokens": 5}}
        facts = decode_exchange(json.dumps(body).encode(), JSON, "", Role.OUTPUT, side)
        column = side.columns(set())["embedding"]
        assert isinstance(column, np.ndarray)
        assert column.tolist() == vectors.tolist()
        assert (facts.input_tokens, facts.model) == (5, "m")
    for wrong in ("not base64!", "YWJj", [], ["a"], [True, 1.0], None):
        items = [{"object": "embedding", "embedding": wrong}]
        assert refused({"object": "list", "data": items}, role=Role.OUTPUT) == "wrong_shape"


@pytest.mark.parametrize(
    ("path", "body", "columns"),
    [
        (
            "/v1/chat/completions",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}],
                    }
                ],
                "n": 2,
            },
            {
                "model": [None],
                "n": [2],
                "messages": [1],
                "characters": [2],
                "attachments": [1],
                "tools": [0],
            },
        ),
        (
            "",
            {"model": "m", "prompt": ["ab", "c"], "temperature": 0.5, "logit_bias": {}},
            {
                "model": ["m"],
                "temperature": [0.5],
                "prompts": [2],
                "characters": [3],
                "attachments": [0],
                "tools": [0],
            },
        ),
        ("/v1/embeddings", {"model": "m", "input": "abc"}, {"model": ["m"], "characters": [3]}),
        ("/v1/embeddings", {"model": "m", "input": [1, 2, 3]}, {"model": ["m"], "tokens": [3]}),
        (
            "/v1/embeddings",
            {"model": "m", "input": ["a", [1, 2]]},
            {"model": ["m", "m"], "characters": [1, None], "tokens": [None, 2]},
        ),
        (
            "/v1/responses",
            {
                "model": "m",
                "instructions": "be kind",
                "input": [{"role": "user", "content": "hi"}],
                "tools": [{}],
            },
            {"model": ["m"], "messages": [1], "characters": [9], "attachments": [0], "tools": [1]},
        ),
        # Fields of a model that has nothing to do with language
        ("/predict", {"model": "golf", "input": 3}, {"model": ["golf"], "input": [3]}),
        ("/v1/responses", {"model": "golf", "input": 3}, {"model": ["golf"], "input": [3]}),
        ("/predict", {"messages": 3, "model": "x"}, {"messages": [3], "model": ["x"]}),
        ("/predict", {"prompt": "free"}, {"prompt": ["free"]}),
    ],
)
def test_requests_to_language_models(path: str, body: Any, columns: Any) -> None:
    assert read(body, path=path)[1] == columns


def test_no_text_of_a_prompt_or_an_answer_is_kept() -> None:
    secret = "my secret is Zanzibar"
    bodies = [
        ({"model": "m", "messages": [{"role": "user", "content": secret}]}, Role.INPUT),
        ({"model": "m", "prompt": secret}, Role.INPUT),
        ({"object": "chat.completion", "choices": [{"message": {"content": secret}}]}, Role.OUTPUT),
        ({"object": "text_completion", "choices": [{"text": secret}]}, Role.OUTPUT),
    ]
    for body, role in bodies:
        facts, columns = read(body, role=role)
        assert facts.protocol is Protocol.OPENAI
        assert "Zanzibar" not in str(columns)


@pytest.mark.parametrize(
    ("method", "path", "probes"),
    [
        ("GET", "/v2/health/live", True),
        ("GET", "/v2/models/iris/versions/1/ready", True),
        ("GET", "/v1/models/iris", True),
        ("HEAD", "/healthz/", True),
        ("POST", "/v2/repository/models/iris/load", True),
        ("POST", "/v2/systemsharedmemory/region/r/register", True),
        ("POST", "/v2/models/iris/trace/setting", True),
        ("POST", "/v2/logging", True),
        ("POST", "/api/blobs/sha256:29fd", True),
        ("POST", "/api/blobs/scores", False),
        ("POST", "/v2/models/iris/infer", False),
        ("POST", "/api/generate", False),
        ("POST", "/files", False),
        ("POST", "/v1/models/iris:predict", False),
        ("POST", "/health", False),
        ("GET", "/predict", False),
        ("", "/health", False),
    ],
)
def test_probes_are_no_predictions(method: str, path: str, probes: bool) -> None:  # noqa: FBT001
    if probes:
        assert refused({"ready": True}, method=method, path=path) == "not_inference"
    else:
        assert read({"ready": True}, method=method, path=path)[1] == {"ready": [True]}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
@pytest.mark.parametrize(
    "media", ["text/html", "application/x-www-form-urlencoded", "application/octet-stream"]
)
def test_json_after_a_byte_order_mark_is_json_whatever_is_declared(mark: bytes, media: str) -> None:
    assert read(mark + b'{"a": 1}', media)[1] == {"a": [1]}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_json_in_utf_16_is_json_whatever_is_declared(encoding: str) -> None:
    text = '{"a": 1}' if encoding == "utf-16" else '\ufeff{"a": 1}'
    assert read(text.encode(encoding), "text/html")[1] == {"a": [1]}


@pytest.mark.parametrize("encoding", ["gzip", "br", "unheard-of"])
def test_an_empty_body_is_empty_in_every_encoding(encoding: str) -> None:
    with pytest.raises(Undecodable, match="empty"):
        decode_exchange(b"", JSON, encoding, Role.OUTPUT, Side())
