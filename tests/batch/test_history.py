"""Past windows of a table are what agents would have sent for its rows."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv, parquet

from nilometer.batch import history as history_module
from nilometer.batch import read
from nilometer.batch.history import History, HistoryOptions, NumberedSample
from nilometer.batch.read import table_parts
from nilometer.profile import FeatureProfile, FeatureSpec, SummarySample
from nilometer.profiling.event_time import EventTimes
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window

MINUTE = 60 * 10**9
START = datetime(2026, 3, 1, tzinfo=UTC)


def options(**changes: object) -> HistoryOptions:
    settings: dict[str, object] = {"entity": "scorer", "time_column": "at", "window_seconds": 300}
    return HistoryOptions(**{**settings, **changes})  # type: ignore[arg-type]  # of a test


def history(**changes: object) -> History:
    return History(options(**changes), lambda _: FeatureSpec(readable=True))


def samples(table: pa.Table, **changes: object) -> list[SummarySample]:
    return [one.sample for one in history(**changes).samples([table])]


def feature(sample: SummarySample) -> FeatureProfile:
    assert isinstance(sample.content, FeatureProfile)
    return sample.content


def rows(minutes: Sequence[float], **columns: Sequence[object]) -> pa.Table:
    at = [START + timedelta(minutes=minute) for minute in minutes]
    return pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), **columns})


def test_rows_are_in_the_windows_of_their_times() -> None:
    table = rows([0, 4.9, 5, 12], amount=[1.0, 2.0, 3.0, 4.0])
    found = samples(table)
    start = int(START.timestamp()) * 10**9
    assert [(one.window, feature(one).numbers.moments.mean) for one in found] == [
        (Window(start, start + 5 * MINUTE), 1.5),
        (Window(start + 5 * MINUTE, start + 10 * MINUTE), 3.0),
        (Window(start + 10 * MINUTE, start + 15 * MINUTE), 4.0),
    ]
    assert {one.summary for one in found} == {"input.amount"}  # the time is not a feature
    assert [one.coverage.profiled for one in found] == [2, 1, 1]


def test_a_window_may_have_another_length() -> None:
    found = samples(rows([0, 30, 61], amount=[1.0, 2.0, 3.0]), window_seconds=3600)
    assert [feature(one).count for one in found] == [2, 1]


def test_labels_come_from_columns() -> None:
    table = rows([0, 1, 2, 3], amount=[1.0, 2.0, 3.0, 4.0], plan=["a", "b", "a", None])
    found = samples(table, labels={"tariff": "plan"})
    means = {
        one.labels: feature(one).numbers.moments.mean
        for one in found
        if one.summary == "input.amount"
    }
    assert means == {
        Labels.of(tariff="a"): 2.0,
        Labels.of(tariff="absent"): 4.0,
        Labels.of(tariff="b"): 2.0,
    }


NOON = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("cell", "settings"),
    [
        (pa.array([NOON]), {}),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")), {"zone": "Europe/Berlin"}),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")), {"zone": "Europe/Berlin"}),
        (pa.array(["2026-07-01T12:00:00"]), {"zone": "Europe/Berlin"}),
        (pa.array(["2026-07-01T10:00:00Z"]), {"zone": "Europe/Berlin"}),
        (pa.array(["2026-07-01T12:00:00+02:00"]).dictionary_encode(), {}),
        (pa.array([int(NOON.timestamp())]), {}),
        (pa.array([int(NOON.timestamp() * 1000)]), {}),
        (pa.array([NOON.timestamp() * 1000]), {"unit": "ms"}),
    ],
)
def test_a_time_is_read_in_every_form(cell: pa.Array, settings: dict[str, str]) -> None:
    times = EventTimes.of("", settings.get("unit", ""), settings.get("zone", ""))
    (found,) = samples(pa.table({"at": cell, "x": [1.0]}), times=times)
    assert found.window.start_ns == int(NOON.timestamp()) * 10**9


def test_days_are_times_too() -> None:
    (found,) = samples(pa.table({"at": pa.array([NOON.date()]), "x": [1.0]}), window_seconds=86400)
    assert found.window == Window.containing(int(NOON.timestamp()) * 10**9, 86400 * 10**9)


def test_rows_without_a_time_are_counted_and_left_out() -> None:
    past = history()
    at = pa.array([START, None, datetime(1900, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    (found,) = past.samples([pa.table({"at": at, "x": [1.0, 2.0, 3.0]})])
    assert feature(found.sample).count == 1
    assert (past.counts.rows, past.counts.untimed, past.counts.windows) == (3, 2, 1)
    assert not [*history().samples([pa.table({"at": ["soon"], "x": [1.0]})])]


@pytest.mark.parametrize("missing", [{"time_column": "when"}, {"labels": {"plan": "tariff"}}])
def test_a_column_that_is_missing_is_named(missing: dict[str, object]) -> None:
    name = "when" if "time_column" in missing else "tariff"
    with pytest.raises(ConfigError, match=f"no column '{name}'"):
        samples(rows([0], x=[1.0]), **missing)


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.integers(1, 20),
    st.sampled_from([1, 3, 1000]),
)
def test_parts_and_orders_of_rows_add_up_to_the_same(
    minutes: list[int], size: int, held: int
) -> None:
    """However the rows are split, and however few windows are open at once."""
    values = [float(place) for place in range(len(minutes))]
    table = rows([*minutes], x=values)

    def totals(found: Iterator[NumberedSample]) -> dict[Window, tuple[int, float]]:
        merged: dict[Window, tuple[int, float]] = {}
        for one in found:
            numbers = feature(one.sample).numbers
            count, total = merged.get(one.sample.window, (0, 0.0))
            merged[one.sample.window] = (
                count + numbers.count,
                total + numbers.count * numbers.moments.mean,
            )
        return merged

    whole = totals(history().samples([table]))
    parts = [table.slice(start, size) for start in range(0, table.num_rows, size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "OPEN_PROFILES", held)
        numbered = [*history().samples(parts)]
    split = totals(iter(numbered))
    assert split.keys() == whole.keys()
    for window, (count, total) in whole.items():
        assert split[window][0] == count
        assert split[window][1] == pytest.approx(total)
    sequences = [one.sequence for one in numbered]
    assert sequences == sorted(set(sequences))


def test_a_window_that_continues_in_the_next_part_is_one_sample() -> None:
    table = rows([minute / 10 for minute in range(100)], x=[1.0] * 100)
    found = [*history().samples([table.slice(at, 7) for at in range(0, 100, 7)])]
    assert [feature(one.sample).count for one in found] == [50, 50]


def test_few_windows_are_open_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the table."""
    monkeypatch.setattr(history_module, "OPEN_PROFILES", 6)
    past = history()
    table = rows([5 * minute for minute in range(200)], x=[1.0] * 200, y=["a"] * 200)
    for _ in past.samples([table.slice(at, 10) for at in range(0, 200, 10)]):
        assert len(past._open) <= 3 + 10
    assert past.counts.windows == 200


