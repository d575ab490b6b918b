"""Typical mistakes: each is answered by one line with the key, the value and what is allowed."""

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nilometer.commands.cli import main
from nilometer.settings.credentials import Credentials
from nilometer_agent.uplink.dial import Dial

ALERTER_TEXT = 'entity = "e"\nname = "n"\nsummary = "*"\n'
AGAINST = 'kind = "REFERENCE"\nreference = "training"\nthreshold = 0.2\n'

# Text of a settings file in TOML, and what the line about it holds.
FILES = {
    "a section that no component has": (
        "[agent]\n[colector]\n",
        ("[colector]", "did you mean 'collector'?", "agent, collector, middleware"),
    ),
    "a setting beside the sections": (
        "window_seconds = 300\n[agent]\n",
        ("window_seconds", "must be in one of the sections agent, collector, middleware"),
    ),
    "a key that is no setting": (
        "[agent]\nwindw_seconds = 300\n",
        ("agent: windw_seconds", "did you mean 'window_seconds'?", "sample, schemas"),
    ),
    "a number out of its bounds": (
        "[agent]\nwindow_seconds = 61\n",
        ("window_seconds = 61", "a whole number >= 60, <= 86400, a multiple of 60"),
    ),
    "a text for a number": (
        '[agent]\nsample = "half"\n',
        ("sample = 'half'", "a number > 0, <= 1"),
    ),
    "a word that is none of a setting": (
        '[agent]\nwhen_full = "drop"\n',
        ("when_full = 'drop'", "must be one of 'drop_oldest', 'refuse'"),
    ),
    "a word inside a table of a list": (
        '[[agent.proxy]]\nentity = "e"\nlisten = "1"\nupstream = "2"\nprotocol = "http2"\n',
        ("proxy[0].protocol = 'http2'", "must be one of", "'grpc'", "'http'"),
    ),
    "a value under a key of a table": (
        '[agent.scores]\n"output.a" = [0.5]\n"output.b" = [2]\n',
        ('scores."output.b"[0] = 2', "a number > 0, < 1"),
    ),
    "a table of a list without a key": (
        '[[agent.proxy]]\nentity = "e"\nlisten = "1"\n',
        ("proxy[0].upstream", "is missing", "must be a text"),
    ),
    "a reduction that does not exist": (
        '[agent]\nreductions = ["mena"]\n',
        ("reductions = 'mena'", "'min'", "did you mean 'mean'?"),
    ),
    "a kind of alerter that does not exist": (
        f'[[collector.alerters]]\n{ALERTER_TEXT}kind = "FIXD"\n',
        ("kind = 'FIXD'", "'FIXED', 'RANGE', 'REFERENCE'", "did you mean 'FIXED'?"),
    ),
    "a statistic that does not exist": (
        f'[[collector.alerters]]\n{ALERTER_TEXT}kind = "FIXED"\nthreshold = 1\nstatistic = "men"\n',
        ("statistic = 'men'", "p99", "did you mean 'mean'?"),
    ),
    "a comparison that does not exist": (
        f'[[collector.alerters]]\n{ALERTER_TEXT}kind = "FIXED"\nthreshold = 1\nstatistic = "count"\ncomparison = "=>"\n',
        ("comparison = '=>'", "'>', '>=', '<', '<='"),
    ),
    "a comparator that does not exist": (
        f'[[collector.alerters]]\n{ALERTER_TEXT}{AGAINST}comparator = "pis"\n',
        ("comparator = 'pis'", "'psi', 'ks'", "did you mean 'psi'?"),
    ),
    "a severity that does not exist": (
        f'[[collector.alerters]]\n{ALERTER_TEXT}kind = "FIXED"\nthreshold = 1\nstatistic = "count"\nseverity = "warn"\n',
        ("severity = 'warn'", "'info', 'warning', 'critical'", "did you mean 'warning'?"),
    ),
    "a right that does not exist": (
        f'[[collector.principals]]\nname = "a"\ntoken_sha256 = ["{"0" * 64}"]\nhttp = "all"\n',
        ("principals[0].http = 'all'", "must be one of 'none', 'read', 'write'"),
    ),
}


