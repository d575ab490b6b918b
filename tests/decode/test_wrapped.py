"""Tables under a key, labels with scores, and lists in the cells of rows."""

import json
from typing import Any

import numpy as np
import pytest

from nilometer.decode import Side, decode_exchange
from nilometer.decode.known import Known
from nilometer.decode.lists import MAX_LISTS, MAX_SHORT, ODD_SHARE, SETTLED, Lists
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

RECORDS = [{"a": 1, "b": "x"}, {"a": 2}]
TABLE = {"a": [1, 2], "b": ["x", None]}


def columns(body: Any, **more: Any) -> dict[str, list[Any]]:
    side = Side()
    decode_exchange(json.dumps(body).encode(), "application/json", "", Role.OUTPUT, side, **more)
    return {
        name: cells.tolist() if isinstance(cells, np.ndarray) else list(cells)
        for name, cells in side.columns(set()).items()
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"records": RECORDS}, TABLE),
        ({"größe": RECORDS}, TABLE),
        ({"Inputs": {"WebServiceInput0": RECORDS}}, TABLE),
        ({"input": {"request": {"rows": RECORDS}}}, TABLE),
        ({"model": "m", "took_ms": 3, "results": RECORDS}, {**TABLE, "model": ["m"] * 2, "took_ms": [3] * 2}),
        ({"deployedModelId": "m", "rows": RECORDS}, {**TABLE, "deployedModelId": ["m"] * 2}),
        ({"usage": {"tokens": 5}, "rows": RECORDS}, {**TABLE, "usage.tokens": [5] * 2}),
        ({"id": 7, "rows": [{"id": 1}, {"id": 2}]}, {"id": [1, 2], "id.1": [7, 7]}),
        ({"rows": [{"a": {"b": 1}}]}, {"a.b": [1]}),
        # An order with its items is one row.
        (
            {"amount": 5, "items": [{"sku": "x", "n": 1}, {"sku": "y", "n": 2}]},
            {"amount": [5], "items.sku": [["x", "y"]], "items.n.0": [1], "items.n.1": [2]},
        ),
        ({"text": "t", "tags": [{"a": "u"}]}, {"text": ["t"], "tags.a": [["u"]]}),
        ({"rows": RECORDS, "more": RECORDS}, {"rows.a.0": [1], "rows.a.1": [2], "rows.b": [["x", None]], "more.a.0": [1], "more.a.1": [2], "more.b": [["x", None]]}),
        ({"rows": []}, {"rows": [[]]}),
        # Matrices and frames under a key.
        ({"x": [[1, 2], [3, 4]], "model": "m"}, {"x.0": [1, 3], "x.1": [2, 4], "model": ["m", "m"]}),
        ({"input_data": {"columns": ["a"], "data": [[1]]}, "params": {"k": 2}}, {"a": [1], "params.k": [2]}),
        ({"index": [0, 1], "data": [[1, 2], [3, 4]]}, {"0": [1, 3], "1": [2, 4]}),
        ({"columns": [["a", "b"], ["a", "c"]], "data": [[1, 2]]}, {"a.b": [1], "a.c": [2]}),
        ({"name": "a", "index": [0, 1], "data": [1, 2]}, {"a": [1, 2]}),
        ({"name": None, "index": [0], "data": [1]}, {"value": [1]}),
        (
            {"schema": {"fields": [], "primaryKey": ["key"]}, "data": [{"key": 0, "a": 1}]},
            {"a": [1]},
        ),
        ({"inputs": {"columns": ["a"], "index": [0], "data": [[1]]}}, {"a": [1]}),
        # Names beside the rows, as in Watson Machine Learning and H2O.
        ({"fields": ["a", "b"], "values": [[1, "x"], [2, None]]}, TABLE),
        ({"columns": ["a", "b"], "rows": [[1, "x"], [2, None]]}, TABLE),
        ({"input_data": [{"fields": ["a", "b"], "values": [[1, "x"], [2, None]]}]}, TABLE),
        (
            {"predictions": [{"fields": ["p", "q"], "values": [[0, [0.25, 0.75]], [1, [0.5, 0.5]]]}]},
            {"p": [0, 1], "q.0": [0.25, 0.5], "q.1": [0.75, 0.5]},
        ),
        ({"fields": ["a", "b"], "id": "x", "score": [[1, "x"], [2, None]]}, TABLE),
        ({"fields": ["a"], "values": [[1, 2]]}, {"fields": ["a"], "values.0": [1], "values.1": [2]}),
        ({"fields": ["a"], "values": [[1]], "more": 1}, {"fields": [["a"]], "values": [[[1]]], "more": [1]}),
        # Envelopes with a code and a message.
        ({"code": 0, "msg": "ok", "data": RECORDS}, {**TABLE, "code": [0, 0], "msg": ["ok", "ok"]}),
        # A matrix beside lists, one item per row.
        (
            {"id": "x", "embeddings": [[1, 2], [3, 4]], "texts": ["a", "b"]},
            {"embeddings.0": [1, 3], "embeddings.1": [2, 4], "texts": ["a", "b"], "id": ["x", "x"]},
        ),
        (
            {"basket": [[1, 2], [3, 4]], "coupons": ["A", "B"]},  # as many by chance
            {"basket": [[[1, 2], [3, 4]]], "coupons": [["A", "B"]]},
        ),
        ({"m": [[*range(8)], [*range(8)]], "t": ["a", "b"]}, {**{f"m.{at}": [at, at] for at in range(8)}, "t": ["a", "b"]}),
        ({"m": [[1, 2], [3, 4]], "t": ["a"]}, {"m": [[[1, 2], [3, 4]]], "t": [["a"]]}),
        # Scores beside predictions, one per row.
        (
            {"predictions": ["a", "b"], "probabilities": [[0.1, 0.9], [0.7, 0.3]], "score": [1, 2]},
            {"predictions": ["a", "b"], "probabilities.0": [0.1, 0.7], "probabilities.1": [0.9, 0.3], "score": [1, 2]},
        ),
        ({"predictions": ["a", "b"], "scores": [1]}, {"predictions": ["a", "b"]}),
        # Rows without names.
        ({"data": [41, "north", True, None]}, {"data.0": [41], "data.1": ["north"], "data.2": [True], "data.3": [None]}),
        ({"data": ["north"], "duration": 1}, {"data": ["north"], "duration": [1]}),
        ({"row": [41, "north"], "tags": ["a", "b", "c"]}, {"row.0": [41], "row.1": ["north"], "tags": [["a", "b", "c"]]}),
        # Lists by column.
        ({"a": [1, 2, 3], "b": ["x", "y", None]}, {"a": [1, 2, 3], "b": ["x", "y", None]}),
        ({"a": [1, 2], "b": [1]}, {"a.0": [1], "a.1": [2], "b": [1]}),
        # JSON in a string of JSON.
        (json.dumps({"result": [0, 1]}), {"result": [0, 1]}),
        (' {"a": 1}', {"a": [1]}),
        ("[x", {"value": ["[x"]}),
        ("\ud800{}", {"value": ["\ud800{}"]}),
        ("[\ud800]", {"value": ["[\ud800]"]}),
        ("spam", {"value": ["spam"]}),
    ],
)  # fmt: skip
def test_a_table_under_a_key_is_rows(body: Any, expected: Any) -> None:
    assert columns(body) == expected


