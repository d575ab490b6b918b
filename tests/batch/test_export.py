"""An export has the history with its sketches, and an import stores it once."""

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from nilometer import Client
from nilometer.alert.statistic import STATISTICS, statistic_of
from nilometer.batch import export as export_module
from nilometer.batch.export import export
from nilometer.batch.exported import batch_of, merge_rows, schema, spark_schema
from nilometer.client.spans import Span
from nilometer.commands.cli import main
from nilometer.profile import FeatureProfile
from nilometer.sketch.tdigest import TDigest
from nilometer.values.window import Window
from nilometer.wire.samples import sample_from_bytes, sample_to_bytes
from nilometer_collector.query import pages
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    feature_sample,
    running,
    service_sample,
)

DAYS = 4
VALUES = np.random.default_rng(3).lognormal(2, 1, (2 * DAYS, 400))
START = START_NS // (86_400 * 10**9) * 86_400  # a whole day
EVERYTHING = Span(None, None)


def window(day: int, hour: int = 0, seconds: int = 60) -> Window:
    start = (START + day * 86_400 + hour * 3600) * 10**9
    return Window(start, start + seconds * 10**9)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("export") / "collector.db") as served:
        sender = served.sender()
        for day in range(DAYS):
            for at, country in enumerate(("de", "fr")):
                values = list(VALUES[2 * day + at])
                labels = {"country": country} if country == "de" else None
                sender.ship(feature_sample(values, window=window(day, 12), labels=labels))
        sender.ship(
            service_sample([0.1, 0.2], window=window(0)),
            feature_sample(["a", "b", "a"], summary="input.kind", window=window(0)),
            # Longer than a step, and over the end of a day.
            feature_sample([7.0], summary="input.long", window=window(1, 23, 7200)),
        )
        yield served


@pytest.fixture
def client(served: Running) -> Iterator[Client]:
    with Client(served.collector.http_url) as client:
        yield client


