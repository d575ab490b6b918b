"""The main job end to end, and the parts of the demo."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nilometer_collector.demo.model import FEATURES, UNITS, FlightModel, fit, rows_of
from nilometer_collector.demo.replay import flights_of
from nilometer_collector.demo.show import data_directory, half_way


@pytest.mark.timeout(300)
def test_the_whole_demo_names_the_broken_feature_and_no_other(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "nilometer", "demo", "--json", "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=280,
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
