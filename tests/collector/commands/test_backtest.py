"""`nilometer backtest`: reads files and times, asks a collector, and prints a table or JSON."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from nilometer.values.errors import ConfigError, NilometerError
from nilometer_collector.commands import backtest
from nilometer_collector.testing import ENTITY, START_NS, Running, feature_sample, minute

START = START_NS // 1_000_000_000
VALUES = (1.0, 9.0, 9.0, 1.0, 1.0, 9.0, 1.0)
MEAN: dict[str, Any] = {
    "entity": ENTITY,
    "name": "mean",
    "summary": "input.amount",
    "kind": "FIXED",
    "statistic": "mean",
    "threshold": 2.0,
    "minimum_count": 1,
}
TOML = f"""\
[[collector.alerters]]
entity = "{ENTITY}"
name = "mean"
summary = "input.amount"
kind = "FIXED"
statistic = "mean"
threshold = 2.0
minimum_count = 1
"""
YAML = "\n".join(f"{key}: {json.dumps(value)}" for key, value in MEAN.items())


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    backtest.add(parser.add_subparsers())
    arguments = parser.parse_args(["backtest", *argv])
    return int(arguments.run(arguments))


@pytest.fixture
def options(served: Running) -> list[str]:
    samples = [feature_sample([value], window=minute(at)) for at, value in enumerate(VALUES)]
    served.sender().ship(*samples)
    return ["--collector", served.collector.http_url, "--last", "10m", "--until", str(START + 600)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("alerters.toml", TOML),
        ("alerter.yaml", YAML),
        ("alerter.json", json.dumps(MEAN)),
        ("answer.json", json.dumps({"alerters": [MEAN]})),
    ],
)
def test_a_file_of_each_form_is_tested(
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str,
) -> None:
    file = tmp_path / name
    file.write_text(content)
    marked = ["--incident", "2023-11-14T22:15Z/2023-11-14T22:17Z:deploy"]
    assert run("-f", str(file), *options, *marked) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "2023-11-14 22:14 UTC to 2023-11-14 22:24 UTC, 0.00694 days"
    assert printed[2].split() == [
        *("entity", "alerter", "episodes/mo", "messages/mo", "open", "found", "delay", "false")
    ]
    assert printed[3].split()[:2] == [ENTITY, "mean"]
    assert printed[3].split()[-6:] == ["3", "m", "1/1", "1", "m", "1"]
    assert printed[5] == f"{ENTITY} / mean: 7 windows judged, 0 not judged in 0.00486 days"
    assert re.split(r"\s{2,}", printed[7].strip()) == [
        *("2023-11-14 22:16 UTC", "2 m", "9", "warning", "input.amount", "deploy")
    ]


def test_without_a_file_todays_alerters_are_tested(
    options: list[str], served: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.put_alerter(MEAN).raise_for_status()
    incidents = tmp_path / "incidents.toml"
    incidents.write_text(
        '[[incidents]]\nstart = 2023-11-14T22:15:00Z\nend = "2023-11-14T22:17Z"\nname = "deploy"\n'
    )
    assert run("--json", "--incidents", str(incidents), *options) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["alerter"] for one in found["alerters"]] == ["mean", "default"]
    assert found["alerters"][0]["score"]["found"] == [{"name": "deploy", "delay": 60.0}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", TOML.replace("threshold", "thresholds"),
         r"a.toml:7: alerters\[0\].thresholds: there is no such setting; did you mean 'threshold'"),
        ("a.toml", TOML.replace("2.0", '"x"'), r"a.toml:7: alerters\[0\].threshold = 'x': must be"),
        ("a.toml", TOML + TOML.replace("mean", "b").replace('"b"\nthr', '"none"\nthr'),
         r"a.toml:14: alerter 'b': statistic = 'none': must be"),
        ("a.toml", TOML + TOML, r"a.toml:11: alerters\[1\].name = 'mean': fraud-scorer has two"),
        ("a.yaml", YAML.replace("FIXED", "FIXD"), r"a.yaml:4: alerter 'mean': kind = 'FIXD'"),
        ("a.yaml", YAML.replace("mean", "median"), r"a.yaml:5: alerter 'median': statistic = "),
        ("a.yaml", YAML + "\nkind: FIXED", r"a.yaml: line 8: 'kind' appears twice"),
        ("a.json", '{\n "alerters": [\n  {"entity": 1}]}', r"a.json:3: alerters\[0\].entity = 1"),
        ("a.json", '{\n "kind": "FIXED",\n}', r"a.json:\d: is not JSON"),
        ("a.json", "[]", r"a.json:1: the top level must be an object"),
        ("a.json", "{}", r"a.json:1: alerters: is missing"),
        ("a.yaml", "watch:\n- time_zone: Mars", r"a.yaml:2: time_zone = 'Mars'"),
        ("a.yaml", "watch:\n- holidays: ['02-30']", r"a.yaml:2: holidays = '02-30'"),
        ("a.ini", "", r"a.ini: must end in one of"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_names_file_line_and_key(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        run("-f", str(file))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--last", "30"], "--last = '30': must be a number with"),
        (["--last", "9999d"], "must be 5m to 400d"),
        (["--until", "yesterday"], "--until = 'yesterday': must be a time"),
        (["--incident", "2025-07-04"], "must be START/END or START/END:name"),
        (["--incident", "9/8"], "must end after it starts"),
    ],
)
def test_wrong_times_are_named(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        run(*argv)


def test_a_wrong_time_in_a_file_of_incidents_is_named(tmp_path: Path) -> None:
    file = tmp_path / "i.yaml"
    file.write_text("incidents:\n- start: 2025-07-04 01:00:00\n  end: soon\n")
    with pytest.raises(ConfigError, match=r"i.yaml:3: incidents\[0\].end = 'soon'"):
        run("--incidents", str(file))


def test_the_answer_of_the_collector_is_told(options: list[str]) -> None:
    with pytest.raises(NilometerError, match="answers 404: entity 'nobody' does not exist"):
        run("--entity", "nobody", *options)
    with pytest.raises(NilometerError, match=r"no answer from http://127\.0\.0\.1:1"):
        run("--collector", "http://127.0.0.1:1")