def rows_of(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pyarrow.parquet.read_table(path).to_pylist()
    return found


def test_an_export_has_a_row_for_each_summary_label_set_and_window(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "history.parquet"
    made = export(client, ENTITY, [], EVERYTHING, 300, path)
    table = pyarrow.parquet.read_table(path)
    assert table.schema.equals(schema())
    assert (made.rows, made.summaries) == (table.num_rows, 4) == (2 * DAYS + 3, 4)
    rows = [row for row in table.to_pylist() if row["summary"] == "input.amount"]
    assert [dict(row["labels"]) for row in rows] == [{"country": "de"}] * DAYS + [{}] * DAYS
    means = [*VALUES[::2].mean(axis=1), *VALUES[1::2].mean(axis=1)]
    assert [row["mean"] for row in rows] == pytest.approx(means)
    assert {row["count"] for row in rows} == {400}
    assert [name.name for name in tmp_path.iterdir()] == ["history.parquet"]


def test_only_the_named_summaries_and_time_are_exported(client: Client, tmp_path: Path) -> None:
    span = Span(START + 86_400, START + 3 * 86_400)
    made = export(client, ENTITY, ["input.a*"], span, 300, tmp_path / "a")
    assert made == (4, 1)
    assert {row["summary"] for row in rows_of(tmp_path / "a")} == {"input.amount"}


def test_a_time_with_too_many_points_is_divided_without_loss(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(client, ENTITY, [], EVERYTHING, 300, tmp_path / "whole")
    monkeypatch.setattr(pages, "MAX_POINTS", 200)  # less than the points of a day
    monkeypatch.setattr(export_module, "SAMPLES_AT_ONCE", 1)
    export(client, ENTITY, [], EVERYTHING, 300, tmp_path / "divided")
    key = "summary", "labels", "window_start"

    def ordered(path: Path) -> list[dict[str, object]]:
        return sorted(rows_of(path), key=lambda row: [str(row[name]) for name in key])

    assert ordered(tmp_path / "divided") == ordered(tmp_path / "whole")


def test_merged_rows_answer_like_all_values(client: Client, tmp_path: Path) -> None:
    export(client, ENTITY, ["input.amount"], EVERYTHING, 300, tmp_path / "a")
    batches = pyarrow.parquet.ParquetFile(tmp_path / "a").iter_batches(batch_size=3)
    (merged,) = merge_rows(batches)
    (row,) = merged.to_pylist()
    assert (row["count"], row["seen"], row["labels"]) == (VALUES.size, VALUES.size, [])
    assert (row["p99"] >= VALUES).mean() == pytest.approx(0.99, abs=0.002)
    digest = sample_from_bytes(row["sample"]).content.numbers.digest  # type: ignore[attr-defined]
    assert (float(digest.quantile(0.9)) >= VALUES).mean() == pytest.approx(0.9, abs=0.002)


def test_rows_are_merged_by_day_and_label(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nilometer.batch.exported.HELD_BYTES", 0)  # merges after each row
    export(client, ENTITY, ["input.amount"], EVERYTHING, 300, tmp_path / "a")
    batches = pyarrow.parquet.read_table(tmp_path / "a").to_batches()
    (by_day,) = merge_rows(batches, step_seconds=86_400)
    assert [row["count"] for row in by_day.to_pylist()] == [800] * DAYS
    (by_label,) = merge_rows([*batches, *batches], by=["country"])
    rows = {str(dict(row["labels"])): row["count"] for row in by_label.to_pylist()}
    assert rows == {"{}": 800 * DAYS, "{'country': 'de'}": 800 * DAYS}
    assert list(merge_rows([])) == []


def test_the_schema_of_spark_has_the_same_columns() -> None:
    assert re.findall(r"`(\w+)`", spark_schema()) == schema().names
    assert spark_schema().startswith(
        "`entity` string, `summary` string, `labels` map<string, string>"
    )
    assert spark_schema().endswith("`sample` binary")


def test_an_import_answers_like_the_original_and_stores_once(
    served: Running, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.parquet"
    export(client, ENTITY, [], EVERYTHING, 300, path)
    asked = {
        "entity": ENTITY,
        "summary": "*",
        "step": 86_400,
        "quantile": [0.1, 0.5, 0.99],
        "show": ["moments", "coverage"],
        "top": 5,
        "by": "country",
    }
    with ExitStack() as stack:
        other = stack.enter_context(running(tmp_path / "other" / "collector.db"))
        words = ["import", str(path), "--collector", other.collector.grpc_target]
        for _ in range(2):
            assert main(words) == 0
        assert capsys.readouterr().out.count(f"{2 * DAYS + 3} rows are at") == 2
        here, there = served.get("query", **asked), other.get("query", **asked)
        assert there["series"] == here["series"]
        assert there["levels"] == {"shipped": 2 * DAYS + 3}


def test_an_import_into_the_store_of_the_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.parquet"
    database = tmp_path / "own" / "collector.db"
    with running(database) as served, Client(served.collector.http_url) as client:
        served.sender().ship(feature_sample([1.0, 2.0]))
        export(client, ENTITY, [], EVERYTHING, 300, path)
        words = ["import", str(path), "--collector", served.collector.grpc_target]
        assert main(words) == 2
        refusal = capsys.readouterr().err
        assert "was exported from this store" in refusal
        assert refusal.count("\n") == 1
        counts = partial(client.entity(ENTITY).summary("input.amount").samples, start=START)
        assert counts().merge().count == 2
        assert main([*words, "--add"]) == 0
        assert counts().merge().count == 4


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--summary", "nothing"], 2, "fraud-scorer has no such summary"),
        (["--step", "soon"], 2, "step = 'soon': must be a number"),
        (["--start", "9", "--end", "8"], 2, "must be after start"),
        (["--entity", "nobody"], 1, "answers 404"),
    ],
)
def test_a_wrong_export_is_refused_in_one_line(
    served: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    status: int,
    message: str,
) -> None:
    words = ["export", str(tmp_path / "a"), "--entity", ENTITY]
    assert main([*words, "--collector", served.collector.http_url, *options]) == status
    refusal = capsys.readouterr().err
    assert message in refusal
    assert refusal.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_text("mine")
    words = ["export", str(tmp_path / "a"), "--entity", ENTITY]
    assert main([*words, "--collector", served.collector.http_url]) == 2
    assert "exists: choose another name" in capsys.readouterr().err
    words[1] = str(tmp_path / "no" / "folder")
    assert main([*words, "--collector", served.collector.http_url]) == 2
    assert "No such file or directory" in capsys.readouterr().err
    assert (tmp_path / "a").read_text() == "mine"


def files(folder: Path) -> dict[str, Path]:
    """Return files that are no export, by name."""
    (folder / "text").write_text("not Parquet")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), folder / "other")
    rows = batch_of([sample_to_bytes(feature_sample([1.0]))])
    null = pyarrow.table({"sample": pyarrow.array([None], pyarrow.binary())})
    pyarrow.parquet.write_table(null, folder / "null")
    broken = pyarrow.table({"sample": [rows.column("sample")[0].as_py(), b"\xff\xff"]})
    pyarrow.parquet.write_table(broken, folder / "broken")
    return {name: folder / name for name in ("text", "other", "null", "broken", "nothing")}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text", "text: "),
        ("other", "is not an export of nilometer: has no column sample"),
        ("null", "is not an export of nilometer: a sample is null"),
        ("broken", "row 2: not a SummarySample"),
        ("nothing", "No such file or directory"),
    ],
)
def test_a_file_that_is_no_export_is_refused_in_one_line(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    path = files(tmp_path)[name]
    assert main(["import", str(path), "--collector", served.collector.grpc_target]) == 2
    refusal = capsys.readouterr().err
    assert message in refusal
    assert refusal.count("\n") == 1


def test_a_summary_with_too_many_label_keys_is_named(tmp_path: Path) -> None:
    with running(tmp_path / "collector.db") as served, Client(served.collector.http_url) as client:
        labels = {f"k{n}": "1" for n in range(9)}
        served.sender().ship(feature_sample([1.0], labels=labels))
        assert (
            main(["export", str(tmp_path / "a"), "--entity", ENTITY, "--collector", client.url])
            == 2
        )


def test_the_statistics_of_a_row_are_those_of_its_sample() -> None:
    """They are read for many rows together, whatever the types, the shares and the compressions."""
    coarse = feature_sample([1.0, 2.0, 9.0])
    assert isinstance(coarse.content, FeatureProfile)
    coarse.content.numbers.digest = TDigest.of([1.0, 2.0, 9.0], compression=50)
    samples = [
        feature_sample(VALUES[0].tolist()),
        replace(feature_sample(VALUES[1].tolist()), sample=0.5),
        feature_sample([]),
        feature_sample([1.0, "x", math.nan, math.inf, None]),
        service_sample([0.1, 0.2]),
        replace(coarse, sample=0.25),
        replace(feature_sample([4.0]), sample=0.25),
    ]
    packed = [sample_to_bytes(one) for one in samples]
    for row, one in zip(batch_of(packed).to_pylist(), packed, strict=True):
        read = sample_from_bytes(one)
        found = {name: statistic_of(read.content, name) for name in STATISTICS}
        assert {name: row[name] for name in found} == found
        assert (row["share"], row["sample"]) == (read.sample, one)
