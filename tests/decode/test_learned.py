import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.bodies.column_names import VALUE
from nilometer.decode.body import decode_exchange
from nilometer.decode.columns import Block, Side
from nilometer.decode.learned import EXAMPLES, LONGEST_PAUSE, Shapes
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable


def generally(bodies: list[bytes]) -> dict[str, list[Any]]:
    """The columns as the general way has them."""
    side = Side()
    for body in bodies:
        decode_exchange(body, "application/json", "", Role.INPUT, side)
    return {name: list(column) for name, column in side.columns(set()).items()}


def columns(block: Block) -> dict[str, list[Any]]:
    return {
        name: column.tolist() if isinstance(column, np.ndarray) else list(column)
        for name, column in block.columns.items()
    }


def bodies_of(rows: list[Any]) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]


rows = st.fixed_dictionaries(
    {"amount": st.floats(-1e300, 1e300), "count": st.integers(-(2**53), 2**53)},
)
mixed = st.fixed_dictionaries(
    {"amount": st.floats(-1e300, 1e300), "name": st.text(max_size=5), "vip": st.booleans()},
)


@given(st.lists(rows, min_size=1, max_size=30) | st.lists(mixed, min_size=1, max_size=30))
def test_a_learned_shape_reads_what_the_general_way_reads(objects: list[dict[str, Any]]) -> None:
    bodies = bodies_of(objects)
    block = Shapes("inputs").read(bodies)
    assert block is not None
    assert (block.rows, columns(block)) == (len(bodies), generally(bodies))


@pytest.mark.parametrize("shape", [[1], [1, 1], [1, 3], [4], [4, 2]])
def test_tensors_of_one_shape_are_read_at_once(shape: list[int]) -> None:
    size = math.prod(shape)
    bodies = bodies_of(
        [
            {
                "inputs": [
                    {"name": name, "shape": shape, "datatype": "FP64", "data": data}
                    for name, data in (
                        ("x", [base + at for at in range(size)]),
                        ("y", [0.5] * size),
                    )
                ]
            }
            for base in range(20)
        ]
    )
    block = Shapes("inputs").read(bodies)
    assert block is not None
    assert columns(block) == generally(bodies)
    assert block.rows == 20 * shape[0]


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("inputs", {"jsonData": 5.0}),
        ("inputs", {"dataframe_split": 5.0}),
        ("outputs", {"object": "chat.completion", "id": "1"}),
        ("outputs", {"object": "cat"}),  # text may be that of a protocol in the next body
        ("inputs", {"prompt": "x"}),  # its path decides
    ],
)
def test_an_object_of_a_protocol_is_read_the_general_way(key: str, body: dict[str, Any]) -> None:
    assert Shapes(key).read(bodies_of([body] * EXAMPLES)) is None


@pytest.mark.parametrize("body", [{"data": 5.0}, {"input": 1.5}, {"prompts": "x"}])
def test_an_object_that_only_looks_like_one_of_a_protocol_is_learned(body: dict[str, Any]) -> None:
    bodies = bodies_of([body] * EXAMPLES)
    block = Shapes("inputs").read(bodies)
    assert block is not None
    assert columns(block) == generally(bodies)


def test_bare_numbers_are_a_column() -> None:
    block = Shapes("inputs").read([b"1", b"2.5"] * 10)
    assert block is not None
    assert columns(block) == {VALUE: [1.0, 2.5] * 10}


ODD = [
    b'{"amount": 1.0}',  # a field is absent
    b'{"amount": 1.0, "count": 2, "more": 3}',
    b'{"amount": "1.0", "count": 2}',
    b'{"amount": null, "count": 2}',
    b'{"amount": NaN, "count": 2}',
    b'{"amount": true, "count": 2}',
    b'{"amount": 1.0, "count": 1' + b"0" * 400 + b"}",
    b'{"amount": 1.0, "count": [2]}',
    b"{",
    b"",
    b"[]",
    b"\xff",
    None,
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:30])
@pytest.mark.parametrize("position", [0, 5, EXAMPLES + 1, 29])
def test_a_body_of_another_shape_sends_all_the_general_way(
    odd: bytes | None, position: int
) -> None:
    good: list[bytes | None] = [*bodies_of([{"amount": 1.5, "count": 2}] * 29)]
    shapes = Shapes("inputs")
    bodies = [*good[:position], odd, *good[position:]]
    assert shapes.read(bodies) is None
    shapes.read(good)  # the pause
    assert shapes.read(good) is not None


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=20))
def test_noise_is_never_read(bodies: list[bytes]) -> None:
    block = Shapes("inputs").read(bodies)
    if block is not None:
        try:
            assert block.rows == len(generally(bodies)[next(iter(block.columns))])
        except Undecodable:
            pytest.fail("what the general way refuses was read")


@given(st.dictionaries(st.text('ab. "\\\\\n\x00\x7f\u2028', max_size=3), st.just(1.5), min_size=1))
def test_a_field_of_any_name_is_read_like_the_general_way_or_not_at_all(
    row: dict[str, float],
) -> None:
    bodies = bodies_of([row] * EXAMPLES)
    block = Shapes("inputs").read(bodies)
    if block is not None:
        assert columns(block) == generally(bodies)


def test_a_field_with_a_quote_in_its_name_is_read_the_general_way() -> None:
    """A structure of msgspec cannot have such a field."""
    for name in ('a"b', "a\\b", "a\nb"):
        assert Shapes("inputs").read(bodies_of([{name: 1.5}] * EXAMPLES)) is None


def test_a_shape_that_keeps_changing_is_looked_for_less_and_less() -> None:
    shapes = Shapes("inputs")
    tried = []
    good, bad = bodies_of([{"a": 1.0}] * 20), bodies_of([{"a": 1.0}] * 19 + [{"b": 1.0}])
    for attempt in range(400):
        before = shapes._wait
        shapes.read(bad)
        if before == 0:
            tried.append(attempt)
    gaps = np.diff(tried)
    assert gaps[0] < gaps[-1] <= LONGEST_PAUSE + 1
    while shapes.read(good) is None:
        pass
    assert shapes._pause == 1
