"""Arrow and Parquet are their columns, and a hostile file costs little."""

import datetime
import sys
import tracemalloc
from io import BytesIO
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nilometer.decode import Side, decode_exchange
from nilometer.decode.parquet import MAX_FIXED, MAX_PAGES
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

STREAM, FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TABLE = pa.table(
    {
        "a": [1, 2],
        "b": [1.5, None],
        "s": ["x", None],
        "code": pa.array(["u", "v"]).dictionary_encode(),
        "l": [[1.0, 2.0], [3.0, 4.0]],
        "ragged": [[1], [2, 3]],
        "o": [{"x": 1, "y": {"z": "q"}}, {"x": 2, "y": None}],
        "t": [DAY, DAY],
        "ok": [True, False],
        "raw": [b"\xff\x00", b"y"],
        "__index_level_0__": [7, 8],
    }
)
COLUMNS = {
    "a": [1, 2],
    "b": [1.5, None],
    "s": ["x", None],
    "code": ["u", "v"],
    "l.0": [1, 3],
    "l.1": [2, 4],
    "ragged": [[1], [2, 3]],
    "o.x": [1, 2],
    "o.y.z": ["q", None],
    "t": [DAY, DAY],
    "ok": [True, False],
    "raw.bytes": [2, 1],
    "raw.type": ["application/octet-stream"] * 2,
}


def columns(body: bytes, content_type: str) -> dict[str, list[Any]]:
    side = Side()
    decode_exchange(body, content_type, "", Role.INPUT, side)
    return {
        name: cells.tolist() if isinstance(cells, np.ndarray) else list(cells)
        for name, cells in side.columns(set()).items()
    }


def refused(body: bytes, content_type: str) -> str:
    with pytest.raises(Undecodable) as error:
        columns(body, content_type)
    return error.value.reason


def stream(table: Any, **options: Any) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def file(table: Any, **options: Any) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_file(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet_file(table: Any, **options: Any) -> bytes:
    sink = BytesIO()
    parquet.write_table(table, sink, **options)
    return sink.getvalue()


def test_the_columns_of_arrow_are_those_of_its_table() -> None:
    assert columns(stream(TABLE), STREAM) == COLUMNS
    assert columns(file(TABLE), FILE) == COLUMNS
    assert columns(file(TABLE), STREAM) == COLUMNS


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"use_dictionary": False, "write_page_index": True},
        {"row_group_size": 1, "compression": "gzip"},
        {"store_schema": False, "compression": "none"},
    ],
)
def test_the_columns_of_parquet_are_those_of_its_table(options: dict[str, Any]) -> None:
    found = columns(parquet_file(TABLE, **options), PARQUET)
    assert [str(one) for one in found.pop("t")] == [str(DAY)] * 2
    assert found == {name: cells for name, cells in COLUMNS.items() if name != "t"}


AT_NS = 1_764_426_600_123_456_789
FINE = (pa.timestamp("ns"), pa.timestamp("ns", "Europe/Paris"), pa.time64("ns"), pa.duration("ns"))


@pytest.mark.parametrize("kind", FINE, ids=str)
def test_nanoseconds_are_cut_to_microseconds(kind: pa.DataType) -> None:
    fine = pa.array([AT_NS % (86_400 * 10**9), None], kind)
    table = pa.table({"t": fine, "coded": fine.dictionary_encode(), "amount": [1.5, 2.5]})
    found = columns(stream(table), STREAM)
    assert found["amount"] == [1.5, 2.5]
    assert found["coded"] == found["t"]
    time, missing = found["t"]
    assert missing is None
    name = "microseconds" if isinstance(time, datetime.timedelta) else "microsecond"
    assert getattr(time, name) == 123_456


def test_columns_with_one_name_are_told_apart() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    assert columns(stream(table), STREAM) == {"x": [1], "x.1": [2]}


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_buffers_are_refused(compression: str) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    for table in (TABLE, TABLE.select(["code"])):
        assert refused(stream(table, options=options), STREAM) == "encoded"
        assert refused(file(table, options=options), FILE) == "encoded"


@pytest.mark.parametrize("name", ["names", "maps"])
def test_cells_that_are_no_columns_are_refused(name: str) -> None:
    cells = {
        "names": [["a"], ["b"]],
        "maps": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    }
    table = pa.table({"x": cells[name]})
    assert refused(stream(table), STREAM) == "wrong_shape"
    assert refused(parquet_file(table), PARQUET) == "wrong_shape"


def test_without_pyarrow_both_are_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = stream(TABLE), parquet_file(TABLE)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert [refused(bodies[0], STREAM), refused(bodies[1], PARQUET)] == ["encoded"] * 2


def one_code(rows: int, text: str) -> Any:
    """A column whose cells are all one text, stored once."""
    codes = pa.array(np.zeros(rows, np.int32))
    return pa.table({"x": pa.DictionaryArray.from_arrays(codes, [text])})


BOMBS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a long text for each code": (one_code(60_000, "x" * 300_000), {}, ""),
    "more rows": (pa.table({"x": np.zeros(300_000)}), {}, "too_large"),
    "more cells": (pa.table({"x": [[0.0] * 5000] * 100}), {}, "too_large"),
    "more bytes": (pa.table({"x": ["x" * 30_000_000]}), {"compression": "zstd"}, "too_large"),
    "long cells": (
        pa.table({"x": pa.array([b"x" * (MAX_FIXED + 1)], pa.binary(MAX_FIXED + 1))}),
        {},
        "wrong_shape",
    ),
    "shared prefixes": (
        pa.table({"x": ["x" * 1000 + str(at) for at in range(50)]}),
        {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
        "encoded",
    ),
    "many pages": (
        pa.table({"x": np.arange(MAX_PAGES + 2)}),
        {"data_page_size": 1, "write_batch_size": 1, "use_dictionary": False},
        "too_large",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_parquet_file_stays_small(name: str) -> None:
    table, options, reason = BOMBS[name]
    body = parquet_file(table, **options)

    tracemalloc.start()
    try:
        if reason:
            assert refused(body, PARQUET) == reason
        else:
            assert len(columns(body, PARQUET)["x"]) == table.num_rows
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_rows_without_cells_are_bounded() -> None:
    assert refused(stream(pa.table({"x": pa.nulls(1 << 20)})), STREAM) == "too_large"
    table = one_code(60_000, "x" * 300_000)
    found = columns(stream(table), STREAM)["x"]
    assert len(found) == 60_000
    assert len(set(map(id, found))) == 1


@pytest.mark.parametrize("kind", [STREAM, PARQUET])
def test_a_damaged_file_is_columns_or_one_reason(kind: str) -> None:
    body = stream(TABLE) if kind == STREAM else parquet_file(TABLE)
    chance = Random(kind)  # not a secret
    bodies = [body[: chance.randrange(len(body))] for _ in range(100)]
    for _ in range(400):
        changed = bytearray(body)
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(len(body))] = chance.randrange(256)
        bodies.append(bytes(changed))
    for one in bodies:
        side = Side()
        try:
            decode_exchange(one, kind, "", Role.INPUT, side)
        except Undecodable as error:
            assert error.reason != "decoder_failed"
        else:
            assert {len(cells) for cells in side.columns(set()).values()} <= {side.rows}