@pytest.mark.parametrize(("text", "parts"), FILES.values(), ids=FILES)
def test_a_wrong_file_is_answered_by_one_line(
    text: str, parts: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nilometer.toml"
    path.write_text(text)
    assert main(["config", "check", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


def test_a_check_reports_every_mistake_of_every_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nilometer.toml"
    path.write_text(
        "[agnt]\n"
        '[agent]\nwindow_seconds = 61\nsampel = 0.5\ntls_key = "key.pem"\n'
        '[middleware]\nentity = "no spaces"\ncapture = "all"\nagent = "x"\n'
        f'[[collector.alerters]]\n{ALERTER_TEXT}kind = "FIXD"\nseverity = "warn"\n'
        '[[collector.alerters]]\nentity = "e"\nname = "m"\nsumary = "*"\nkind = "FIXED"\n'
        f"[[collector.alerters]]\n{ALERTER_TEXT}kind = 3\n"
    )
    assert main(["config", "check", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    said = (
        "[agnt]: there is no such section",
        "agent: sampel: there is no such setting",
        "agent: window_seconds = 61",
        "agent: tls_key = 'key.pem'",
        "middleware: entity = 'no spaces'",
        "middleware: capture = 'all'",
        "middleware: agent = 'x'",
        "collector: alerter 'n': severity = 'warn'",
        "collector: alerter 'n': kind = 'FIXD'",
        "collector: alerters[1].sumary: there is no such setting",
        "collector: alerters[1].summary: is missing",
        "collector: alerters[2].kind = 3",
    )
    for part in said:
        assert sum(line.startswith(f"nilometer: {part}") for line in lines) == 1, (part, lines)
    assert len(lines) == len(said)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("NILOMETER_WINDOW_SECONDS", "NILOMETER_AGENT_WINDOW_SECONDS"),
        ("NILOMETER_AGNT_SAMPLE", "NILOMETER_AGENT_SAMPLE"),
        ("NILOMETER_COLECTOR_DATABASE", "NILOMETER_COLLECTOR_DATABASE"),
    ],
)
def test_a_variable_that_sets_nothing_is_named_with_the_nearest(
    variable: str,
    nearest: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, "hunter2")
    assert main(["config", "print", "--component", "agent"]) == 0
    (line,) = (one for one in caplog.messages if one.startswith(f"{variable} sets nothing"))
    assert f"did you mean {nearest!r}?" in line
    assert "hunter2" not in line
    monkeypatch.setenv("NILOMETER_ENTITY", "e")  # the middleware, to which the name would belong
    assert main(["run", "--entity", "e", "--", "true"]) == 2
    assert f"did you mean {nearest!r}?" in capsys.readouterr().err


def test_variables_of_kubernetes_and_of_a_component_are_no_mistake(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for variable in (
        "NILOMETER_SERVICE_HOST",
        "NILOMETER_PORT_7501_TCP_ADDR",
        "NILOMETER_ENTITY",
        "NILOMETER_AGENT_SAMPLE",
    ):
        monkeypatch.setenv(variable, "1")
    assert main(["config", "print"]) == 0
    assert not caplog.messages


def test_a_variable_of_the_agent_that_is_no_setting_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NILOMETER_AGENT_WINDW_SECONDS", "300")
    assert main(["config", "print", "--component", "agent"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "NILOMETER_AGENT_WINDW_SECONDS: there is no such setting" in line
    assert "did you mean 'NILOMETER_AGENT_WINDOW_SECONDS'?" in line


@pytest.mark.parametrize(
    ("address", "why"), [("127.0.0.1:1", "refused"), ("nowhere", "'nowhere' has no port")]
)
def test_a_collector_that_does_not_answer_is_named(
    address: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    Dial(address, Credentials()).warn_if_silent()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "must be the host:port" in record.message
    assert vars(record)["collector"] == address
    assert why in vars(record)["reason"]


@pytest.mark.parametrize("address", ["dns:///collector:7501", "10.0.0.1:1,10.0.0.2:1"])
def test_an_address_that_only_grpc_can_try_is_not_called_silent(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    Dial(address, Credentials()).warn_if_silent()
    assert not caplog.records


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (["agent", "--collector", "", "--directory", "{place}"], "directory"),
        (["collector", "--database", "{place}/collector.db"], "database"),
        (["demo", "--directory", "{place}"], "directory"),
    ],
)
def test_a_directory_that_cannot_be_written_is_one_line(
    command: list[str], key: str, tmp_path: Path
) -> None:
    place = tmp_path / "file" / "inside"
    place.parent.write_text("a file, so that nobody can write inside it, whoever runs the test")
    finished = subprocess.run(
        [sys.executable, "-m", "nilometer", *(word.format(place=place) for word in command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert f"{key} = '{place}" in line


@pytest.mark.parametrize(
    "command", [["config", "print", "--effective"], ["alerters", "--config", "{file}"]]
)
def test_a_reader_that_has_gone_is_no_traceback(command: list[str], tmp_path: Path) -> None:
    file = tmp_path / "collector.toml"
    file.write_text("")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "nilometer", *(word.format(file=file) for word in command)],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (finished.returncode, finished.stderr) == (1, "")


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["alerters", "--config", "absent.toml"], "yaml", "collector"),
        (["doctor"], "grpc", "agent"),
        (["top", "--once"], "grpc", "agent"),
        (["profile", "train.parquet", "--entity", "e"], "pyarrow", "batch"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(
    command: list[str], module: str, extra: str
) -> None:
    program = (
        "import sys; import nilometer.commands.cli as cli\n"
        f"sys.modules[{module!r}] = None\n"
        f"sys.exit(cli.main({command!r}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert f"pip install 'nilometer[{extra}]'" in line


def test_an_entity_without_alerters_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "collector.toml"
    file.write_text(
        f'[[alerters]]\n{ALERTER_TEXT}kind = "FIXED"\nthreshold = 1\nstatistic = "count"\n'
    )
    assert main(["alerters", "--config", str(file), "--entity", "E"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "entity = 'E': has no alerter; did you mean 'e'? (entities with alerters: e)" in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rollback", "x"], "nilometer rollback: argument REVISION: invalid int value: 'x'"),
        (["apply"], "nilometer apply: the following arguments are required: -f/--file"),
        (["get", "--nope\x1b[2J"], "nilometer: unrecognized arguments: --nope"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)
    assert line.endswith("--help")
    assert "\x1b" not in line


@pytest.mark.parametrize("words", [["config", "print"], ["--help"]])
def test_output_to_a_full_disk_is_told_in_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "nilometer", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.stderr == "nilometer: the output cannot be written: No space left on device\n"
    assert ran.returncode == 2


def test_a_full_disk_of_another_file_is_no_failure_of_the_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(arguments: argparse.Namespace) -> int:
        with Path("/dev/full").open("w") as full:
            full.write("x")
        return 0

    monkeypatch.setattr("nilometer.commands.config._print", write)
    with pytest.raises(OSError, match="No space left"):
        main(["config", "print"])