def test_a_table_under_a_key_has_bounds() -> None:
    wide = {f"x{at}_id": at for at in range(900)}
    for body in ({**wide, "rows": [{}] * 300}, {**wide, "rows": [[1, 2]] * 300}):
        with pytest.raises(Undecodable) as refused:
            columns(body)
        assert refused.value.reason == "too_large"
    with pytest.raises(Undecodable) as refused:
        columns({"x_id": 0, "rows": [{f"c{at}": at for at in range(1000)}]})
    assert refused.value.reason == "wrong_shape"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([[{"label": "a", "score": 0.2}, {"label": "b", "score": 0.8}]], {"label": ["b"], "score": [0.8]}),
        (
            [[{"label": "a", "score": 0.9}], [{"label": "b", "score": 0.8}]],
            {"label": ["a", "b"], "score": [0.9, 0.8]},
        ),
        ({"results": [[["a", 0.2], ["b", 0.8]]]}, {"label": ["b"], "score": [0.8]}),
        ({"predictions": [[{"class": "a", "confidence": 0.7}]]}, {"class": ["a"], "confidence": [0.7]}),
        # All classes of one input, or one class of several inputs.
        ([{"label": "a", "score": 0.3}, {"label": "b", "score": 0.7}], {"label": ["b"], "score": [0.7]}),
        (
            [{"label": x, "score": s} for x, s in (("a", 0.9), ("b", 0.8), ("c", 0.1))],
            {"label": ["a"], "score": [0.9]},
        ),
        (
            [{"label": "a", "score": 0.9}, {"label": "b", "score": 0.8}],
            {"label": ["a", "b"], "score": [0.9, 0.8]},
        ),
        (
            [{"label": "a", "score": 0.3}, {"label": "a", "score": 0.4}],
            {"label": ["a", "a"], "score": [0.3, 0.4]},
        ),
        (
            {"predictions": [{"label": "a", "score": 0.3}, {"label": "b", "score": 0.4}]},
            {"label": ["a", "b"], "score": [0.3, 0.4]},  # one for each instance
        ),
        # Lists of both.
        (
            {"sequence": "s", "labels": ["a", "b"], "scores": [0.3, 0.7]},
            {"sequence": ["s"], "label": ["b"], "score": [0.7]},
        ),
        (
            {"predictions": [{"displayNames": ["a", "b"], "confidences": [0.6, 0.4], "ids": ["1", "2"]}]},
            {"label": ["a"], "score": [0.6], "ids": [["1", "2"]]},
        ),
        ({"label": "a", "classes": ["a", "b"], "probabilities": [0.6, 0.4]},
         {"label": ["a"], "classes": [["a", "b"]], "probabilities.0": [0.6], "probabilities.1": [0.4]}),
        ({"x": 1, "classes": ["a"], "scores": [0.6, 0.4]},
         {"x": [1], "classes": [["a"]], "scores.0": [0.6], "scores.1": [0.4]}),
        ({"x": 1, "top": [{"label": "a", "p": 0.9}, {"label": "b", "p": 0.1}]},
         {"x": [1], "top.label": ["a"], "top.p": [0.9]}),
    ],
)  # fmt: skip
def test_labels_with_scores_are_the_class_and_its_score(body: Any, expected: Any) -> None:
    assert columns(body) == expected


