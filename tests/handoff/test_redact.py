"""Redaction removes what a rule names before a body leaves the process, or withholds the body."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.handoff.named_fields import NamedFields
from nilometer.handoff.redact import Redaction
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import Observation
from nilometer.profiling.profiling import Profiling
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.redacted import REDACTED, WITHHELD

JSON = "application/json"
CARD = "4111 1111 1111 1111"


def redacted(
    body: Any,
    *,
    fields: tuple[str, ...] = (),
    values: tuple[str, ...] = (),
    media: str = JSON,
    encoding: str = "",
    rest: tuple[Any, ...] = (),
) -> Observation:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    rules = Redaction.of(fields, values)
    assert rules is not None
    array = (
        1,
        0.5,
        200,
        "ok",
        "POST",
        "/p",
        1,
        1,
        media,
        encoding,
        JSON,
        "",
        raw,
        b"{}",
        "",
        1,
        0.1,
    )
    return Observation(*rules.redacted((*array, *rest)))


@pytest.mark.parametrize(
    ("body", "fields", "left"),
    [
        ({"ssn": "1", "age": 2}, ("ssn",), {"age": 2}),
        ({"user": {"ssn": "1", "age": 2}}, ("ssn",), {"user": {"age": 2}}),
        ({"user": {"id": "1"}, "id": 2}, ("user.id",), {"user": {}, "id": 2}),
        ({"user": {"id": "1"}, "id": 2}, ("input.user.*",), {"user": {}, "id": 2}),
        ([{"a": 1, "b": 2}] * 2, ("a",), [{"b": 2}] * 2),
        ({"instances": [{"name": "x", "y": 1}]}, ("*name",), {"instances": [{"y": 1}]}),
        (
            {"inputs": [{"name": "ssn", "data": [1]}, {"name": "age", "data": [2]}]},
            ("ssn",),
            {"inputs": [{"name": "age", "data": [2]}]},
        ),
        (
            {"dataframe_split": {"columns": ["ssn", "age"], "index": [0], "data": [[1, 2]]}},
            ("ssn",),
            {"dataframe_split": {"columns": ["age"], "index": [0], "data": [[2]]}},
        ),
        (
            {"input_data": [{"fields": ["ssn", "a"], "values": [["1", 2]]}]},
            ("ssn",),
            {"input_data": [{"fields": ["a"], "values": [[2]]}]},
        ),
        (
            {"fields": ["a", "b"], "values": [1, 42], "more": 1},
            ("values.1",),
            {"fields": ["a", "b"], "values": [1, None], "more": 1},
        ),
        ({"a": float("nan"), "b": 1}, ("b",), {"a": float("nan")}),
    ],
)
def test_fields_are_removed_by_name(body: Any, fields: tuple[str, ...], left: Any) -> None:
    observation = redacted(body, fields=fields)
    assert observation.request_body is not None
    assert json.dumps(json.loads(observation.request_body)) == json.dumps(left)
    assert observation.request_type == JSON


@pytest.mark.parametrize(
    ("rule", "text", "left"),
    [
        ("email", "to ada@example.org.", f"to {REDACTED}."),
        ("card", f"card {CARD}!", f"card {REDACTED}!"),
        ("card", "order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
        ("iban", "DE89 3704 0044 0532 0130 00", REDACTED),
        ("phone", "call +49 30 901820 now", f"call {REDACTED} now"),
        ("ssn", "078-05-1120", REDACTED),
        ("ip", "from 192.168.0.17", f"from {REDACTED}"),
        ("token", "sk-abcdefghijklmnopqrstuv", REDACTED),
        (r"PAT\d+", "patient PAT123", f"patient {REDACTED}"),
    ],
)
def test_text_is_replaced_by_pattern(rule: str, text: str, left: str) -> None:
    observation = redacted({"note": [text], "n": 1.5}, values=(rule,))
    assert json.loads(observation.request_body or b"") == {"note": [left], "n": 1.5}
    plain = redacted(text.encode(), values=(rule,), media="text/plain")
    assert plain.request_body == left.encode()


def test_a_number_may_be_a_card() -> None:
    observation = redacted({"card": 4111111111111111, "price": 1234567}, values=("card",))
    assert json.loads(observation.request_body or b"") == {"card": REDACTED, "price": 1234567}


@pytest.mark.parametrize(
    ("body", "media", "encoding"),
    [
        (b"\x1f\x8b\x08\x00zzz", JSON, "gzip"),
        (b"\x00\xff\x10", "application/octet-stream", ""),
        (b'{"ssn": "1"', JSON, ""),
        (b"name,more\nada,ssn=1\n", "text/csv", ""),
        (b"[" * 200 + b"]" * 200, JSON, ""),
        (b"\x0a\x03abc", "application/grpc", ""),
    ],
)
def test_what_cannot_be_told_apart_is_withheld_whole(
    body: bytes, media: str, encoding: str
) -> None:
    observation = redacted(body, fields=("ssn",), media=media, encoding=encoding)
    assert (observation.request_body, observation.request_type) == (b"", WITHHELD)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"ada@example.org": 1}, {REDACTED: 1}),
        (
            {"ada@example.org": {"age": 41}, "bo@example.org": {"age": 23}, "c@example.org": 1},
            {REDACTED: {"age": 41}, f"{REDACTED} 2": {"age": 23}, f"{REDACTED} 3": 1},
        ),
        ({"of ada@example.org": {"bo@example.org": [1]}}, {f"of {REDACTED}": {REDACTED: [1]}}),
        (
            {"dataframe_split": {"columns": ["ada@example.org"], "data": [[1]]}},
            {"dataframe_split": {"columns": [REDACTED], "data": [[1]]}},
        ),
        (
            {"inputs": [{"name": "ada@example.org", "data": [1]}]},
            {"inputs": [{"name": REDACTED, "data": [1]}]},
        ),
    ],
)
def test_keys_and_names_of_columns_are_redacted_as_values_are(body: Any, left: Any) -> None:
    observation = redacted(body, values=("email",))
    assert json.loads(observation.request_body or b"") == left


def test_names_of_fields_of_forms_and_headers_of_tables_are_redacted() -> None:
    form = redacted(
        b"ada%40example.org=1&age=2", values=("email",), media="application/x-www-form-urlencoded"
    )
    assert form.request_body == b"[redacted]=1&age=2"
    table = redacted(b"age,ada@example.org\n1,2\n", values=("email",), media="text/csv")
    assert table.request_body == b"age,[redacted]\n1,2\n"
    part = b'--x\r\nContent-Disposition: form-data; name="ada@example.org"\r\n\r\n1\r\n--x--\r\n'
    parts = redacted(part, values=("email",), media="multipart/form-data; boundary=x")
    assert parts.request_body == part.replace(b"ada@example.org", REDACTED.encode())


def test_what_is_redacted_in_a_key_names_no_feature() -> None:
    observation = redacted(
        {"ada@example.org": {"age": 41}, "bo@x.org": {"age": 2}}, values=("email",)
    )
    profiling = Profiling("tested", Labels(), 60 * 10**9)
    profiling.observe([observation])
    (profile,) = profiling.take()
    assert [name for name in profile.features if name.startswith("input.")] == ["input.age"]


def test_forms_lines_and_events_are_told_apart() -> None:
    form = redacted(
        b"ssn=1&age=2&mail=a%40b.org",
        fields=("ssn",),
        values=("email",),
        media="application/x-www-form-urlencoded",
    )
    assert form.request_body == b"age=2&mail=[redacted]"
    lines = redacted(
        b'{"ssn": 1, "a": 2}\n{"a": 3}\n', fields=("ssn",), media="application/x-ndjson"
    )
    assert lines.request_body == b'{"a": 2}\n{"a": 3}\n'
    events = redacted(
        b'data: {"ssn": 1, "a": 2}\n\ndata: [DONE]\n\n', fields=("ssn",), media="text/event-stream"
    )
    assert events.request_body == b'data: {"a": 2}\n\ndata: [DONE]\n\n'
    table = redacted(b"name,ssn\nada,1\n", fields=("ssn",), media="text/csv")
    assert table.request_body == b"name\nada\n"


def test_labels_values_path_and_query_are_redacted_too() -> None:
    values = msgspec.msgpack.encode({"ssn": "1", "mail": "a@b.org", "age": 2})
    rest = (
        1,
        b"",
        "",
        "a@b.org",
        "",
        "",
        {"mail": "a@b.org", "ssn": "1"},
        values,
        "ssn=1&m=a@b.org",
    )
    observation = redacted({}, fields=("ssn",), values=("email",), rest=rest)
    assert observation.prediction_id == REDACTED
    assert observation.labels == {"mail": REDACTED}
    assert msgspec.msgpack.decode(observation.values) == {"mail": REDACTED, "age": 2}
    assert observation.query == f"m={REDACTED}"


SECRET = "secret-7f3a"
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(SECRET)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.just("hidden"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(TREES)
def test_no_secret_comes_through_whatever_the_shape(tree: Any) -> None:
    rules = {"fields": ("hidden",), "values": (SECRET,)}
    observation = redacted(json.dumps(tree).encode(), **rules)  # type: ignore[arg-type]
    assert SECRET.encode() not in (observation.request_body or b"")
    if observation.request_type != WITHHELD:
        assert b'"hidden":' not in (observation.request_body or b"")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redact_values": ("(",)}, "redact_values = '\\('"),
        ({"return_prediction_id": "bad name"}, "must be a header's name"),
        ({"label_headers": {"Bad": "x"}}, "label key 'Bad'"),
    ],
)
def test_a_rule_that_is_none_stops_the_start(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CaptureSettings(entity="e", **options)


def ends_redacted(
    start: bytes, end: bytes, media: str = "text/event-stream", encoding: str = ""
) -> Observation:
    rules = Redaction.of(("ssn",), ("email",))
    assert rules is not None
    one = Observation(
        *(1, 0.5, 200, "ok", "POST", "/p", 1, 1, JSON, "", media, encoding, b"{}", None),
        labels={},
        response_ends=(start, end),
    )
    (packed,) = rules.redacted_all([msgspec.msgpack.encode(one)])
    return msgspec.msgpack.decode(packed, type=Observation)


@pytest.mark.parametrize(
    ("media", "line"),
    [
        ("text/event-stream", b'data: {"n": %d, "ssn": "123", "to": "a@b.org"}\n\n'),
        ("application/x-ndjson", b'{"n": %d, "ssn": "123", "to": "a@b.org"}\n'),
        ("application/x-jsonlines", b'{"n": %d, "ssn": "123", "to": "a@b.org"}\n'),
    ],
)
def test_both_ends_of_a_stream_are_redacted_wherever_the_gap_cuts(media: str, line: bytes) -> None:
    text = b"".join(line % number for number in range(4))
    for begins in range(0, len(text), 3):
        for ends in range(begins, len(text), 5):
            one = ends_redacted(text[:begins], text[ends:], media)
            assert one.response_ends is not None
            for part in one.response_ends:
                for secret in (b"ssn", b"123", b"a@b.org", b"@b", b"a@"):
                    assert secret not in part
    both = ends_redacted(text, text, media).response_ends
    assert both is not None
    assert b'"n": 3' in both[1]


@pytest.mark.parametrize(
    ("start", "end", "encoding"),
    [
        (b"data: plain text\n\n", b"\n\n", ""),
        (b"\n\n", b"\n\ndata: plain text\n\n", ""),
        (b"\x1f\x8b\n", b"\n", "gzip"),
        (b"\xff\n", b"\n", ""),
    ],
)
def test_ends_that_cannot_be_told_apart_are_withheld_both(
    start: bytes, end: bytes, encoding: str
) -> None:
    one = ends_redacted(start, end, encoding=encoding)
    assert (one.response_ends, one.response_body, one.response_type) == (None, None, WITHHELD)


@pytest.mark.parametrize(
    ("body", "fields", "left"),
    [
        (
            {"instances": [[1, 42], [2, 42]]},
            "input.instances.1",
            {"instances": [[1, None], [2, None]]},
        ),
        ([[42, 1], [42, 2]], "value.0", [[None, 1], [None, 2]]),
        ({"data": {"ndarray": [[42, 1]]}}, "data.0", {"data": {"ndarray": [[None, 1]]}}),
        (
            {"data": {"tensor": {"shape": [1, 2], "values": [1, 42]}}},
            "data.1",
            {"data": {"tensor": {"shape": [1, 2], "values": [1, None]}}},
        ),
        (
            {"inputs": [{"name": "x", "shape": [2, 2], "data": [1, 42, 2, 42]}]},
            "x.1",
            {"inputs": [{"name": "x", "shape": [2, 2], "data": [1, None, 2, None]}]},
        ),
        (
            {"instances": [{"user": {"id": 42, "a": 1}}]},
            "input.user.id",
            {"instances": [{"user": {"a": 1}}]},
        ),
        ({"ssn": 42, "a": 1}, "output.ssn", {"ssn": 42, "a": 1}),
        ({"SSN": 42}, "ssn", {"SSN": 42}),
        ({"note": "What is your name, Ada?"}, "your", {"note": "What is your name, Ada?"}),
        (
            {"model": "m", "user": "jo", "messages": [{"role": "user"}]},
            "user",
            {"model": "m", "messages": [{"role": "user"}]},
        ),
        ({"inputs": [{"name": "x", "data": [42]}], "id": "i"}, "x", {"id": "i"}),
    ],
)
def test_a_rule_is_the_name_of_a_column(body: Any, fields: str, left: Any) -> None:
    observation = redacted(body, fields=(fields,))
    assert json.loads(observation.request_body or b"null") == left


@pytest.mark.parametrize(
    ("body", "field", "media"),
    [
        ([42, 42], "value", JSON),
        (42, "input.value", JSON),
        ({"2026-01-01": 42, "2026-01-02": 42}, "value", JSON),
        (b"42,1\n42,2\n", "0", "text/csv"),
        ({"channel": "email"}, "email", JSON),
    ],
)
def test_a_column_that_no_key_names_withholds_the_body(body: Any, field: str, media: str) -> None:
    observation = redacted(body, fields=(field,), media=media)
    assert (observation.request_body, observation.request_type) == (b"", WITHHELD)


def test_a_rule_of_wildcards_leaves_path_and_content_type() -> None:
    observation = redacted({"a": 1}, fields=("*",))
    assert (observation.request_body, observation.request_type) == (b"{}", JSON)
    assert observation.path == "/p"


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=ISO-8859-1"])
def test_json_in_utf_8_is_redacted_whatever_encoding_is_declared(charset: str) -> None:
    one = redacted(
        {"num\u00e9ro": "735192", "ville": "Z\u00fcrich"},
        fields=("num\u00e9ro",),
        media=JSON + charset,
    )
    assert msgspec.json.decode(one.request_body or b"") == {"ville": "Z\u00fcrich"}


def test_a_rule_with_brackets_is_the_name_with_brackets() -> None:
    one = redacted({"user[ssn2]": "735192", "b": 1}, fields=("user[ssn2]",))
    assert msgspec.json.decode(one.request_body or b"") == {"b": 1}


@given(
    st.sampled_from(["x.2", "*.2", "x*", "x.*", "x.[12]", "pii_*", "?.1", "input.x.1", "*", "2"]),
    st.sampled_from(["x", "a.x", "pii_a", "value", "b"]),
)
def test_the_named_places_of_a_vector_are_those_of_its_columns(rule: str, name: str) -> None:
    fields = NamedFields([rule], "input")
    expected = {at for at in range(5) if fields.name(f"{name}.{at}")}
    assert fields.places(name, 5) == expected


def test_a_line_of_too_many_delimiters_is_withheld() -> None:
    one = redacted(b";" * 5000 + b"\n1", fields=("ssn",), media="text/csv")
    assert one.request_type == WITHHELD


@pytest.mark.parametrize(
    "rule",
    ["a.1", "input.a.1", "a.12", "a.01", "1", "b1", "a.*", "*", "?.1", "a.[12]", "[0]", "a.b.1"],
)
@pytest.mark.parametrize("name", ["a", "b", "x.a", "a.b", "a.1"])
def test_the_places_of_columns_are_those_whose_names_a_rule_matches(rule: str, name: str) -> None:
    fields = NamedFields(("zz", rule), "input")
    named = {at for at in range(20) if fields.name(f"{name}.{at}")}
    assert fields.places(name, 20) == named
