"""The main job end to end, and the parts of the demo."""

import json
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from nilometer.testing import eventually
from nilometer_collector.demo.model import FEATURES, UNITS, FlightModel, fit, rows_of
from nilometer_collector.demo.replay import flights_of
from nilometer_collector.demo.show import data_directory, half_way


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
    assert set(result) == {"observed", "profiled", "stored", "dropped", "alerts", "seconds"}
    assert result["observed"] == result["stored"] + sum(result["dropped"].values()) == 12_855
    assert result["profiled"] == 12_855
    (alert,) = result["alerts"]
    assert alert["summary"] == "input.distance"
    assert alert["value"] > 1.0 > alert["threshold"]
    assert finished.stderr.count("WARNING: flight-delay") == 1  # one message, not one a window


START = """
import os, sys
from pathlib import Path
from nilometer_collector.demo.processes import Processes
processes = Processes(Path(sys.argv[1]))
processes.start_collector("http://127.0.0.1:9/")
processes.start_agent()
print(*(one.pid for one in processes._running), processes._guard.pid, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_the_processes_of_a_demo_that_is_killed_end(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{START}sys.stdin.read()", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        started = [psutil.Process(int(pid)) for pid in demo.stdout.readline().split()]
        assert len(started) == 3
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

    table = pq.read_table(data_directory() / "train.parquet").slice(0, 3000)
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
    flights = list(flights_of(pq.read_table(data_directory() / "replay.parquet")))
    assert half_way(flights) == datetime(2013, 11, 8, tzinfo=UTC)
    assert [f.departure for f in flights] == sorted(f.departure for f in flights)
    broken = flights[0].broken()
    assert set(broken.features) == set(FEATURES)
    assert broken.features["distance"] == pytest.approx(
        float(str(flights[0].features["distance"])) * 1.609344
    )
    untouched = {name for name in FEATURES if broken.features[name] == flights[0].features[name]}
    assert untouched == set(FEATURES) - {"distance"}
