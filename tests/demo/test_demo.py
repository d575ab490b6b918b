"""The parts of the demo; `make e2e` runs all of it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psutil
import pyarrow.parquet as pq
import pytest

from nilometer.alert.conditions import DEFAULT_ALERTER
from nilometer.commands.cli import main
from nilometer.testing import eventually
from nilometer_collector.demo.history import write_history
from nilometer_collector.demo.judged import Figure
from nilometer_collector.demo.model import FEATURES, UNITS, FlightModel, fit, rows_of
from nilometer_collector.demo.names import WEBHOOK_VARIABLE
from nilometer_collector.demo.outcome import Alert, Outcome, Result
from nilometer_collector.demo.processes import declare
from nilometer_collector.demo.replay import flights_of
from nilometer_collector.demo.show import flights_directory, half_way
from nilometer_collector.testing import running

BREAK_FROM = datetime(2013, 11, 8, tzinfo=UTC)
README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


ALERT: Alert = {
    "entity": "flight-delay",
    "alerter": DEFAULT_ALERTER,
    "summary": "input.distance",
    "parts": ["input.distance", "output.late_probability"],
    "since": "2013-11-08T06:00:00+00:00",
    "opened": "2013-11-08T09:00:00+00:00",
    "closed": None,
    "comparator": "position",
    "value": 0.63,
    "threshold": 0.1,
    "evidence": "the position of input.distance is 0.63 sd above normal",
    "cause": "69 % of the values of input.distance are now 1092 or more; before it was 31 %.",
}
FIGURE: Figure = {"value": 0.9, "low": 0.8, "high": 1.0, "flights": 2}
RESULT: Result = {
    "observed": 2,
    "profiled": 2,
    "stored": 2,
    "dropped": {},
    "alerts": [ALERT],
    "statuses": {
        "input.distance": "ALERTING",
        "output.late_probability": "ALERTING",
        **dict.fromkeys(("input.carrier", "input.dep_delay", "input.hour", "input.origin"), "OK"),
        "service": "LEARNING",  # it has no past windows
    },
    "actions": {"check-the-source": "dry_run"},
    "estimated": FIGURE,
    "labels": {"joined": 2},
    "realised": FIGURE,
    "seconds": 60.0,
}
EXPECTED = Outcome(result=RESULT, phase="ACTIVE", messages=["WARNING", "ACTION dry run"])


def test_one_alarm_about_the_broken_feature_is_expected() -> None:
    assert list(EXPECTED.errors(BREAK_FROM)) == []
    alone: Result = {
        **RESULT,
        "alerts": [{**ALERT, "parts": ["input.distance"]}],
        "statuses": {**RESULT["statuses"], "output.late_probability": "OK"},
    }
    assert list(replace(EXPECTED, result=alone).errors(BREAK_FROM)) == []


STATUSES = RESULT["statuses"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"stored": 1}, "not every request was stored"),
        ({"stored": 1, "dropped": {"late": 1}}, "not every request was stored"),
        ({"alerts": []}, "no alarm was raised"),
        ({"alerts": [{**ALERT, "summary": "output.late_probability"}]}, "was not broken"),
        ({"alerts": [{**ALERT, "alerter": "drift"}]}, "was not broken"),
        ({"alerts": [{**ALERT, "opened": "2013-11-07T09:00:00+00:00"}]}, "before the fault"),
        ({"alerts": [{**ALERT, "closed": "2013-11-09T09:00:00+00:00"}]}, "ended, although"),
        ({"alerts": [ALERT, {**ALERT, "summary": "input.hour"}]}, "input.hour alarmed"),
        ({"alerts": [{**ALERT, "parts": ["input.distance", "input.hour"]}]}, "hour alarmed"),
        ({"alerts": [{**ALERT, "parts": ["input.distance", "service"]}]}, "service alarmed"),
        ({"statuses": {**STATUSES, "input.hour": "ALERTING"}}, "input.hour is ALERTING"),
        ({"statuses": {**STATUSES, "input.hour": "NOT_WATCHED"}}, "input.hour is NOT_WATCHED"),
        ({"statuses": {"input.distance": "ALERTING"}}, "input.hour is missing"),
        ({"alerts": [{**ALERT, "cause": ""}]}, "has no likely cause"),
        ({"actions": {}}, "the actions are {}, not"),
        ({"estimated": None}, "could not be estimated"),
        ({"labels": {"joined": 1, "waiting": 1}}, "not every label was joined"),
    ],
)
def test_everything_else_is_an_error(change: dict[str, object], error: str) -> None:
    result = cast("Result", {**RESULT, **change})
    outcome = replace(EXPECTED, result=result)
    assert any(error in one for one in outcome.errors(BREAK_FROM))
    assert any("ERROR: " in one and error in one for one in outcome.sentences(BREAK_FROM))


def test_an_alerter_that_still_learns_and_a_second_message_are_errors() -> None:
    learning = replace(EXPECTED, phase="COARSE")
    assert "phase COARSE" in next(learning.errors(BREAK_FROM))
    assert "0 messages" in next(replace(EXPECTED, messages=[]).errors(BREAK_FROM))
    assert "2 messages" in next(replace(EXPECTED, messages=["a", "b"]).errors(BREAK_FROM))


def test_the_history_has_every_flight_with_the_output_of_the_model(tmp_path: Path) -> None:
    flights = pq.read_table(flights_directory("data") / "train.parquet").slice(0, 500)
    model = FlightModel(-1.0, {"dep_delay": 2.0})
    path = tmp_path / "history.parquet"
    write_history(model, flights, path)
    written = pq.read_table(path)
    first = flights_of(flights)
    assert written.num_rows == 500
    assert written["departure"].to_pylist() == [flight.departure for flight in first]
    assert written["output.late_probability"].to_pylist() == pytest.approx(
        [model.late_probability(row) for row in rows_of(flights)]
    )
    assert set(written.column_names) == {
        "departure",
        "output.late_probability",
        *(f"input.{name}" for name in FEATURES),
    }


START = """
import os, sys
from pathlib import Path
from nilometer_collector.demo.processes import Processes
processes = Processes(Path(sys.argv[1]))
processes.start_collector()
processes.start_agent()
print(*(one.pid for one in processes._running), processes._guard.pid, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_processes_of_a_demo_that_is_killed_end(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{START}sys.stdin.read()", str(tmp_path)]
    quiet = {**os.environ, "GRPC_VERBOSITY": "NONE"}  # as the command sets it for itself
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=quiet
    ) as demo:
        assert demo.stdout is not None
        started = [psutil.Process(int(pid)) for pid in demo.stdout.readline().split()]
        assert len(started) == 3
        assert not any("GRPC_VERBOSITY" in one.environ() for one in started[:2])
        demo.send_signal(number)
    eventually(lambda: not any(map(is_running, started)))


def test_a_demo_that_stops_its_processes_leaves_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{START}processes.stop()", str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, check=True)
    assert not any(psutil.pid_exists(int(pid)) for pid in finished.stdout.split())


def is_running(process: psutil.Process) -> bool:
    """Whether *process* runs: one that nobody has waited for has ended, too."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_the_served_model_is_the_trained_one() -> None:
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    table = pq.read_table(flights_directory("data") / "train.parquet").slice(0, 3000)
    rows = [
        {name: value / UNITS[name] if name in UNITS else value for name, value in row.items()}  # type: ignore[operator]
        for row in rows_of(table)
    ]
    vectorizer = DictVectorizer()
    matrix = vectorizer.fit_transform(rows)
    trained = LogisticRegression(max_iter=300).fit(matrix, table["late"].to_numpy())
    expected = trained.predict_proba(matrix[:100])[:, 1]
    model = fit(table)
    found = [model.late_probability(row) for row in rows_of(table)[:100]]
    assert found == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_model_survives_its_file(tmp_path: Path) -> None:
    model = FlightModel(0.5, {"carrier=UA": 1.25, "distance": -0.5})
    model.save(tmp_path / "model.json")
    assert FlightModel.load(tmp_path / "model.json") == model


def test_a_flight_with_missing_or_odd_features_still_has_a_probability() -> None:
    model = FlightModel(0.0, {"distance": 1e308})
    assert model.late_probability({}) == 0.5
    assert model.late_probability({"distance": 1e308, "carrier": None}) == pytest.approx(1.0)


def test_the_fault_is_a_unit_change_from_the_middle_on() -> None:
    flights = list(flights_of(pq.read_table(flights_directory("data") / "replay.parquet")))
    assert half_way(flights) == BREAK_FROM
    assert [f.departure for f in flights] == sorted(f.departure for f in flights)
    broken = flights[0].broken()
    assert set(broken.features) == set(FEATURES)
    assert broken.features["distance"] == pytest.approx(
        float(str(flights[0].features["distance"])) * 1.609344
    )
    untouched = {name for name in FEATURES if broken.features[name] == flights[0].features[name]}
    assert untouched == set(FEATURES) - {"distance"}


def test_the_declared_files_reach_a_collector_and_the_command_finds_nothing_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo and `nilometer apply` go through the same door; the README explains each file."""
    webhook = "http://127.0.0.1:9/services/demo"
    monkeypatch.setenv(WEBHOOK_VARIABLE, webhook)
    files = flights_directory("apply")
    with running(tmp_path / "collector.db", webhook_allow=["127.0.0.1"]) as served:
        url = served.collector.http_url
        found = declare(url, files, webhook)
        assert sum(found.values()) == sum(map(len, served.get("objects").values()))
        assert set(found) == {path.stem for path in files.glob("*.yaml")}
        assert main(["apply", "-f", str(files), "--collector", url]) == 0
        assert "nothing to change" in capsys.readouterr().out
    page = (files.parent / "README.md").read_text()
    assert {f"`{path.name}`" for path in files.glob("*.yaml")} <= set(re.findall(r"`[\w.]+`", page))
