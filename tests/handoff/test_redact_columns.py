"""A rule that is the name of any column leaves no value of this column in what is handed over."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from support.dialects import DIALECTS, Dialect

from nilometer.commands.traffic_files import Message, read
from nilometer.decode import Side, decode_exchange
from nilometer.handoff.redact import Redaction
from nilometer.profiling.observation import Observation
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.redacted import WITHHELD

DECODE = Path(__file__).parents[1] / "decode"
EXCHANGES = {
    one.case: one
    for part in ("wild", "recorded")
    for one in read(DECODE / part / "manifest.json")
    if one.path
}
MOST_NAMES = 24  # names of one body; a wider one is sampled
JSON, CSV, EVENTS = "application/json", "text/csv", "text/event-stream"
HEADER_LENGTH = "inference-header-content-length"
# Columns that are there without any field: one answer is one choice.
CONSTANT = {"choices"}
SECRET = 7351924680

Columns = Mapping[str, list[Any]]


class Given(NamedTuple):
    """A body with its metadata."""

    body: bytes
    media: str
    role: Role = Role.INPUT
    path: str = "/p"
    encoding: str = ""
    header_length: str = ""


def columns(given: Given) -> Columns | str:
    """The columns of a body, or why it has none."""
    side = Side()
    try:
        decode_exchange(
            given.body,
            given.media,
            given.encoding,
            given.role,
            side,
            method="POST",
            path=given.path,
            header_length=given.header_length,
        )
    except Undecodable as error:
        return error.reason
    return {
        name: cells.tolist() if isinstance(cells, np.ndarray) else [*cells]
        for name, cells in side.columns(set()).items()
    }


def handed_over(given: Given, rule: str) -> tuple[bytes, Given]:
    """Return what leaves the process under *rule*: all of it, and the body."""
    redaction = Redaction.of([rule], [])
    assert redaction is not None
    is_input = given.role is Role.INPUT
    request, response = (given, None) if is_input else (None, given)
    one = Observation(
        *(1, 0.5, 200, "ok", "POST", given.path, 1, 1),
        request.media if request else JSON,
        request.encoding if request else "",
        response.media if response else JSON,
        response.encoding if response else "",
        request.body if request else b"{}",
        response.body if response else b"{}",
        labels={},
        header_lengths=(given.header_length,) * 2 if given.header_length else None,
    )
    (packed,) = redaction.redacted_all([msgspec.msgpack.encode(one)])
    left = msgspec.msgpack.decode(packed, type=Observation)
    body, media, encoding = (
        (left.request_body, left.request_type, left.request_encoding)
        if is_input
        else (left.response_body, left.response_type, left.response_encoding)
    )
    return packed, given._replace(
        body=body or b"", media=media, encoding=encoding, header_length=""
    )


def texts_in(cells: Any) -> Iterator[str]:
    """Yield the texts and numbers in *cells* as JSON writes them, if they are long."""
    if isinstance(cells, list | tuple):
        for one in cells:
            yield from texts_in(one)
    elif isinstance(cells, dict):
        for one in cells.values():
            yield from texts_in(one)
    elif isinstance(cells, str):
        if len(cells) > 5:
            yield json.dumps(cells)[1:-1]
    elif isinstance(cells, int | float) and len(json.dumps(cells)) > 8:
        yield json.dumps(cells)


def with_unique_numbers(value: Any, numbers: Iterator[int], key: str = "") -> Any:
    """The document with a number of its own in place of each, so that it is found anywhere."""
    if isinstance(value, dict):
        return {name: with_unique_numbers(one, numbers, name) for name, one in value.items()}
    if isinstance(value, list):
        return [with_unique_numbers(one, numbers, key) for one in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if key in {"shape", "binary_data_size", "index"}:
        return value
    number = next(numbers)
    return number if isinstance(value, int) else 0.5 + number * 1e-12


def unique(body: bytes) -> bytes:
    try:
        document = json.loads(body)
    except ValueError:
        return body
    return json.dumps(with_unique_numbers(document, iter(range(700_000_001, 800_000_000)))).encode()


def check(given: Given) -> None:
    """Take the name of each column as a rule; look for its cells in what is handed over."""
    found = columns(given)
    if isinstance(found, str):
        return
    whole = given.body.decode("utf-8", "replace")
    chance = Random(whole)  # not a secret
    names = sorted(found)
    for name in names if len(names) <= MOST_NAMES else chance.sample(names, MOST_NAMES):
        rule = chance.choice((name, f"{given.role.value}.{name}"))
        packed, left = handed_over(given, rule)
        if left.media == WITHHELD:
            continue
        told = (rule, given.body[:300], left.body[:300])
        for text in set(texts_in(found[name])):
            if whole.count(text) == 1 and text not in given.path:
                assert text.encode() not in packed, (text, *told)
        after = columns(left)
        if isinstance(after, str):
            assert not left.body.strip() or given.encoding, (after, *told)
        elif name not in CONSTANT:
            assert not any(after.get(name, ())), (after, *told)


def bodies(message: Message, role: Role, path: str) -> Iterator[Given]:
    given = Given(
        message.body or b"",
        message.content_type,
        role,
        path,
        message.content_encoding,
        message.headers.get(HEADER_LENGTH, ""),
    )
    yield given
    if not message.content_encoding and (changed := unique(given.body)) != given.body:
        yield given._replace(body=changed, header_length="")


@pytest.mark.parametrize("case", EXCHANGES)
def test_a_column_of_real_traffic_does_not_leave_under_its_name(case: str) -> None:
    exchange = EXCHANGES[case]
    for role, message in ((Role.INPUT, exchange.request), (Role.OUTPUT, exchange.response)):
        for given in bodies(message, role, exchange.path):
            check(given)


V, S = SECRET, str(SECRET)
# Documents with a column that a decoder names itself, or that a key names only together with others.
DOCUMENTS: tuple[Any, ...] = (
    # The second of equal names.
    {"columns": ["x", "x"], "data": [[1, V], [2, 3]], "index": [0, 1]},
    {"columns": ["x", "x", "x"], "data": [[1, V, 5], [2, 3, 6]], "index": [0, 1]},
    {"columns": [["a", "x"], ["a", "x"]], "data": [[1, V]]},
    {"out": {"a": {"columns": ["x", "x"], "data": [[1, V], [2, 3]]}}},
    {"instances": {"columns": ["x", "x"], "data": [[1, V]]}},
    {"dataframe_split": {"columns": ["x", "x"], "data": [[1, V]]}},
    {"inputs": [{"name": "a", "shape": [1], "datatype": "INT64", "data": [n]} for n in (9, V)]},
    {"m": [[1, 2], [3, 4]], "m.0": [[5], [V]]},
    {"m": [[1, 2], [3, V]], "m.0": [[5], [6]]},
    {"a": {"b": [1, V]}, "a.b": [2, 3]},
    {"a": {"b": V}, "a.b": 2},
    {"id": V, "rows": [{"id": 1}, {"id": 2}]},
    {"params": [1, V], "rows": [{"params": 1}, {"params": 2}]},
    {"data": {"names": ["x", "x"], "ndarray": [[1, V]]}},
    # Positions.
    {"columns": ["x", ""], "data": [[1, V], [2, 3]], "index": [0, 1]},
    {"columns": ["x", "1234.5", "y"], "data": [[1, V, 7], [2, 3, 8]]},
    {"columns": ["x", None], "data": [[1, V], [2, 3]]},
    {"dataframe_split": {"data": [[V], [2]]}},
    {"index": [0, 1], "data": [[V], [3]]},
    {"index": [0, 1], "data": [[1, V], [2, 3]]},
    {"data": {"names": ["a", "jo@example.com"], "ndarray": [[1, V]]}},
    {"x": {"y": [1, V, 3]}, "z": 1},
    {"x": 1, "boxes": [{"b": 1}, {"b": V}]},
    # Labels with scores.
    [[["spam", 0.9], [S, 0.95]]],
    [["spam", 0.1], [S, 0.9]],
    {"predictions": [[["a", 0.1], [S, 0.9]]]},
    {"instances": [[["a", 0.1], [S, 0.9]]]},
    {"labels": ["a", S], "scores": [0.1, 0.9]},
    {"labels": ["a", "b"], "scores": [0.1, float(S)], "sequence": "s"},
    {"predictions": [{"displayNames": ["a", S], "confidences": [0.1, 0.9], "ids": ["1", "2"]}]},
    [[{"label": "spam", "score": 0.1}, {"label": S, "score": 0.9}]],
    {"x": 1, "top": [{"label": "a", "p": 0.1}, {"label": S, "p": 0.9}]},
    # Values without a name, and keys that are values.
    {"name": None, "index": [0, 1], "data": [V, 2]},
    {"x": {"name": None, "index": [0, 1], "data": [V, 2]}},
    {"u1@x.com": [V, 1], "u2@x.com": [3, 4]},
    {"u1@x.com": V, "u2@x.com": 3},
    {"a": {"u1@x.com": [V, 1], "u2@x.com": [3, 4]}, "b": {"u1@x.com": 1, "u2@x.com": 2}},
    {"instances": {"u1@x.com": [V, 1], "u2@x.com": [3, 4]}},
    [V, 1],
    V,
    # Columns that are computed.
    {"object": "chat.completion", "choices": [{"text": "abc"}], "usage": {"prompt_tokens": V}},
    {"model": "m", "messages": [{"role": "user", "content": "x" * 77}]},
    {"model": "m", "message": {"role": "assistant", "content": "abc"}, "done": True, "eval_count": V},
    {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"candidatesTokenCount": V}},
    {"finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "abc"}]}},
    {"generated_text": "abc", "details": {"generated_tokens": V, "finish_reason": "length"}},
)  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("carrier", [JSON, "application/x-ndjson", EVENTS, "text/plain"])
def test_a_column_that_a_decoder_names_does_not_leave(document: Any, carrier: str) -> None:
    body = json.dumps(document).encode()
    if carrier == EVENTS:
        body = b"data: " + body + b"\n\n"
    elif carrier != JSON and not isinstance(document, int):
        body += b"\n" + body if "ndjson" in carrier else b""
    for role in Role.INPUT, Role.OUTPUT:
        check(Given(body, carrier, role))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_column_of_a_generated_stream_does_not_leave_under_its_name(dialect: Dialect) -> None:
    check(Given(b"".join(dialect.frames), dialect.media, Role.OUTPUT))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("media", [CSV, f"{CSV}; header=present", "text/tab-separated-values"])
@pytest.mark.parametrize(
    "header",
    [
        ("x", "x"),
        ("x", "ssn "),
        (" ssn", "x"),
        ("x", "12"),
        ("x", "1234.5"),
        ("x", ""),
        ("x", 'ss""n'),
        ("x", '"a{0}b"'),
        ("x", '"a\nb"'),
        ("x", "nume\u0301ro"),
    ],
)
def test_a_column_of_a_table_does_not_leave(
    header: tuple[str, ...], media: str, delimiter: str
) -> None:
    for cells in ((S, "1"), ("1", S), (S, S)):
        rows = (tuple(one.format(delimiter) for one in header), cells, ("2", "3"), ("4", "5"))
        check(Given("\n".join(map(delimiter.join, rows)).encode(), media))
    check(Given("\n".join(map(delimiter.join, ((S, "1"), ("2", "3")))).encode(), media))


def test_the_other_columns_of_a_table_keep_their_names() -> None:
    for body, media in (
        (json.dumps({"columns": ["x", "x", "x"], "data": [[1, 2, 3]]}).encode(), JSON),
        (b"x,x,x\n1,2,3\n", CSV),
    ):
        _, left = handed_over(Given(body, media), "x.1")
        assert columns(left) == {"x": [1], "x.2": [3]}
    table = {"columns": ["x", "1234.5", "y"], "data": [[1, 2, 3]]}
    _, left = handed_over(Given(json.dumps(table).encode(), JSON), "1")
    assert columns(left) == {"x": [1], "y": [3]}


@pytest.mark.parametrize(
    ("body", "media", "kept"),
    [
        (b"sep=;\nssn;a;b\n1;2;3\n3;4;6\n", "text/tab-separated-values", {"a": [2, 4], "b": [3, 6]}),
        (b"sep=,\nssn,a;q,b\n1,x;y,2\n3,u;v,4\n", CSV, {"a;q": ["x;y", "u;v"], "b": [2, 4]}),
        (b"sep=;\r\nssn;a,q\r\n1;x,y\r\n3;u,v\r\n", CSV, {"a,q": ["x,y", "u,v"]}),
        (b"ssn,a;q\n1,x;y\n3,u;v\n", CSV, {"a;q": ["x;y", "u;v"]}),
    ],
)  # fmt: skip
def test_a_table_without_a_column_keeps_its_delimiter(
    body: bytes, media: str, kept: Columns
) -> None:
    given = Given(body, media)
    whole = columns(given)
    assert isinstance(whole, Mapping)
    assert {name: cells for name, cells in whole.items() if name != "ssn"} == kept
    _, left = handed_over(given, "ssn")
    assert columns(left) == kept


@pytest.mark.parametrize(
    ("rule", "left"),
    [("label", {"confidences.0": [0.25], "confidences.1": [0.75]}), ("score", {"displayNames": [["a", "b"]]})],
)  # fmt: skip
def test_of_a_list_of_labels_and_one_of_scores_the_other_stays(rule: str, left: Any) -> None:
    body = json.dumps({"displayNames": ["a", "b"], "confidences": [0.25, 0.75]}).encode()
    _, given = handed_over(Given(body, JSON, Role.OUTPUT), rule)
    assert columns(given) == left


@pytest.mark.parametrize(("rule", "key"), [("nume\u0301ro", "num\u00e9ro"), ("num\u00e9ro", "nume\u0301ro")])  # fmt: skip
def test_a_rule_and_a_key_are_equal_if_they_look_equal(rule: str, key: str) -> None:
    _, left = handed_over(
        Given(json.dumps({key: V, "y": 1}, ensure_ascii=False).encode(), JSON), rule
    )
    assert columns(left) == {"y": [1]}


def test_tensors_are_split_where_the_header_says() -> None:
    """The JSON is padded, so that parsing it would find another end."""
    tensors = [
        {"name": name, "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}
        for name in ("ssn", "age")
    ]
    head = json.dumps({"inputs": tensors}).encode() + b"    "
    body = head + SECRET.to_bytes(8, "little") + (31).to_bytes(8, "little")
    given = Given(body, "application/octet-stream", header_length=str(len(head)))
    packed, left = handed_over(given, "ssn")
    assert columns(left) == {"age": [31]}
    assert SECRET.to_bytes(8, "little")[:4] not in packed
