import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.bodies import column_names
from nilometer.bodies.column_names import MAX_COLUMNS, placed
from nilometer.decode import Side, decode_exchange
from nilometer.decode.known import Known
from nilometer.decode.naming import flat
from nilometer.values.entity import Role
from nilometer.values.value_like import looks_like_value

JSON, CSV = "application/json", "text/csv"


def columns(body: Any, content_type: str = JSON, **more: Any) -> dict[str, list[Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    side = Side()
    decode_exchange(content, content_type, "", Role.INPUT, side, **more)
    return {name: list(column) for name, column in side.columns(set()).items()}


def test_columns_of_a_csv_without_header_are_named_by_place() -> None:
    body = b"41,190-44-1234,jo@example.com\n23,190-44-1235,al@example.com\n"
    assert columns(body, CSV) == {
        "0": [41, 23],
        "1": ["190-44-1234", "190-44-1235"],
        "2": ["jo@example.com", "al@example.com"],
    }
    assert columns(b"41,52000.5,7", CSV) == {"0": [41], "1": [52000.5], "2": [7]}
    assert columns(b"nan,red\n2,blue\n", CSV)["1"] == ["red", "blue"]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"amount,country\n1,NL\n", ["amount", "country"]),
        (b"country,used\nNL,true\nBE,\n", ["country", "used"]),
        (b"country,color\nNL,red\n", ["0", "1"]),  # words only: see below
        (b"country,color", ["0", "1"]),  # nothing tells a single row from a header
        (b"0,1,2\n5.5,6,7\n", ["0", "1", "2"]),  # places: pandas without names of columns
        (b",0,1\n0,5.5,6\n", ["0", "1", "2"]),  # with its index
        (b",a\n0,5.5\n", ["0", "a"]),
        (b"id,2019\n1,6\n2,8\n", ["id", "1"]),  # a word above numbers: a header
        (b"country,2019\nNL,6\n", ["0", "1"]),  # a row like the others
    ],
)
def test_a_header_is_told_from_a_row(body: bytes, names: list[str]) -> None:
    assert list(columns(body, CSV)) == names


def test_a_table_of_words_has_a_header_if_a_name_in_it_is_known() -> None:
    words = b"name,city\nann,rome\n"
    by_place = {"0": ["name", "ann"], "1": ["city", "rome"]}
    by_name = {"name": ["ann"], "city": ["rome"]}
    assert columns(words, CSV) == by_place
    assert columns(words, CSV, known=Known({"city", "0"}.__contains__)) == by_name
    assert columns(words, CSV, known=Known({"ann", "rome"}.__contains__)) == by_place
    assert columns(b"city\n", CSV, known=Known({"city"}.__contains__)) == {"0": ["city"]}
    assert columns(words, "text/csv; charset=utf-8; header=present") == by_name
    assert columns(words, 'text/csv;Header="present"') == by_name
    assert columns(b"name,city", "text/csv; header=present") == {"name": [], "city": []}
    absent = columns(words, "text/csv; header=absent", known=Known({"city"}.__contains__))
    assert absent == by_place


def test_no_value_of_a_redacted_header_is_lost() -> None:
    assert columns(b"[redacted],[redacted],x\n1,2,3\n", CSV) == {"0": [1], "1": [2], "x": [3]}


def test_an_object_keyed_by_row_id_is_rows() -> None:
    by_user = {"jo@example.com": {"age": 41}, "al@example.com": {"age": 23}}
    assert columns(by_user) == {"age": [41, 23]}
    assert columns({"jo@example.com": 0.5, "al@example.com": 0.75}) == {"value": [0.5, 0.75]}
    assert columns({"instances": by_user}) == {"age": [41, 23]}
    assert columns({"0": {"a": 1}, "1": {"a": 2}}) == {"a": [1, 2]}  # pandas: orient="index"


def test_columns_keyed_by_row_id_are_columns() -> None:
    table = {"amount": {"0": 1, "1": 2}, "country": {"0": "NL", "1": "DE"}}  # pandas' own form
    assert columns(table) == {"amount": [1, 2], "country": ["NL", "DE"]}
    assert columns({"users": {"jo@example.com": {"age": 41}}}) == {"users.age": [41]}


