"""One exchange in many forms: documents of each protocol, in many carriers.

Each form has a field ``ssn`` with the value `SECRET`. In a *sure* document, it is where a decoder
finds a column. In an *unsure* document, its position cannot be determined.
"""

import csv
import io
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

SECRET = 42424242  # no other value contains its digits
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
EVENTS = "text/event-stream"
NDJSON = "application/x-ndjson"
MULTIPART = "multipart/form-data; boundary=limit"
CONTENT_TYPES = (
    *("", JSON, "application/json; charset=utf-8", "application/cloudevents+json", NDJSON),
    *("application/json-seq", EVENTS, "text/plain", FORM, MULTIPART, "multipart/form-data"),
    *("text/csv", "application/octet-stream", "application/grpc", "application/grpc+frames"),
    *("application/msgpack", "application/vnd.apache.arrow.stream", "application/x-npy"),
    *("application/xml", "image/png"),
)

_TENSOR = {"shape": [2, 1], "datatype": "INT64"}
_SSN, _AGE = [SECRET, SECRET], [31, 32]
_ROWS = [{"ssn": SECRET, "age": 31}, {"age": 32, "ssn": SECRET}]
_SPLIT = {"columns": ["age", "ssn"], "index": [0, 1], "data": [[31, SECRET], [32, SECRET]]}

# A document of each protocol.
SURE: Mapping[str, Any] = {
    "free": {"ssn": SECRET, "age": 31},
    "text": {"ssn": f"{SECRET}", "age": 31},
    "nested": {"person": {"ssn": {"number": SECRET}, "age": 31}},
    "dotted": {"person.ssn": SECRET, "age": 31},
    "escaped": {"a b": {"ssn": SECRET}, "\u00e9": 1},
    "list": {"ssn": [SECRET, [SECRET]], "age": 31},
    "rows": _ROWS,
    "keyed rows": {"2026-01-01": _ROWS[0], "2026-01-02": _ROWS[1]},
    "keyed columns": {"ssn": {"10": SECRET, "11": SECRET}, "age": {"10": 31, "11": 32}},
    "columns": {"ssn": [[SECRET], [SECRET]], "age": [[31], [32]]},
    "instances": {"instances": _ROWS},
    "instances by column": {"instances": {"ssn": _SSN, "age": _AGE}},
    "predictions": {"predictions": _ROWS},
    "records": {"dataframe_records": _ROWS, "params": {"ssn": SECRET}},
    "split": {"dataframe_split": _SPLIT},
    "levels": {"dataframe_split": {"columns": [["a", "ssn"], ["a", "age"]], "data": [[SECRET, 1]]}},
    "inputs": {"inputs": {"ssn": _SSN, "age": _AGE}},
    "outputs": {"outputs": {"ssn": _SSN, "age": _AGE}},
    "tensors": {
        "inputs": [
            {"name": "ssn", "data": _SSN, **_TENSOR},
            {"name": "age", "data": _AGE, **_TENSOR, "parameters": {"ssn": SECRET}},
        ],
        "outputs": [{"name": "age", "data": _AGE, **_TENSOR}],
    },
    "result tensors": {
        "model_name": "m",
        "outputs": [
            {"name": "age", "data": _AGE, **_TENSOR},
            {"name": "ssn", "data": [_SSN[:1], _SSN[:1]], **_TENSOR},
        ],
    },
    "seldon array": {"data": {"names": ["ssn", "age"], "ndarray": [[SECRET, 31], [SECRET, 32]]}},
    "seldon tensor": {
        "data": {
            "names": ["age", "ssn"],
            "tensor": {"shape": [2, 2], "values": [31, SECRET, 32, SECRET]},
        },
        "meta": {"puid": "p", "tags": {"ssn": SECRET}},
    },
    "seldon json": {"jsonData": {"ssn": SECRET, "age": 31}},
    "bare split": _SPLIT,
    "chat": {
        "model": "m",
        "ssn": f"{SECRET}",
        "messages": [{"role": "user", "content": "What is an ssn?", "ssn": SECRET}],
    },
    "embeddings": {"object": "list", "data": [{"embedding": [1.0, 2.0], "ssn": SECRET}]},
    "json in text": {"age": 31, "payload": json.dumps({"a": [{"ssn": SECRET}], "b": 2})},
    "json in json in text": {"x": json.dumps([json.dumps({"ssn": SECRET})])},
    "json twice in text": {"age": 31, "payload": f'{{"a": {{"ssn": {SECRET}}}, "a": 1}}'},
    "tag": {"type": "ssn", "ssn": SECRET, "age": 31},
}

