"""Logged predictions become a Parquet file with one column for each output and input."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet
import pytest
from support.predicted import a_prediction

from nilometer import Client
from nilometer.batch import export_predictions as module
from nilometer.batch.export_predictions import export_predictions
from nilometer.client.spans import Span
from nilometer.commands.cli import main
from nilometer.predictions import Scalar, batch_to_bytes, batches_of
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.wire.services import Row
from nilometer_collector.testing import ENTITY, START_NS, Running, running

EVERYTHING = Span(None, None)
MIXED: list[Scalar] = [0.5, "high", True, None, 1]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    records = [
        a_prediction(
            f"id-{at}",
            time_ns=START_NS + at * 10**9,
            outputs={"score": at / 8, "mixed": MIXED[at], "is_fraud": at > 2},
            labels=Labels.of(version="3"),
            subject="ann",
        )
        for at in range(5)
    ]
    records.append(
        msgspec.structs.replace(a_prediction("id-5", outputs={"other": "x"}), inputs={"amount": 7})
    )
    with running(tmp_path_factory.mktemp("export") / "collector.db") as served:
        rows = []
        for sequence, batch in enumerate(batches_of(records), 1):
            row = Row(sequence=sequence)
            row.predictions.monitored_entity = batch.entity
            row.predictions.content = batch_to_bytes(batch)
            rows.append(row)
        assert not served.sender().send(rows).rejected
        yield served


@pytest.fixture
def client(served: Running) -> Iterator[Client]:
    with Client(served.collector.http_url) as client:
        yield client


def test_each_column_has_the_type_of_its_values(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    assert export_predictions(client, ENTITY, EVERYTHING, tmp_path / "p.parquet") == 6
    table = pyarrow.parquet.read_table(tmp_path / "p.parquet")
    rows = table.to_pylist()
    assert [row["prediction_id"] for row in rows] == [f"id-{at}" for at in range(6)]
    assert [row["output.score"] for row in rows] == [at / 8 for at in range(5)] + [None]
    assert [row["output.mixed"] for row in rows] == ["0.5", "high", "true", None, "1", None]
    assert [row["output.is_fraud"] for row in rows] == [False] * 3 + [True] * 2 + [None]
    assert (rows[5]["output.other"], rows[5]["input.amount"]) == ("x", 7.0)
    assert rows[1]["time"] == datetime.fromtimestamp(START_NS // 10**9 + 1, UTC)
    assert (rows[1]["labels"], rows[1]["subject"]) == ([("version", "3")], "ann")
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_a_span_is_exported_by_event_time(client: Client, tmp_path: Path) -> None:
    start = START_NS / 1e9
    assert export_predictions(client, ENTITY, Span(start + 1, start + 3), tmp_path / "p") == 2


def test_without_predictions_there_is_no_file(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no logged predictions"):
        export_predictions(client, "other", EVERYTHING, tmp_path / "p.parquet")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "p.parquet").touch()
    with pytest.raises(ConfigError, match="exists"):
        export_predictions(client, ENTITY, EVERYTHING, tmp_path / "p.parquet")


def test_the_command_prints_their_number(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.parquet"
    url = served.collector.http_url
    arguments = ["export", str(path), "--entity", ENTITY, "--predictions", "--collector", url]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{path}: 6 predictions\n"
