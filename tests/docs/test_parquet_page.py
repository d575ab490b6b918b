"""docs/parquet.md and the code say the same: its commands and programs run."""

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pyarrow
import pyarrow.parquet
import pytest

from nilometer.batch.exported import schema
from nilometer.commands.cli import main
from nilometer.values.window import Window
from nilometer_collector.testing import START_NS, feature_sample, running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "parquet.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)\n```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
MERGE, SPARK = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
VALUES = [[float(day * 10 + at) for at in range(10)] for day in range(3)]

Mapped = Callable[[Iterable[pyarrow.RecordBatch]], Iterator[pyarrow.RecordBatch]]


def test_the_commands_and_the_merge_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (export, exported), (store, stored) = COMMANDS
    with running(Path("state/collector.db")) as served:
        sender = served.sender()
        for day, values in enumerate(VALUES):
            for country in ("de", "fr"):
                start = START_NS + day * 86_400 * 10**9
                window = Window(start, start + 60 * 10**9)
                sender.ship(feature_sample(values, window=window, labels={"country": country}))
        words = [*shlex.split(export)[1:], "--collector", served.collector.http_url]
        assert main(words) == 0
        assert capsys.readouterr().out == exported
    with running(Path("other/collector.db")) as served:
        target = served.collector.grpc_target
        assert main([*shlex.split(store)[1:], "--collector", target]) == 0
        assert capsys.readouterr().out == stored.replace("127.0.0.1:7501", target)
    exec(MERGE, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(VALUES)
    assert lines[0].startswith("input.amount {'country': 'de'} 9")
    _on_a_stand_in_for_spark(monkeypatch)
    assert capsys.readouterr().out.splitlines() == ["60 15.0 29.0"]


def _on_a_stand_in_for_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the recipe; the stand-in has one partition, and checks the schema."""

    @dataclass
    class Frame:
        batches: list[pyarrow.RecordBatch]

        def repartition(self, *columns: str) -> "Frame":
            assert columns == ("entity", "summary")
            return self

        def mapInArrow(self, function: Mapped, told: str) -> "Frame":
            assert re.findall(r"`(\w+)`", told) == schema().names
            return Frame(list(function(iter(self.batches))))

        def select(self, *columns: str) -> "Frame":
            return Frame([batch.select(columns) for batch in self.batches])

        def show(self) -> None:
            for batch in self.batches:
                for row in batch.to_pylist():
                    print(row["count"], row["p50"], row["p99"])

    class Session:
        builder: "Session"

        def getOrCreate(self) -> "Session":
            return self

        @property
        def read(self) -> "Session":
            return self

        def parquet(self, pattern: str) -> Frame:
            (path,) = Path().glob(pattern)
            return Frame(pyarrow.parquet.read_table(path).to_batches())

    Session.builder = Session()
    sql = ModuleType("pyspark.sql")
    sql.SparkSession = Session  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyspark", ModuleType("pyspark"))
    monkeypatch.setitem(sys.modules, "pyspark.sql", sql)
    exec(SPARK, {})


def test_every_column_has_a_row() -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {"entity", "summary", "labels", "kind", "count", "seen", "share", "sample"} <= named
    assert {name for name in named if not name.startswith("--")} <= {*schema().names}


@pytest.mark.parametrize("command", ["export", "import"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert f"usage: nilometer {command}" in told
    if command == "export":
        offered = set(
            re.findall(r"^  (--(?:entity|summary|last|start|end|step))\b", told, re.MULTILINE)
        )
        assert offered <= set(re.findall(r"`(--[\w-]+)", PAGE))
