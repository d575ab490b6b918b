"""`nilometer ground-truth`: files of every format, broken rows, and runs that end early."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.predicted import log_predictions
from support.truths import scored

from nilometer.client import Client, CollectorUnreachable
from nilometer.client.answers import TruthAnswer, TruthStatus
from nilometer.client.client import Entity
from nilometer.commands.cli import main
from nilometer.commands.ground_truth import Sending
from nilometer.commands.truth_files import TruthFile
from nilometer.testing import SteppedClock
from nilometer_collector.store import open_store
from nilometer_collector.testing import ENTITY, Running, running

COUNT = 50
COLUMNS = {name: name for name in ("id", "row", "subject", "time", "value", "known")}
DOCUMENT = {
    "version": 1,
    "performance": [{"entity": ENTITY, "task": "binary", "score": "score"}],
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    """A collector with a declared performance and `COUNT` logged predictions."""
    path = tmp_path / "state" / "collector.db"
    store = open_store(path, "")
    log_predictions(store, scored(COUNT))
    store.close()
    with running(path, SteppedClock()) as found:
        found.http.post("/api/v1/apply", json=DOCUMENT).raise_for_status()
        yield found


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file with a byte order mark and a column that nobody asked for."""
    lines = [f'{row["id"]},"a, b\nc",{row["value"]}' for row in rows]
    path.write_text("\ufeffid,note,value\n" + "\n".join(lines) + "\n", encoding="utf-8")


def write_jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write JSON lines with an empty line."""
    path.write_text("\n\n".join(json.dumps(row) for row in rows))


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a Parquet file of several row groups."""
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=7)


WRITERS: dict[str, Callable[[Path, Sequence[Mapping[str, Any]]], None]] = {
    "truth.csv": write_csv,
    "truth.jsonl": write_jsonl,
    "truth.parquet": write_parquet,
}
ROWS = [{"id": f"id-{at}", "value": at % 2} for at in range(COUNT)]


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_joined_once(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / name
    WRITERS[name](path, ROWS)
    command = ["ground-truth", str(path), "--entity", ENTITY, "--chunk", "9"]
    command += ["--collector", served.collector.http_url]
    for _ in range(2):
        assert main(command) == 0
        assert "joined             50" in capsys.readouterr().out
    assert served.get("ground-truth", entity=ENTITY)["counts"] == {"joined": COUNT}


class Breaking(Entity):
    """An entity whose collector answers some requests only after the caller has gone."""

    def __init__(self, client: Client, lost: Sequence[int]) -> None:
        super().__init__(client, ENTITY)
        self.lost = list(lost)
        self.sent = 0

    def ground_truth(self, rows: Any, **named: Any) -> TruthAnswer:
        """Join the rows; lose the answer of the requests in `lost`."""
        self.sent += 1
        answer = super().ground_truth(rows, **named)
        if self.sent in self.lost:
            raise CollectorUnreachable("no answer")
        return answer

    def ground_truth_status(self, source: str | None = None) -> TruthStatus:
        """Return the progress."""
        return super().ground_truth_status(source)


@pytest.mark.parametrize("name", WRITERS)
def test_a_run_that_ended_early_is_continued_where_it_ended(
    served: Running, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    WRITERS[name](path, ROWS)
    file = TruthFile.of(path, None, COLUMNS)
    with Client(served.collector.http_url) as client:
        ended = Breaking(client, lost=range(3, 100))
        with pytest.raises(CollectorUnreachable):
            Sending(ended, file, sleep=lambda _: None).send(4)
        waited: list[float] = []
        again = Breaking(client, lost=[2, 5])
        found = Sending(again, file, sleep=waited.append).send(11)
    assert found == {"joined": COUNT}
    assert waited == [1.0, 1.0]
    assert again.sent == 6  # four chunks and two repetitions
    assert served.get("ground-truth", entity=ENTITY)["counts"] == {"joined": COUNT}


def test_broken_rows_are_counted_and_the_others_joined(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "truth.txt"
    lines = [
        b'{"id": "id-1", "value": 1}',
        b'{"id": "id-2", "value": ',
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'{"id": "id-3", "value": {"a": 1}}',
        b'{"id": {"x": 1}, "value": 1}',
        b'{"id": "id-4", "row": "first", "value": 1}',
        b'{"id": "id-5", "value": 1, "known": []}',
        b'{"id": "' + b"x" * (2 << 20) + b'", "value": 1}',
        b'{"id": "id-6", "value": 0, "more": 10000000000000000000000000000000}',
        b'{"id": 7, "value": 1e400}',
    ]
    path.write_bytes(b"\n".join(lines))
    command = ["ground-truth", str(path), "--entity", ENTITY, "--format", "jsonl"]
    assert main([*command, "--collector", served.collector.http_url]) == 1
    out = capsys.readouterr().out
    assert f"{path}: {len(lines)} rows" in out
    counts = served.get("ground-truth", entity=ENTITY)["counts"]
    assert counts == {"joined": 3, "malformed": len(lines) - 3}


@pytest.mark.parametrize(
    ("content", "reason"),
    [("id,label\na,1\n", "--value"), ("key,value\na,1\n", "--id"), ("", "--value")],
)
def test_a_file_without_a_needed_column_is_refused(
    served: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    reason: str,
) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(content)
    command = ["ground-truth", str(path), "--entity", ENTITY]
    assert main([*command, "--collector", served.collector.http_url]) == 2
    assert reason in capsys.readouterr().err


def test_an_unclosed_quote_costs_only_the_rows_that_it_contains(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    good = "".join(f"id-{at},1\n" for at in range(20_000))
    path.write_text('id,value\nid-0,1\nid-1,"1\n' + good)
    file = TruthFile.of(path, None, COLUMNS)
    rows = [row for chunk in file.chunks(0, 5000) for row in chunk.rows]
    assert {} in rows
    assert rows[-1] == {"id": "id-19999", "value": "1"}
