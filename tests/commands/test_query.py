"""`nilometer query` and `nilometer log`: forms of output, and refusals in one line."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nilometer.commands.cli import main
from nilometer_collector.testing import ENTITY, START_NS, Running, feature_sample, minute, running

START = str(START_NS / 1e9)
HOSTILE = '\u202ex,"y'  # the first character reverses the text after it


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("query") / "collector.db") as served:
        served.sender().ship(
            *(feature_sample([1.0 * n], window=minute(n), labels={"v": HOSTILE}) for n in (0, 1, 3))
        )
        yield served


def query(served: Running, *options: str) -> int:
    return main(
        [
            *("query", "--entity", ENTITY, "--summary", "input.amount", "--start", START),
            *("--collector", served.collector.http_url, *options),
        ]
    )


def test_csv_and_json_have_the_same_rows(
    served: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--by", "v", "--step", "1m", "--moments", "--rates")
    assert query(served, *options, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert query(served, *options, "--format", "json") == 0
    objects = json.loads(capsys.readouterr().out)
    assert [row["labels.v"] for row in rows] == [HOSTILE] * 3
    assert [{k: "" if v is None else str(v) for k, v in one.items()} for one in objects] == rows
    assert [float(row["mean"]) for row in rows] == [0.0, 1.0, 3.0]
    assert [one["rates.per_second"] for one in objects] == pytest.approx([1 / 60] * 3)


@pytest.mark.parametrize("form", ["table", "sparkline"])
def test_a_terminal_gets_no_control_characters(
    served: Running, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert query(served, "--by", "v", "--step", "60s", "--format", form) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert len(lines) == {"table": 4, "sparkline": 1}[form]
    if form == "sparkline":
        assert "▁▃ █" in lines[0]  # a gap where a window has no data


def test_no_data_is_told(served: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert query(served, "--end", str(float(START) + 1), "--label", "v:other") == 0
    told = capsys.readouterr()
    assert "has no such data in the time from 2023-11-14 22:14 to 2023-11-14 22:14" in told.err
    assert len(told.out.splitlines()) <= 1


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--quantile", "much"], 2, "--quantile = 'much': must be a number"),
        (["--quantile", "7"], 1, "answers 422: quantile"),
        (["--label", "country"], 2, "--label = 'country': must be KEY:VALUE"),
        (["--step", "0s"], 2, "step = '0s': must be above 0"),
        (["--last", "1h"], 2, "last = '1h': must not be combined with start or end"),
        (["--comparator", "psi"], 2, "comparators: need a reference"),
        (["--reference", "none"], 1, "answers 404: fraud-scorer has no reference 'none'"),
        (["--summary", "a\ud800b"], 1, "cannot be written"),
        (["--token-file", "/nowhere"], 2, "there is no such file"),
        (["--collector", "ftp://x"], 2, "must be http:// or https://"),
        (["--collector", "http://127.0.0.1:1"], 1, "check that a collector runs there"),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    served: Running,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    status: int,
    message: str,
) -> None:
    assert query(served, *options) == status
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert message in told.err


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 2, "must be one JSON object"),
        (b"[1, 2]", 2, "must be one JSON object"),
        (b"\xff{}", 2, "must be one JSON object"),
        (b"{}{}", 2, "must be one JSON object"),
        (b'{"entity": "e"}', 1, "answers 422: 1 rows are refused"),
    ],
)
def test_a_file_that_is_no_sample_is_refused_in_one_line(
    served: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    status: int,
    message: str,
) -> None:
    file = tmp_path / "sample.json"
    file.write_bytes(content)
    assert main(["log", str(file), "--collector", served.collector.http_url]) == status
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert message in told.err


def test_a_file_is_logged_once(
    served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sample.json"
    sample = {"entity": "e", "summary": "logged.auc", "start": float(START), "seconds": 60}
    file.write_text(json.dumps({**sample, "content": {"type": "number", "value": 0.5}}))
    for _ in range(2):
        assert main(["log", str(file), "--collector", served.collector.http_url]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "e: logged.auc stored",
        "e: logged.auc was stored before",
    ]
    assert main(["log", str(tmp_path / "other")]) == 2
    assert capsys.readouterr().err.endswith("other: No such file or directory\n")
