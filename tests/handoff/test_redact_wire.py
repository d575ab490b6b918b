"""No byte of a named field leaves the process, whatever protocol, carrier and content type."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wire_forms import CARRIERS, CONTENT_TYPES, EVENTS, JSON, NDJSON, SECRET, SURE, UNSURE

from nilometer.decode import Side, decode_exchange
from nilometer.handoff.redact import Redaction
from nilometer.profiling.observation import Observation
from nilometer.profiling.profiling import Profiling
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.labels import Labels
from nilometer.values.redacted import WITHHELD

Columns = Mapping[str, list[Any]]


def observation(
    body: bytes | None,
    content_type: str,
    *,
    ends: tuple[bytes, bytes] | None = None,
    response: bytes | None = b"{}",
    response_type: str = JSON,
) -> Observation:
    return Observation(
        *(1, 0.5, 200, "ok", "POST", "/p", 1, 1, content_type, "", response_type, "", body),
        None if ends else response,
        labels={},
        response_ends=ends,
    )


def handed_off(redaction: Redaction | None, one: Observation) -> tuple[bytes, Observation]:
    assert redaction is not None
    (packed,) = redaction.redacted_all([msgspec.msgpack.encode(one)])
    return packed, msgspec.msgpack.decode(packed, type=Observation)


def columns(body: bytes | None, content_type: str, role: Role = Role.INPUT) -> Columns | str:
    """The columns of a body, or why it has none."""
    side = Side()
    try:
        decode_exchange(body, content_type, "", role, side, method="POST", path="/p")
    except Undecodable as error:
        return error.reason
    return {
        name: cells.tolist() if isinstance(cells, np.ndarray) else [*cells]
        for name, cells in side.columns(set()).items()
    }


def is_named(name: str) -> bool:
    return "ssn" in name.split(".") or "[ssn]" in name


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("rule", ["ssn", "*.ssn", "input.ssn", "s?n"])
def test_no_byte_of_a_named_field_leaves(carrier: str, rule: str) -> None:
    redaction = Redaction.of([rule], [])
    for document in (*SURE.values(), *UNSURE.values()):
        carried = CARRIERS[carrier](document)
        for content_type in CONTENT_TYPES:
            packed, _ = handed_off(redaction, observation(carried.body, content_type))
            for secret in (f"{SECRET}", f"{SECRET:,}", f"{SECRET}".encode("utf-16-le").decode()):
                assert secret.encode() not in packed, (document, content_type)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_all_other_columns_are_decoded_as_without_redaction(carrier: str) -> None:
    redaction = Redaction.of(["ssn"], [])
    for protocol, document in SURE.items():
        carried = CARRIERS[carrier](document)
        for content_type in carried.content_types:
            _, one = handed_off(redaction, observation(carried.body, content_type))
            before = columns(carried.body, content_type)
            after = columns(one.request_body, one.request_type)
            case = (protocol, content_type, after)
            assert not isinstance(before, str), case
            assert not isinstance(after, str), case
            assert not any(map(is_named, after)), case
            for name, cells in before.items():
                # A cell that holds the field, or counts its cells, is another one without it.
                of_tensor = {"shape", "datatype", "values"} & set(name.split(".")[-2:])
                hidden = of_tensor or "ssn" in str(cells) or f"{SECRET}" in str(cells)
                if not is_named(name) and not hidden:
                    # Tensors under an unknown key are rows: there is one row less.
                    left = cells[1:] if protocol == "result tensors" else cells
                    assert json.dumps(after[name]) in map(json.dumps, (left, cells)), (*case, name)


@pytest.mark.parametrize("document", UNSURE)
def test_a_document_that_does_not_tell_is_withheld_and_counted_so(document: str) -> None:
    redaction = Redaction.of(["ssn"], [])
    body = json.dumps(UNSURE[document]).encode()
    one = observation(body, JSON, response=body, response_type=JSON)
    _, one = handed_off(redaction, one)
    assert (one.request_body, one.request_type) == (b"", WITHHELD)
    assert (one.response_body, one.response_type) == (b"", WITHHELD)
    profiling = Profiling("tested", Labels(), 60 * 10**9)
    profiling.observe([one])
    (profile,) = profiling.take()
    assert profile.coverage.undecodable == {"withheld": 1}


def test_a_withheld_side_is_lost_beside_the_other_one() -> None:
    redaction = Redaction.of(["ssn"], [])
    body = json.dumps(UNSURE["header row"]).encode()
    given = observation(body, JSON, response=b'{"y": 1}')
    _, one = handed_off(redaction, given)
    profiling = Profiling("tested", Labels(), 60 * 10**9)
    profiling.observe([one, msgspec.structs.replace(one, method="GET")])
    (profile,) = profiling.take()
    assert profile.coverage.lost_inputs == {"withheld": 2}


@pytest.mark.parametrize("media", [EVENTS, NDJSON, JSON, "text/plain", ""])
@pytest.mark.parametrize("carrier", ["line", "lines", "events", "events, CRLF", "events, CR"])
def test_no_byte_of_a_named_field_leaves_with_the_ends_of_a_stream(
    media: str, carrier: str
) -> None:
    redaction = Redaction.of(["ssn"], [])
    for document in SURE.values():
        text = CARRIERS[carrier](document).body * 2
        cuts = range(0, len(text), 1 + len(text) // 12)
        for begins, ends in [(one, two) for one in cuts for two in cuts if one <= two]:
            one = observation(b"{}", JSON, ends=(text[:begins], text[ends:]), response_type=media)
            packed, _ = handed_off(redaction, one)
            # The gap may cut the secret itself: some of its digits are no secret.
            for part in (f"{SECRET}"[:6], f"{SECRET}"[2:]):
                assert part.encode() not in packed, (begins, ends)


@pytest.mark.parametrize(
    ("carrier", "media"),
    [("lines", NDJSON), ("events", EVENTS), ("events, CR", EVENTS), ("events, CRLF", EVENTS)],
)
def test_the_ends_of_a_stream_are_decoded_without_the_field(carrier: str, media: str) -> None:
    redaction = Redaction.of(["ssn"], [])
    text = CARRIERS[carrier]({"ssn": SECRET, "age": 31}).body
    one = observation(b"{}", JSON, ends=(text, b"\n\n" + text), response_type=media)
    _, one = handed_off(redaction, one)
    side = Side()
    decode_exchange(None, media, "", Role.OUTPUT, side, ends=one.response_ends)
    assert set(side.columns(set())) == {"age"}
    assert set(side.columns(set())["age"]) == {31}


def test_no_byte_of_a_named_field_leaves_beside_the_bodies() -> None:
    redaction = Redaction.of(["ssn"], [])
    values = {"input": {"ssn": SECRET, "age": 31}, "input.ssn": [SECRET], "ssn": SECRET, "y": 1}
    one = msgspec.structs.replace(
        observation(b"{}", JSON),
        path=f"/predict;ssn={SECRET}",
        query=f"ssn={SECRET}&age=31&doc=%7B%22ssn%22%3A{SECRET}%7D",
        prediction_id=f"ssn:{SECRET}",
        labels={"ssn": f"{SECRET}", "tier": f"ssn={SECRET}", "zone": "a"},
        values=msgspec.msgpack.encode(values),
        response_type=f"application/json; ssn={SECRET}",
    )
    packed, one = handed_off(redaction, one)
    assert f"{SECRET}".encode() not in packed
    assert one.query == "age=31&doc=%7B%7D"
    assert one.labels == {"tier": "[redacted]", "zone": "a"}
    assert msgspec.msgpack.decode(one.values) == {"input": {"age": 31}, "y": 1}


def test_values_that_do_not_tell_are_withheld() -> None:
    redaction = Redaction.of(["ssn"], [])
    values = msgspec.msgpack.encode({"header": ["ssn"], "row": [SECRET]})
    one = msgspec.structs.replace(observation(b"", ""), values=values, values_only=True)
    packed, one = handed_off(redaction, one)
    assert f"{SECRET}".encode() not in packed
    profiling = Profiling("tested", Labels(), 60 * 10**9)
    profiling.observe([one])
    (profile,) = profiling.take()
    assert profile.coverage.undecodable == {"withheld": 1}


LEAVES = st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=3) | st.just("user")
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.sampled_from(["data", "ssn"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def with_secrets(tree: Any, *, named: bool = False) -> Any:
    """The *tree*, with the secret in the place of each number below a key ``ssn``."""
    if isinstance(tree, dict):
        return {key: with_secrets(one, named=named or key == "ssn") for key, one in tree.items()}
    if isinstance(tree, list):
        return [with_secrets(one, named=named) for one in tree]
    return SECRET if named else tree


@given(TREES, st.sampled_from(sorted(CARRIERS)), st.sampled_from(CONTENT_TYPES))
def test_no_secret_comes_through_whatever_the_document(
    tree: Any, carrier: str, content_type: str
) -> None:
    redaction = Redaction.of(["ssn"], ["email"])
    body = CARRIERS[carrier](with_secrets(tree)).body
    packed, _ = handed_off(redaction, observation(body, content_type))
    assert f"{SECRET}".encode() not in packed
