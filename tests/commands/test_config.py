"""`nilometer config`: checks a file, and prints the effective settings."""

import tomllib
from pathlib import Path

import pytest

from nilometer.commands.cli import main

WHOLE = """
middleware:
  labels: {region: eu}
agent:
  collector: collector:7501
  metrics_address: ":9464"
collector:
  slack_webhook_url: https://hooks.example/secret-path
  store: postgresql://nilometer:secret-path@db/nilometer
  channels: [{name: pager, kind: pagerduty, secrets: {routing_key: secret-path}}]
"""


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "nilometer.yaml"
    path.write_text(WHOLE)
    return path


def test_a_good_file_is_fine(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(whole)]) == 0
    assert "fine (agent, collector, middleware)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "arguments", "why"),
    [
        ("agent: {windw_seconds: 60}\n", [], "agent: windw_seconds: there is no such setting"),
        ("agent: {window_seconds: 61}\n", [], "agent: window_seconds = 61"),
        (
            "window_seconds: 60\n",
            [],
            "has none of the sections agent, collector, middleware; add one, or name the",
        ),
        ("window_seconds: 61\n", ["--component", "agent"], "window_seconds = 61"),
        ("collector: {alerters: [{entity: a}]}\n", [], "collector: "),
        ("agent: [", [], "settings file"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    text: str,
    arguments: list[str],
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "nilometer.yaml"
    path.write_text(text)
    assert main(["config", "check", str(path), *arguments]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1


def test_what_is_in_force_is_printed_as_toml_without_secrets(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NILOMETER_AGENT_WINDOW_SECONDS", "300")
    assert main(["config", "print", "--config", str(whole), "--effective"]) == 0
    text = capsys.readouterr().out
    printed = tomllib.loads(text)
    assert printed["agent"]["window_seconds"] == 300
    assert printed["agent"]["collector"] == "collector:7501"
    assert printed["agent"]["commit_seconds"] == 0.5
    assert printed["middleware"]["labels"] == {"region": "eu"}
    assert "secret-path" not in text
    assert printed["collector"]["slack_webhook_url"] == "(set, not shown)"
    assert printed["collector"]["store"] == "(set, not shown)"
    assert printed["collector"]["channels"][0]["secrets"] == {"routing_key": "(set, not shown)"}
    assert main(["config", "print", "--config", str(whole), "--component", "agent"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert printed == {
        "agent": {
            "collector": "collector:7501",
            "metrics_address": ":9464",
            "window_seconds": "300",
        }
    }


def test_the_file_may_come_from_the_environment(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NILOMETER_CONFIG", str(whole))
    assert main(["config", "print", "--effective", "--component", "agent"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert printed["agent"]["metrics_address"] == ":9464"