# A document in which the position of the field cannot be determined.
UNSURE: Mapping[str, Any] = {
    "pairs": [{"k": "ssn", "v": SECRET}, {"k": "age", "v": 31}],
    "identifier": {"identifiers": [{"type": "ssn", "value": f"{SECRET}"}]},
    "header row": [["ssn", "age"], [SECRET, 31]],
    "header elsewhere": {"header": ["ssn", "age"], "body": [[SECRET, 31]]},
    "header as text": {"header": "age,ssn", "body": [[31, SECRET]]},
    "schema": {"schema": {"fields": [{"name": "ssn"}]}, "rows": [{"f": [{"v": SECRET}]}]},
    "uneven split": {"columns": ["ssn", "age"], "data": [[SECRET, 31], [SECRET]]},
    "names without rows": {"names": ["ssn", "age"], "first": [SECRET, 31]},
    "flat array": {"data": {"names": ["ssn", "age"], "ndarray": [SECRET, 31]}},
    "odd tensor": {
        "data": {"names": ["ssn", "age"], "tensor": {"shape": [2], "values": [SECRET, 1]}}
    },
    "form in text": {"a": f"1;ssn={SECRET}"},
    "quoted form in text": {"a": quote(f"b=1&ssn={SECRET}")},
    "csv in text": {"csv": f"ssn,age\n{SECRET},31\n"},
    "xml in text": {"xml": f"<person><ssn>{SECRET}</ssn></person>"},
    "broken json in text": {"log": f'{{"ssn": {SECRET}'},
    "escaped json in text": {"log": f'{{"\\u0073sn": {SECRET}'},
    "yaml in text": {"note": f"my ssn: {SECRET}"},
    "bare text": f"ssn={SECRET}",
}


@dataclass(frozen=True, slots=True)
class Carried:
    """A document in one carrier.

    Attributes:
        body: Bytes of the document.
        content_types: Content types with which it can certainly be decoded.
    """

    body: bytes
    content_types: tuple[str, ...] = ()


_WHOLE = ("", JSON, "text/plain", FORM, EVENTS, "application/octet-stream")


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _escaped(document: Any) -> bytes:
    return _json(document).replace(b"ssn", b"\\u0073sn")


def _twice(document: Any) -> bytes:
    """Return an object whose last key occurs twice; parsers keep the last one."""
    return _json(document)[:-1] + b', "z": {"ssn": %d}, "z": 1}' % SECRET


def _stream(line_end: bytes, document: Any) -> bytes:
    lines = [b": ssn=%d" % SECRET, b"event: m", b"id: 1", b"retry: 1"]
    lines += [b"data: " + line for line in json.dumps(document, indent=1).encode().split(b"\n")]
    return line_end.join([*lines, b"", b"data: [DONE]", b"", b""])


def _multipart(document: Any) -> bytes:
    head = b'--limit\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    json_part = (
        b'--limit\r\nContent-Disposition: form-data; name="doc"\r\n'
        b"Content-Type: application/json\r\n\r\n" + _json(document) + b"\r\n"
    )
    return (
        b"preamble %d\r\n" % SECRET
        + head % (b"age", b"", b"31")
        + head % (b"ssn", b"", b"%d" % SECRET)
        + head % (b"image", b'; filename="%d.png"' % SECRET, b"ssn=%d" % SECRET)
        + json_part
        + b"--limit--\r\nepilogue %d" % SECRET
    )


