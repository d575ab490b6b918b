"""The same rows give the same profiles over Spark's partitions as over one table."""

import os
import re
import runpy
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nilometer.batch.exported import batch_of, merge_rows
from nilometer.batch.profile import profile_of
from nilometer.client.samples import sample_of
from nilometer.profile.profiler import Profiler
from nilometer.values.window import Window
from nilometer.wire.samples import sample_to_bytes
from nilometer_collector.testing import feature_sample

if not os.environ.get("NILOMETER_LONG"):
    pytest.skip("starts Spark: set NILOMETER_LONG=1", allow_module_level=True)
pyspark_sql = pytest.importorskip("pyspark.sql", reason="needs nilometer[spark]")

ROOT = Path(__file__).resolve().parents[2]
ROWS = 5000
DAY_NS = 86_400 * 10**9
JANUARY_NS = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 10**9
MONTHS, DAYS = 12, 30


def tone(batch: Any) -> dict[str, list[bool]]:
    return {"polite": ["please" in str(text) for text in batch["input.prompt"]]}


TONE = Profiler(name="tone", version="1", columns=("input.prompt",), function=tone)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    # Otherwise Spark's workers are the `python3` of PATH, which need not have nilometer.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        pyspark_sql.SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "700")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")  # of Spark about its own libraries
def test_partitions_add_up_to_the_table(spark: Any) -> None:
    from nilometer.batch.spark import profile_dataframe

    rng = np.random.default_rng(2)
    rows = [
        (float(amount), f"c{number % 7}", "please" if number % 3 else "now")
        for number, amount in enumerate(rng.normal(size=ROWS))
    ]
    frame = spark.createDataFrame(rows, "amount double, country string, prompt string")
    found = profile_dataframe(frame.repartition(5), [TONE])
    names = ("amount", "country", "prompt")
    table = pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)})
    whole = profile_of(table, profilers=[TONE])
    assert set(found) == set(whole)
    for summary, feature in whole.items():
        theirs = found[summary]
        assert theirs.types == feature.types
        assert theirs.categories.frequent == feature.categories.frequent
        assert theirs.numbers.count == feature.numbers.count
    ranks = whole["input.amount"].numbers.digest.rank([-1.0, 0.0, 1.0])
    assert found["input.amount"].numbers.digest.rank([-1.0, 0.0, 1.0]) == pytest.approx(
        ranks, abs=0.002
    )


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an exported file for each of 12 months: 2 windows a day, of 2 countries."""
    folder, rng = tmp_path_factory.mktemp("year"), np.random.default_rng(3)
    for month in range(MONTHS):
        packed = []
        for half in range(2 * DAYS):
            start = JANUARY_NS + (month * DAYS * 2 + half) * DAY_NS // 2
            window = Window(start, start + DAY_NS // 2)
            for country in ("de", "fr"):
                cells = rng.lognormal(size=20).tolist()
                sample = feature_sample(cells, window=window, labels={"country": country})
                packed.append(sample_to_bytes(sample))
        table = pa.Table.from_batches([batch_of(packed)])
        pq.write_table(table, folder / f"history-{month:02}.parquet")
    return folder


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")  # of Spark about its own libraries
def test_a_year_is_merged_as_without_spark(spark: Any, year: Path) -> None:
    """The example merges all rows of a result, whatever the partitions of the files are."""
    merged = runpy.run_path(str(ROOT / "examples" / "year_on_spark" / "main.py"))["merged"]
    frame = spark.read.parquet(str(year / "history-*.parquet")).repartition(7)
    (whole,) = merged(frame).collect()
    assert whole["count"] == MONTHS * DAYS * 2 * 2 * 20
    batches = [one for path in sorted(year.iterdir()) for one in pq.read_table(path).to_batches()]
    (alone,) = [row for batch in merge_rows(batches) for row in batch.to_pylist()]
    ours, theirs = sample_of(bytes(whole["sample"])), sample_of(alone["sample"])
    assert (ours.start, ours.end) == (theirs.start, theirs.end)
    assert ours.quantile(0.999) == pytest.approx(theirs.quantile(0.999), rel=0.1)
    daily = merged(frame, step_seconds=86_400, by=("country",)).collect()
    assert len(daily) == MONTHS * DAYS * 2
    assert {row["count"] for row in daily} == {40}
    (again,) = merged(merged(frame, step_seconds=86_400)).collect()  # rows of rows
    assert again["count"] == whole["count"]


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")
def test_the_recipe_of_the_page_runs(
    spark: Any, year: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del spark  # the recipe gets the same session
    page = (ROOT / "docs" / "parquet.md").read_text()
    _, recipe = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    # Spark resolves a relative path from the directory in which its JVM started.
    exec(recipe.replace('"history*.parquet"', repr(str(year / "history*.parquet"))), {})
    assert f"|{MONTHS * DAYS * 2 * 2 * 20}|" in capsys.readouterr().out.replace(" ", "")
