import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet as pq
import pytest

from nilometer.batch import collector_calls
from nilometer.commands import cli
from nilometer.commands.cli import main

TABLE = pyarrow.table(
    {
        "amount": [1.0, 2.0, None, 4.0, float("nan")],
        "country": ["de", "fr", "de", None, "de"],
        "output.score": [0.1, 0.2, 0.3, 0.4, 0.5],
        "vip": [True, False, True, True, None],
        "nothing": pyarrow.nulls(5),
    }
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "train.parquet"
    pq.write_table(TABLE, path)
    return path


def test_a_profile_as_json_has_every_feature(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", str(table), "--entity", "fraud-scorer", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["entity"], printed["rows"]) == ("fraud-scorer", 5)
    assert set(printed["features"]) == {
        "input.amount",
        "input.country",
        "input.nothing",
        "input.vip",
        "output.score",
    }
    amount = printed["features"]["input.amount"]
    assert amount == {
        "type": "number",
        "count": 3,
        "missing": 1,
        "null_like": 0,
        "types": {"number": 4},
        "zero": 0,
        "negative": 0,
        "non_finite": 1,
        "min": 1.0,
        "max": 4.0,
        "mean": pytest.approx(7 / 3),
        "quantiles": amount["quantiles"],
        "distinct": None,
        "top": [],
    }
    assert amount["quantiles"]["0.5"] == 2.0
    country = printed["features"]["input.country"]
    assert (country["type"], country["missing"], country["distinct"]) == ("category", 1, 2)
    assert country["top"] == [["de", 3], ["fr", 1]]
    assert printed["features"]["input.vip"]["top"] == [["true", 3], ["false", 1]]
    nothing = printed["features"]["input.nothing"]
    assert (nothing["type"], nothing["count"], nothing["missing"]) == ("empty", 0, 5)


def test_a_profile_for_a_human_is_a_table(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(table), "--entity", "fraud-scorer"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fraud-scorer: 5 rows of train.parquet"
    assert any(line.startswith("input.country") and "de 3, fr 1" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["missing.parquet", "--entity", "e"], "missing.parquet"),
        (["table.xlsx", "--entity", "e"], "must end in one of .parquet"),
        (["{table}", "--entity", "no spaces"], "entity = 'no spaces'"),
        (["{table}", "--entity", "e", "--expires", "90d"], "--expires needs --as-reference"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str], why: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["profile", *(word.format(table=table) for word in arguments)])
    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("nilometer: ")
    assert error.count("\n") == 1
    assert why in error


def test_a_collector_that_is_away_is_exit_code_1(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collector_calls, "RETRY_SECONDS", ())
    arguments = ["profile", str(table), "--entity", "e", "--as-reference", "training"]
    assert main([*arguments, "--collector", "127.0.0.1:1"]) == 1
    error = capsys.readouterr().err
    assert "no collector answers at 127.0.0.1:1: " in error
    assert "Connection refused" in error


@pytest.mark.parametrize(
    "command",
    [
        *(
            "agent",
            "collector",
            "config",
            "demo",
            "profile",
            "alerters",
            "backtest",
            "canary",
            "causes",
        ),
        *("apply", "get", "describe", "delete", "changes", "rollback", "channels"),
        *("reference", "episodes"),
    ],
)
def test_every_command_has_help_that_says_what_it_touches(command: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "nilometer", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = " ".join(finished.stdout.split())
    assert any(
        words in said
        for words in ("Writes to its", "goes to the collector", "Writes to a", "Writes to standard")
    )


def test_a_wrong_agent_setting_stops_the_start_with_one_line(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("window_seconds = 61\n")
    finished = subprocess.run(
        [sys.executable, "-m", "nilometer", "agent", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert "window_seconds = 61" in finished.stderr
    assert "multiple of 60" in finished.stderr


@pytest.mark.parametrize(
    ("missing", "command", "extra"),
    [
        ("uvicorn", ["collector"], "collector"),
        ("grpc", ["collector"], "collector"),
        ("grpc", ["agent"], "agent"),
        ("grpc", ["profile", "x.parquet", "--entity", "e"], "batch"),
        ("grpc", ["top"], "agent"),
        ("grpc", ["doctor"], "agent"),
        ("yaml", ["alerters"], "collector"),
        ("httpx", ["demo"], "demo"),
        ("httpx", ["backtest"], "collector"),
        ("httpx", ["canary", "--entity", "e"], "collector"),
    ],
)
def test_a_command_whose_extra_is_missing_says_which(
    tmp_path: Path, missing: str, command: list[str], extra: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{missing!r}] = None\n")
    finished = subprocess.run(
        [sys.executable, "-m", "nilometer", *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert finished.returncode == 2
    assert finished.stderr == (
        f"nilometer: {command[0]} needs {missing}: pip install 'nilometer[{extra}]'\n"
    )


def test_the_commands_of_the_base_install_need_no_extra(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor name in ('grpc', 'sqlite_utils', 'uvicorn', 'starlette', 'httpx', 'pyarrow',"
        " 'yaml', 'opentelemetry', 'prometheus_client', 'rich', 'requests', 'scipy', 'psycopg',"
        " 'hpack', 'httptools'):\n"
        "    sys.modules[name] = None\n"
    )
    (tmp_path / "c.toml").write_text("[agent]\n[collector]\n[middleware]\nentity = 'e'\n")
    for command in (
        ["--help"],
        ["config", "check", str(tmp_path / "c.toml")],
        ["config", "print"],
        ["decode", "--help"],
        ["profile", "--help"],
        ["top", "--help"],
        ["run", "--entity", "e", "--agent", "unix:/nowhere", "--", sys.executable, "-c", ""],
    ):
        finished = subprocess.run(
            [sys.executable, "-m", "nilometer", *command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
        assert finished.returncode == 0, finished.stderr


def test_a_command_imports_no_other_command() -> None:
    program = (
        "import sys; from nilometer.commands.cli import main\n"
        "try: main(['top', '--help'])\n"
        "except SystemExit: print(*sys.modules, sep='\\n')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported = set(ran.stdout.splitlines())
    assert "nilometer.commands.top.cli" in imported
    assert not imported & {"nilometer.commands.config", "nilometer_collector", "numpy"}


def test_an_error_of_a_file_is_found_without_the_collector(tmp_path: Path) -> None:
    """The commands of declared objects ask a server, and do not import one."""
    program = (
        "import sys; from nilometer.commands.cli import main\n"
        f"status = main(['apply', '-f', {str(tmp_path / 'missing.yaml')!r}])\n"
        "print(status, *sys.modules, sep='\\n')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    status, *imported = ran.stdout.splitlines()
    assert status == "2"
    assert not {"nilometer_collector.api.app", "scipy", "starlette"}.intersection(imported)


@pytest.mark.parametrize(
    ("words", "verbosity"),
    [
        (["top"], "NONE"),
        (["import", "f"], "NONE"),
        (["profile", "f", "--entity", "e"], "NONE"),
        (["doctor"], "NONE"),
        (["demo"], "NONE"),
        (["collector"], None),
        (["agent"], None),
        (["get"], None),
    ],
)
def test_only_commands_that_ask_for_it_keep_the_log_of_grpc_quiet(
    monkeypatch: pytest.MonkeyPatch, words: list[str], verbosity: str | None
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        found.append(os.environ.get("GRPC_VERBOSITY"))
        return 0

    found: list[str | None] = []
    parsed = cli.command_line(words[0]).parse_args(words)
    parsed.run = run
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda *_: parsed)
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    assert cli.main(words) == 0
    assert found == [verbosity]
    assert "GRPC_VERBOSITY" not in os.environ