CARRIERS: Mapping[str, Callable[[Any], Carried]] = {
    "json": lambda one: Carried(_json(one), _WHOLE if isinstance(one, dict | list) else ()),
    "indented": lambda one: Carried(json.dumps(one, indent=2).encode(), ("", JSON)),
    "escaped": lambda one: Carried(_escaped(one), ("", JSON)),
    "with a mark": lambda one: Carried(b"\xef\xbb\xbf" + _json(one), ("", JSON)),
    "utf-16": lambda one: Carried(json.dumps(one).encode("utf-16"), ("", JSON)),
    "cut off": lambda one: Carried(_json(one)[:-1]),
    "twice": lambda one: Carried(_twice(one) if isinstance(one, dict) else _json(one)),
    "line": lambda one: Carried(_json(one) + b"\n", (NDJSON,)),
    "lines": lambda one: Carried(_json(one) + b"\r\n\x1e" + _json(one) + b"\n\n", (NDJSON,)),
    "lines, cut off": lambda one: Carried(
        _json(one) + b"\n" + _json(one)[:-1], (NDJSON,) if isinstance(one, dict) else ()
    ),
    "events": lambda one: Carried(_stream(b"\n", one), (EVENTS, "text/plain", JSON)),
    "events, CRLF": lambda one: Carried(_stream(b"\r\n", one), (EVENTS,)),
    "events, CR": lambda one: Carried(_stream(b"\r", one), (EVENTS,)),
    "events with a mark": lambda one: Carried(b"\xef\xbb\xbf" + _stream(b"\n", one), (EVENTS,)),
    "events, cut off": lambda one: Carried(
        _stream(b"\n", one)[:-18] + b'data: {"ssn": %d' % SECRET
    ),
    "form": lambda one: Carried(
        urlencode({"age": 31, "ssn": SECRET, "doc": json.dumps(one)}).encode(), (FORM,)
    ),
    "form of one": lambda one: Carried(urlencode({json.dumps(one): ""}).encode()),
    "form by brackets": lambda _: Carried(b"age=31&user[ssn]=%d" % SECRET, (FORM,)),
    "form by semicolons": lambda _: Carried(b"age=31;ssn=%d" % SECRET),
    "multipart": lambda one: Carried(_multipart(one), (MULTIPART,)),
    "table": lambda _: Carried(_table(","), ("text/csv",)),
    "table by tabs": lambda _: Carried(_table("\t")),
    "table by semicolons": lambda _: Carried(_table(";")),
    "table without a name": lambda _: Carried(b"31,%d\n32,ssn=%d\n" % (SECRET, SECRET)),
    "binary tensors": lambda _: Carried(
        binary_tensors(), ("", JSON, "application/octet-stream")[:2]
    ),
    "xml": lambda _: Carried(b"<r><ssn>%d</ssn></r>" % SECRET),
    "in a string": lambda one: Carried(_json(json.dumps(one))),
}


def _table(delimiter: str) -> bytes:
    written = io.StringIO()
    rows: list[list[object]] = [["age", "ssn", "note"], [31, SECRET, "a, b"], [32, SECRET, "c"]]
    csv.writer(written, delimiter=delimiter).writerows(rows)
    return written.getvalue().encode()


def binary_tensors() -> bytes:
    """Return a request of the Open Inference Protocol with binary tensors after the JSON."""
    secret = f"{SECRET}".encode()
    texts = struct.pack("<I", len(secret)) + secret
    more = json.dumps({"ssn": SECRET}).encode()
    ages, more = struct.pack("<q", 31), struct.pack("<I", len(more)) + more
    tensors = [
        ("ssn", "BYTES", texts),
        ("age", "INT64", ages),
        ("kind", "BYTES", more),
    ]
    inputs = [
        {"name": name, "datatype": kind, "shape": [1], "parameters": {"binary_data_size": len(raw)}}
        for name, kind, raw in tensors
    ]
    return _json({"inputs": inputs, "outputs": [{"name": "ssn"}]}) + texts + ages + more