def test_a_map_among_fields_is_one_cell() -> None:
    seen = {"2024-01-01": 3, "2024-01-02": 5}
    assert columns({"amount": 1, "seen": seen}) == {"amount": [1], "seen": [seen]}
    assert columns({"amount": 1, "a": {"b": {"x": 2, **seen}}}) == {
        "amount": [1],
        "a.b.x": [2],
        "a.b": [seen],
    }
    assert columns({"amount": 1, "jo@example.com": 2}) == {
        "amount": [1],
        "value": [{"jo@example.com": 2}],
    }


def test_values_of_several_shapes_are_a_map() -> None:
    mixed = {"jo@example.com": 1, "al@example.com": "x"}
    assert columns(mixed) == {"value": [mixed]}


def test_a_map_may_have_more_keys_than_a_table_has_columns() -> None:
    seen = {f"user{at}@example.com": at for at in range(2 * MAX_COLUMNS)}
    assert columns({"amount": 1, "seen": seen}) == {"amount": [1], "seen": [seen]}


def test_integers_that_count_are_places() -> None:
    assert columns({"p": {"0": 0.25, "1": 0.75}, "id": 7}) == {
        "p.0": [0.25],
        "p.1": [0.75],
        "id": [7],
    }
    assert columns({"1": 5, "2": 6}) == {"1": [5], "2": [6]}
    assert columns([{"3": 5, "7": 6}, {"3": 1, "7": 2}]) == {"3": [5, 1], "7": [6, 2]}
    assert columns({"p": {"17": 0.5, "42": 0.5}, "id": 7}) == {
        "p": [{"17": 0.5, "42": 0.5}],
        "id": [7],
    }


def test_headers_of_other_protocols_are_placed() -> None:
    split = {"dataframe_split": {"columns": [0, 3, 2019], "data": [[1, 2, 3]]}}
    assert columns(split) == {"0": [1], "1": [2], "2": [3]}
    split = {"dataframe_split": {"columns": [0, 3], "data": [[1, 2]]}}
    assert columns(split) == {"0": [1], "3": [2]}
    seldon = {"data": {"names": ["a", "jo@example.com"], "ndarray": [[1, 2]]}}
    assert columns(seldon) == {"a": [1], "1": [2]}


def test_fields_of_forms_that_look_like_values_are_a_map() -> None:
    form = "application/x-www-form-urlencoded"
    assert columns(b"amount=1&jo%40example.com=2", form) == {
        "amount": [1],
        "value": [{"jo@example.com": 2}],
    }
    body = (
        b'--x\r\nContent-Disposition: form-data; name="amount"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="2024-01-01"; filename="f"\r\n\r\n22\r\n--x--\r\n'
    )
    assert columns(body, "multipart/form-data; boundary=x") == {
        "amount": [1],
        "value": [{"2024-01-01": None}],
    }


keys = st.sampled_from(
    ["amount", "n2", "41", "7", "0", "1", "2024-01-01", "jo@example.com", "al@example.com", ""]
)
values = st.recursive(
    st.none() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keys, values))
def test_no_key_of_any_object_becomes_a_name_if_it_is_a_date_or_an_address(value: Any) -> None:
    for name in flat(value):
        assert not any(looks_like_value(part) for part in name.split(".") if not part.isdigit())
        assert "41" not in name.split(".")


@given(st.lists(st.text(max_size=20), min_size=1, unique=True))
def test_placed_names_are_as_many_and_differ(names: list[str]) -> None:
    found = placed(names)
    assert len(set(found)) == len(names)


@pytest.mark.parametrize("cell", [1, {"a": 1}, None])
def test_keys_of_a_large_object_are_examined_to_a_bound(
    cell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[str] = []

    def examine(name: str) -> bool:
        examined.append(name)
        return looks_like_value(name)

    monkeypatch.setattr(column_names, "looks_like_value", examine)
    users = {f"u{at}@example.com": cell for at in range(20_000)}
    ((name, cells),) = columns(users).items()
    assert (name, len(cells)) == ("a" if isinstance(cell, dict) else "value", 20_000)
    assert len(examined) <= 4 * MAX_COLUMNS
    mixed = columns({**users, "amount": 1, "jo@example.com": "x"})
    assert [[len(one) for one in cells] for cells in mixed.values()] == [[20_002]]
