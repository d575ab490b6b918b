import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.decode import Side, decode_exchange
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable


def columns_of(body: Any, role: Role = Role.INPUT, content_type: str = "application/json") -> Any:
    side = Side()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    decode_exchange(raw, content_type, "", role, side)
    return {
        name: cells.tolist() if isinstance(cells, np.ndarray) else cells
        for name, cells in side.columns(set()).items()
    }


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        ({"a": 1, "b": "x"}, {"a": [1], "b": ["x"]}),
        ({"a": {"b": {"c": 1}}}, {"a.b.c": [1]}),
        ([{"a": 1}, {"a": 2, "b": 3}], {"a": [1, 2], "b": [None, 3]}),
        ([1, 2.5, None], {"value": [1, 2.5, None]}),
        (0.25, {"value": [0.25]}),
        ({"a": [1, 2]}, {"a.0": [1], "a.1": [2]}),
        ({}, {}),
        ([[1, 2], [3, 4]], {"value.0": [1, 3], "value.1": [2, 4]}),
        ([[1, 2], [3]], {"value": [[1, 2], [3]]}),
        ({"x": [[1, 2]], "y": [["a"]]}, {"x.0": [1], "x.1": [2], "y": ["a"]}),
        ({"x": [[1, 2]], "y": 3}, {"x": [[[1, 2]]], "y": [3]}),
    ],
)
def test_free_json_becomes_columns(body: Any, columns: Any) -> None:
    assert columns_of(body) == columns


@pytest.mark.parametrize(
    ("tensors", "columns"),
    [
        ([{"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]}], {"x": [1, 2, 3]}),
        (
            [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}],
            {"x.0": [1, 3], "x.1": [2, 4]},
        ),
        (
            [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}],
            {"x.0": [1, 3], "x.1": [2, 4]},
        ),
        (
            [
                {"name": "a", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]},
                {"name": "b", "shape": [2], "datatype": "BYTES", "data": ["u", "v"]},
            ],
            {"a": [1, 2], "b": ["u", "v"]},
        ),
        (
            [{"name": "i", "shape": [1, 2, 2], "datatype": "UINT8", "data": [[[1, 2], [3, 4]]]}],
            {"i": [[[1, 2], [3, 4]]]},
        ),
    ],
)
def test_open_inference_tensors_become_columns(tensors: Any, columns: Any) -> None:
    assert columns_of({"id": "7", "inputs": tensors}) == columns
    assert columns_of({"model_name": "m", "outputs": tensors}, Role.OUTPUT) == columns


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"{", "application/json", "malformed"),
        (b"", "application/json", "empty"),
        (b"\xff\xfe", "application/json", "malformed"),
        (b"[" * 100_000, "application/json", "malformed"),
        (b"[[1, 2], 3]", "application/json", "wrong_shape"),
        (b'[{"a": 1}, 2]', "application/json", "wrong_shape"),
        (b"a,b\n1,2", "model/gltf", "unknown_content_type"),
        (
            b'{"inputs": [{"name": "x", "shape": [3], "datatype": "FP32", "data": [1]}]}',
            "application/json",
            "wrong_shape",
        ),
        (
            json.dumps({f"c{i}": i for i in range(2000)}).encode(),
            "application/json",
            "wrong_shape",
        ),
    ],
)
def test_what_is_no_table_has_one_reason(body: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(Undecodable) as refused:
        columns_of(body, content_type=content_type)
    assert refused.value.reason == reason


def test_a_body_over_the_cap_and_an_encoded_one_have_their_reasons() -> None:
    for body, encoding, reason in ((None, "", "too_large"), (b"x", "compress", "encoded")):
        with pytest.raises(Undecodable) as refused:
            decode_exchange(body, "application/json", encoding, Role.INPUT, Side())
        assert refused.value.reason == reason


def test_numbers_that_strict_parsers_refuse_are_taken() -> None:
    (cells,) = columns_of(b"[NaN, Infinity, -Infinity, 1" + b"0" * 400 + b"]").values()
    assert str(cells[0]) == "nan"
    assert cells[1:3] == [float("inf"), float("-inf")]
    assert cells[3] == 10**400


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_undecodable(body: bytes) -> None:
    try:
        columns_of(body)
    except Undecodable as error:
        assert error.reason in {"empty", "malformed", "wrong_shape"}


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.lists(json_values, min_size=1, max_size=5))
def test_columns_always_have_one_cell_a_row(bodies: list[Any]) -> None:
    side = Side()
    for body in bodies:
        try:
            decode_exchange(json.dumps(body).encode(), "application/json", "", Role.INPUT, side)
        except Undecodable:
            continue
    assert {len(cells) for cells in side.columns({"expected"}).values()} == {side.rows}
