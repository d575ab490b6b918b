"""docs/history.md and the code say the same: its example is run against a collector."""

import re
import shlex
from pathlib import Path

import pytest

from nilometer.commands.cli import main
from nilometer_collector.testing import ENTITY, running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "history.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_example_logs_the_week_that_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(block("python"), {})
    _, _, command = block("sh").replace("\\\n", "").partition("nilometer ")
    with running(tmp_path / "collector.db") as served:
        target = served.collector.grpc_target
        assert main([*shlex.split(command), "--collector", target]) == 0
        assert capsys.readouterr().out == block("text").replace("127.0.0.1:7501", target)
        answer = served.get(
            "samples", entity=ENTITY, summary="input.amount", label="country:de", step=86_400
        )
        total = sum(sample["feature"]["count"] for sample in answer["samples"])
        assert 0.48 < total / 8640 < 0.52


def test_every_option_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["profile", "--help"])
    offered = set(re.findall(r"--(?:log|time-\w+|window|labels)\b", capsys.readouterr().out))
    told = set(re.findall(r"^\| `(--[\w-]+)", PAGE, re.MULTILINE))
    assert offered <= told
