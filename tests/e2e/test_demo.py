"""The main job end to end: the demo as a new user runs it, and what the README says about it."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nilometer.alert.conditions import DEFAULT_ALERTER
from nilometer_collector.demo.model import FEATURES
from nilometer_collector.demo.outcome import Result

BREAK_FROM = datetime(2013, 11, 8, tzinfo=UTC)
README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


@pytest.mark.timeout(900)
def test_the_whole_demo_names_the_broken_feature_and_no_other(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "nilometer", "demo", "--json", "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    result = json.loads(finished.stdout.splitlines()[-1])
    assert set(result) == set(Result.__annotations__)
    assert result["observed"] == result["stored"] + sum(result["dropped"].values()) == 12_855
    assert result["profiled"] == 12_855
    (alert,) = result["alerts"]
    assert (alert["alerter"], alert["summary"]) == (DEFAULT_ALERTER, "input.distance")
    assert alert["value"] > 0.5 > alert["threshold"]
    day = {datetime.fromisoformat(alert[name]).date() for name in ("since", "opened")}
    assert day == {BREAK_FROM.date()}  # found within the first day of the fault
    inputs = {f"input.{name}" for name in FEATURES}
    assert {name for name, status in result["statuses"].items() if status == "ALERTING"} == set(
        alert["parts"]
    )
    outputs = {"output.late_probability", "output.late_probability.scores"}
    assert set(result["statuses"]) == inputs | outputs | {"service"}
    assert "input.distance" in alert["cause"]
    assert result["labels"] == {"joined": 12_855}
    estimated, realised = result["estimated"], result["realised"]
    assert estimated["flights"] == realised["flights"] == 979
    assert realised["value"] == pytest.approx(0.9, abs=0.05)
    assert estimated["low"] < realised["high"]
    assert realised["low"] < estimated["high"]  # the intervals overlap
    assert "Realised after 12855 labels arrived: " in finished.stderr.splitlines()[-1]
    assert finished.stderr.count("WARNING: flight-delay") == 1  # one message, not one a window
    (shown,) = re.findall(r"```text\n(.*?)```", README.partition("## See it work")[2], re.DOTALL)[
        :1
    ]
    assert without_figures(shown) in without_figures(finished.stderr)


def without_figures(text: str) -> str:
    """Return *text* without figures that depend on the window in which the episode opens."""
    return re.sub(r"[\d.]+ (sd|windows|rows)\b|at \d\d:00 UTC", r"N \1", text)