def test_what_is_derived_from_a_column_changes_no_number_of_another() -> None:
    """A reference decides what is derived from vectors."""
    vectors = [[1.0, 2.0], [2.0, 1.0]]
    table = rows([0, 1], a=vectors, b=[1.0, 2.0])
    plain = {one.sample.summary: one.sequence for one in history().samples([table])}
    assert plain["input.a"] < plain["input.a.mean"] < plain["input.b"]
    without = rows([0, 1], a=[None, None], b=[1.0, 2.0])
    other = {one.sample.summary: one.sequence for one in history().samples([without])}
    assert other["input.b"] == plain["input.b"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_file_is_read_in_parts(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "PART_ROWS", 100)
    path = tmp_path / f"history{suffix}"
    table = pa.table(
        {"at": [f"2026-03-01T00:{m:02d}:00Z" for m in range(50)] * 9, "x": [1.5] * 450}
    )
    if suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=170)
    elif suffix == ".csv":
        csv.write_csv(table, path)
    else:
        lines = [f'{{"at": "{at}", "x": 1.5}}\n' for at in table.column("at").to_pylist()]
        path.write_text("".join(lines))
    parts = [*table_parts(path)]
    assert max(part.num_rows for part in parts) <= 100
    assert sum(part.num_rows for part in parts) == 450
    found = samples(pa.concat_tables(parts))
    assert sum(feature(one).count for one in found) == 450
    assert np.all(parts[0].column("x").to_numpy() == 1.5)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    path.write_text("no parquet")
    with pytest.raises(ConfigError, match=r"history\.parquet: "):
        [*table_parts(path)]
    with pytest.raises(ConfigError, match=r"must end in one of"):
        [*table_parts(tmp_path / "history.xlsx")]
