"""docs/client.md and the code say the same: its programs and commands run against a collector."""

import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nilometer.client
from nilometer.client import RequestFailed
from nilometer.commands.cli import main
from nilometer_collector.testing import Running, feature_sample, minute, running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "client.md").read_text()
URL = "http://127.0.0.1:7500"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)\n```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("page") / "collector.db") as served:
        de = enumerate(([1.0, 2.0], [4.0, 5.0, 5.0], [8.0] * 4))
        served.sender().ship(
            *(feature_sample(one, window=minute(at), labels={"country": "de"}) for at, one in de),
            feature_sample([1.0, 2.0, 3.0], labels={"country": "fr"}),
        )
        yield served


def test_the_programs_run(served: Running, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for program in PROGRAMS:
        exec(program.replace(URL, served.collector.http_url), names)
    merged, columns, count = capsys.readouterr().out.splitlines()
    assert 5.0 <= float(merged) <= 8.0
    assert "quantiles.0.99" in columns
    assert "statistics.missing_ratio" in columns
    assert count == "12"


@pytest.mark.parametrize(("command", "printed"), COMMANDS)
def test_the_commands_print_what_the_page_shows(
    served: Running,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    printed: str,
) -> None:
    words = shlex.split(command)
    if words[0] == "echo":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(words[1].encode())))
        words = words[words.index("|") + 1 :]
    assert main([*words[1:], "--collector", served.collector.http_url]) == 0
    assert capsys.readouterr().out == printed


def test_every_error_has_a_row() -> None:
    told = set(re.findall(r"^\| `(\w+)` \| (?:no|status|any|the) ", PAGE, re.MULTILINE))
    made = {name for name in nilometer.client.__all__ if is_failure(name)}
    assert told == made - {"RequestFailed"}


def is_failure(name: str) -> bool:
    return issubclass(getattr(nilometer.client, name), RequestFailed)


@pytest.mark.parametrize("command", ["query", "log"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: nilometer {command}" in capsys.readouterr().out
