"""Past windows are logged to a collector once, however often and however far."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nilometer.batch import history_upload, reference_of, row_upload
from nilometer.batch.collector_calls import CollectorCalls, calls_to
from nilometer.batch.history import HistoryCounts, HistoryOptions
from nilometer.batch.history_upload import log_history
from nilometer.batch.reference_upload import put_reference
from nilometer.commands.cli import main
from nilometer.values.errors import BatchRejected
from nilometer.values.senders import TABLES
from nilometer_collector.testing import ENTITY, Running, running

OPTIONS = HistoryOptions(entity=ENTITY, time_column="at", window_seconds=300)
START = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 3000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "collector.db") as found:
        yield found


@pytest.fixture
def table() -> pa.Table:
    """Ten hours of requests, twelve seconds apart."""
    rng = np.random.default_rng(1)
    at = [START + timedelta(seconds=12 * n) for n in range(ROWS)]
    return pa.table(
        {
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "amount": rng.lognormal(3, 1, ROWS),
            "country": rng.choice(["de", "fr", "nl"], ROWS),
        }
    )


@pytest.fixture
def path(tmp_path: Path, table: pa.Table) -> Path:
    found = tmp_path / "history.parquet"
    parquet.write_table(table, found, row_group_size=700)
    return found


@pytest.fixture
def calls(served: Running) -> Iterator[CollectorCalls]:
    with calls_to(served.collector.grpc_target) as found:
        yield found


def seen(served: Running, summary: str = "input.amount", **more: object) -> list[int]:
    answer = served.get("samples", entity=ENTITY, summary=summary, **more)
    return [sample["feature"]["count"] for sample in answer["samples"]]


def nothing(_: HistoryCounts) -> None:
    pass


def test_all_windows_are_stored_in_event_time(
    served: Running, path: Path, calls: CollectorCalls
) -> None:
    told: list[int] = []
    counts = log_history(path, OPTIONS, calls, lambda now: told.append(now.windows))
    assert (counts.rows, counts.windows, counts.untimed) == (ROWS, 120, 0)
    assert told
    assert told == sorted(told)


def test_the_default_alerter_knows_that_a_table_sent_them(
    served: Running, path: Path, calls: CollectorCalls, tmp_path: Path
) -> None:
    counts = log_history(path, OPTIONS, calls, nothing)
    with closing(sqlite3.connect(tmp_path / "collector.db")) as database:
        heard = database.execute("SELECT entity, agent, end_ns FROM heard").fetchall()
    assert heard == [(ENTITY, TABLES, counts.last_ns)]
    assert seen(served) == [25] * 120
    (first, *_) = served.get("samples", entity=ENTITY, summary="input.amount")["samples"]
    assert (first["window_start"], first["window_end"]) == (
        START.timestamp(),
        START.timestamp() + 300,
    )
    assert sum(seen(served, "input.country")) == ROWS


def test_the_same_file_counts_once(served: Running, path: Path, calls: CollectorCalls) -> None:
    for _ in range(3):
        log_history(path, OPTIONS, calls, nothing)
    assert seen(served) == [25] * 120


def test_a_reference_between_two_repetitions_changes_nothing(
    served: Running, path: Path, table: pa.Table, calls: CollectorCalls
) -> None:
    log_history(path, OPTIONS, calls, nothing)
    reference = reference_of(
        table.drop_columns(["at"]), entity=ENTITY, name="r", source="t", created_ns=1
    )
    put_reference(reference, served.collector.grpc_target)
    log_history(path, OPTIONS, calls, nothing)
    assert seen(served) == [25] * 120


def test_an_interrupted_upload_continues(
    served: Running, path: Path, calls: CollectorCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_upload, "MAX_ROWS", 16)
    left = 5

    def interrupt(_: HistoryCounts) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log_history(path, OPTIONS, calls, interrupt)
    assert 0 < sum(seen(served)) < ROWS
    monkeypatch.setattr(row_upload, "MAX_ROWS", 7)  # another version may batch otherwise
    log_history(path, OPTIONS, calls, nothing)
    assert seen(served) == [25] * 120
    assert sum(seen(served, "input.country")) == ROWS


def test_another_file_or_entity_is_not_the_same(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    other.write_bytes(path.read_bytes() + b" ")
    names = {
        history_upload.epoch_of(path, OPTIONS),
        history_upload.epoch_of(other, OPTIONS),
        history_upload.epoch_of(
            path, HistoryOptions(entity="else", time_column="at", window_seconds=300)
        ),
    }
    assert len(names) == 3
    assert all(len(name) == 16 for name in names)


def test_columns_are_counted_on_the_bins_of_the_reference(
    served: Running, path: Path, table: pa.Table, calls: CollectorCalls
) -> None:
    """So comparisons are exact, and dictionaries agree with those of live windows."""
    reference = reference_of(
        table.drop_columns(["at"]), entity=ENTITY, name="training", source="t", created_ns=1
    )
    put_reference(reference, served.collector.grpc_target)
    log_history(path, OPTIONS, calls, nothing)
    found = []
    for summary in ("input.amount", "input.country"):
        answer = served.get(
            "samples", entity=ENTITY, summary=summary, reference="training", step=86_400
        )
        (whole,) = answer["samples"]
        assert whole["psi"] == 0.0
        found.append(whole)
    _, country = found
    assert {row["value"] for row in country["feature"]["top"]} == {"de", "fr", "nl"}


def test_names_that_no_reference_published_stay_secret(
    served: Running, path: Path, calls: CollectorCalls
) -> None:
    log_history(path, OPTIONS, calls, nothing)
    answer = served.get("samples", entity=ENTITY, summary="input.country", step=86_400)
    (whole,) = answer["samples"]
    assert all(row["value"].startswith("~") for row in whole["feature"]["top"])


def test_the_privacy_of_the_collector_holds(tmp_path: Path, path: Path) -> None:
    with running(tmp_path / "strict.db", privacy="strict") as strict:
        with calls_to(strict.collector.grpc_target) as calls:
            log_history(path, OPTIONS, calls, nothing)
        answer = strict.get("samples", entity=ENTITY, summary="input.amount")
    exact = parquet.read_table(path).column("amount").to_numpy()
    for sample in answer["samples"]:
        assert sample["feature"]["count"] == 25
        assert not np.isin(
            [sample["feature"]["minimum"], sample["feature"]["maximum"]], exact
        ).any()


def test_a_refused_sample_is_an_error_with_the_reason(served: Running, path: Path) -> None:
    long = HistoryOptions(entity=ENTITY, time_column="at", window_seconds=500 * 86_400)
    with (
        calls_to(served.collector.grpc_target) as calls,
        pytest.raises(BatchRejected, match="the window must be at most 400 days long"),
    ):
        log_history(path, long, calls, nothing)


def command(served: Running, path: Path, *more: str) -> int:
    target = served.collector.grpc_target
    return main(["profile", str(path), "--entity", ENTITY, "--collector", target, *more])


def test_the_command_says_what_it_stored(
    served: Running, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(served, path, "--log", "--time-column", "at", "--window", "3600") == 0
    out = capsys.readouterr().out
    assert out == (
        f"{ENTITY}: 3000 rows of history.parquet are in 10 windows at "
        f"{served.collector.grpc_target}, from 2026-03-01T00:00:00Z to 2026-03-01T10:00:00Z\n"
    )
    assert seen(served) == [300] * 10


def test_the_command_registers_a_reference_first(
    served: Running, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--as-reference", "training", "--labels", "land=country")
    assert command(served, path, "--log", "--time-column", "at", *more) == 0
    assert "reference training" in capsys.readouterr().out
    assert sum(seen(served, label="land:de")) in range(900, 1100)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--log"], "--log needs --time-column"),
        (["--time-column", "at"], "--time-column needs --log"),
        (["--log", "--time-column", "when"], "the table has no column 'when'"),
        (["--log", "--time-column", "country"], "no row has a time in 'country'"),
        (["--log", "--time-column", "at", "--window", "0"], "--window = 0: must be at least 1"),
        (["--log", "--time-column", "at", "--time-zone", "Mars"], "--time-zone = 'Mars': must be"),
        (["--log", "--time-column", "at", "--labels", "plan"], "--labels 'plan': must be KEY="),
    ],
)
def test_a_mistake_is_one_line(
    served: Running,
    path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    why: str,
) -> None:
    assert command(served, path, *more) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