def test_a_vector_whose_length_changes_is_one_column_until_it_settles() -> None:
    lists = Lists()

    def names(*lengths: int) -> set[str]:
        return {
            *columns(
                [{"x": [0.5] * length, "y": 1} for length in lengths], known=Known(lists=lists)
            ).keys()
        } - {"y"}

    assert names(2, 2) == {"x.0", "x.1"}
    assert names(3, 3) == {"x"}
    for _ in range(SETTLED - 1):
        assert names(3) == {"x"}
    assert names(3) == {"x.0", "x.1", "x.2"}
    assert names(3, 2) == {"x"}
    assert names(0) == {"x"}


def test_one_odd_vector_leaves_the_others_columns() -> None:
    lists = Lists()
    seen = [
        columns({"x": [0.5] * length, "y": 1}, known=Known(lists=lists)).keys() - {"y"}
        for length in (*[2] * ODD_SHARE, 3, *[2] * ODD_SHARE, 1, 2)
    ]
    assert [names == {"x.0", "x.1"} for names in seen].count(False) == 2
    assert seen[ODD_SHARE] == seen[-2] == {"x"}


@pytest.mark.parametrize("length", [MAX_SHORT, MAX_SHORT + 1])
def test_a_short_vector_is_columns_and_a_long_one_is_one(length: int) -> None:
    found = columns({"x": [0.5] * length})
    assert len(found) == (length if length <= MAX_SHORT else 1)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"x": [1, None, 3.5]}, {"x.0": [1], "x.1": [None], "x.2": [3.5]}),
        ({"x": [1, "a"]}, {"x.0": [1], "x.1": ["a"]}),
        ({"x": ["a", "b"]}, {"x": [["a", "b"]]}),
        ({"x": [True, False]}, {"x": [[True, False]]}),
        ({"x": [1, 2], "x.0": 3}, {"x": [[1, 2]], "x.0": [3]}),  # no cell is lost
        ({"x": [[1, 2], [3]]}, {"x": [[[1, 2], [3]]]}),
    ],
)
def test_lists_of_numbers_and_of_several_kinds_become_columns_by_position(
    row: Any, expected: Any
) -> None:
    assert columns({**row, "y": 1}) == {**expected, "y": [1]}


def test_a_vector_that_a_reference_expects_stays_one_column() -> None:
    assert columns({"x": [1, 2]}, known=Known(lists=Lists({"x"}.__contains__))) == {"x": [[1, 2]]}


def test_lengths_of_so_many_lists_are_kept_and_a_flood_of_names_locks_out_no_list() -> None:
    lists = Lists()
    for at in range(3):
        found = columns(
            {f"x{at}_{one}": [1, 2] for one in range(MAX_LISTS)} | {"y": 1},
            known=Known(lists=lists),
        )
        assert len(found) == 1 + 2 * MAX_LISTS
        assert len(lists._lengths) == MAX_LISTS


def test_objects_whose_keys_are_values_stay_one_cell() -> None:
    cell = [{"jo@example.com": 1}, {"jo@example.com": 2}]
    assert columns({"x": cell, "y": 1}) == {"x": [cell], "y": [1]}


@pytest.mark.parametrize("inside", ["\u2028", "\u0085", "\x0b", "\x1c", "\x0c"])
def test_a_cell_of_a_table_may_have_any_character_but_a_line_end(inside: str) -> None:
    side = Side()
    table = f"age,note\r\n41,a{inside}b\n7,c\n".encode()
    decode_exchange(table, "text/csv", "", Role.INPUT, side)
    assert side.columns(set()) == {"age": [41, 7], "note": [f"a{inside}b", "c"]}
