"""An alerter that is put is stored, listed and removed; one that is not allowed is refused with the reason."""

from typing import Any

import msgspec
import pytest
from support.problems import ALERTER, is_problem

from nilometer.testing import eventually
from nilometer_collector.alerting.definitions import AlerterView, alerter_view
from nilometer_collector.testing import ENTITY, Running, an_alerter, feature_sample


def test_an_alerter_is_created_replaced_and_removed(served: Running) -> None:
    created = served.put_alerter(ALERTER)
    assert created.status_code == 200
    view = msgspec.json.decode(created.content, type=AlerterView)
    assert view == alerter_view(an_alerter())
    served.put_alerter({**ALERTER, "threshold": 0.3}).raise_for_status()
    assert [alerter["threshold"] for alerter in served.get("alerters")["alerters"]] == [0.3]
    name = {"entity": ENTITY, "name": "drift"}
    removed = served.http.delete("/api/v1/alerters", params=name)
    assert (removed.status_code, removed.content) == (204, b"")
    is_problem(served.http.delete("/api/v1/alerters", params=name), 404)
    assert served.get("alerters")["alerters"] == []


def test_what_is_read_can_be_put_back(served: Running) -> None:
    ranged = {**ALERTER, "kind": "RANGE", "statistic": "mean", "low": -1.0, "high": 2.5}
    fixed = {**ALERTER, "kind": "FIXED", "statistic": "count", "comparison": "<", "name": "f"}
    for alerter in (ranged, fixed, {**ALERTER, "name": "r"}):
        served.put_alerter(alerter).raise_for_status()
    before = served.get("alerters")["alerters"]
    for alerter in before:
        served.put_alerter(alerter).raise_for_status()
    assert served.get("alerters")["alerters"] == before


@pytest.mark.parametrize(
    ("kind", "given", "missing"),
    [
        ("FIXED", {"statistic": "mean"}, "threshold"),
        ("RANGE", {"statistic": "mean", "low": 1.0}, "high"),
        ("RANGE", {"statistic": "mean", "high": 1.0}, "low"),
        ("REFERENCE", {"reference": "training"}, "threshold"),
    ],
)
def test_a_limit_that_is_missing_is_named_and_not_0(
    served: Running, kind: str, given: dict[str, object], missing: str
) -> None:
    common = {key: ALERTER[key] for key in ("entity", "name", "summary")}
    problem = is_problem(served.put_alerter({**common, "kind": kind, **given}), 422)
    assert f"{kind} needs the parameter {missing!r}" in problem.detail
    assert problem.field == missing


def test_the_least_count_is_that_of_the_comparator(served: Running) -> None:
    common = {key: value for key, value in ALERTER.items() if key != "minimum_count"}
    for comparator, fewest in (("psi", 100), ("ks", 30), ("p99_change", 500)):
        put = served.put_alerter({**common, "comparator": comparator})
        assert put.json()["minimum_count"] == fewest


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"threshold": 0}, "threshold = 0.0: must be a positive number"),
        ({"threshold": "high"}, "threshold"),
        ({"kind": "MAGIC"}, "kind"),
        ({"entity": "../x"}, "entity = '../x'"),
        ({"name": ""}, "name = ''"),
        ({"name": "a\0b"}, "control character"),
        ({"name": "n" * 500}, "name must be at most 128 characters"),
        ({"summary": "s" * 500}, "summary must be at most 256 characters"),
        ({"reference": ""}, "reference = ''"),
        ({"comparator": "magic"}, "magic"),
        ({"severity": "panic"}, "panic"),
        ({"comparison": "=="}, "=="),
        ({"minimum_count": 0}, "minimum_count = 0"),
        ({"minimum_count": 10**30}, "minimum_count = 1000"),
        ({"minimum_count": 1.5}, "minimum_count"),
        ({"minimum_count": 2**62}, "minimum_count"),
        ({"windows_to_open": 2**62}, "windows_to_open"),
        ({"kind": "FIXED", "statistic": "magic"}, "statistic = 'magic'"),
        ({"kind": "RANGE", "statistic": "mean", "low": 2, "high": 1}, "low = 2.0"),
        ({"kind": "FIXED", "statistic": "mean", "threshold": None}, "threshold"),
        ({"colour": "blue"}, "colour"),
        ({"parameters": {"threshold": 9}}, "parameters: REFERENCE has no threshold"),
        ({"parameters": {"colour": "blue"}}, "parameters: REFERENCE has no colour"),
        ({"entity": None}, "entity"),
    ],
)
def test_an_alerter_that_is_not_allowed_is_422_with_the_sentence(
    served: Running, change: dict[str, object], word: str
) -> None:
    problem = is_problem(served.put_alerter({**ALERTER, **change}), 422)
    assert word in problem.detail
    assert served.get("alerters")["alerters"] == []


def test_every_field_is_given_back(served: Running) -> None:
    alerter = {
        **ALERTER,
        "direction": "up",
        "for_seconds": 300.0,
        "delay_seconds": 60.0,
        "critical": {"threshold": 0.9},
        "closing": {"threshold": 0.1},
        "time_zone": "Europe/Berlin",
        "schedule": [{"days": ["mon", "sun"], "start": "22:00", "end": "24:00"}],
        "maintenance": [{"start": 1764543600.0, "end": 1764550800.0, "repeat": "weekly"}],
    }
    put = served.put_alerter(alerter)
    assert put.status_code == 200, put.text
    (found,) = served.get("alerters")["alerters"]
    assert {key: found[key] for key in alerter} == alerter


def test_an_alerter_that_saw_no_window_has_a_status_with_its_reason(served: Running) -> None:
    served.sender().ship(feature_sample([1.0]))
    for name, summary in (("waits", "input.amount"), ("misspelled", "input.amounts")):
        changed = {**ALERTER, "name": name, "summary": summary, "minimum_count": 10_000}
        served.put_alerter(changed).raise_for_status()

    def statuses() -> dict[str, dict[str, Any]]:
        found = served.get("alerters/statuses", entity=ENTITY)["statuses"]
        return {one["alerter"]: one for one in found}

    eventually(lambda: statuses()["waits"]["reason"] != "no_window_yet")
    told = statuses()
    assert (told["misspelled"]["status"], told["misspelled"]["reason"]) == (
        "NOT_WATCHED",
        "no_such_summary",
    )
    assert "did you mean 'input.amount'?" in told["misspelled"]["sentence"]
    assert (told["waits"]["status"], told["waits"]["reason"]) == ("NOT_WATCHED", "too_few")
    assert told["waits"]["sentence"] == "1 observations are fewer than the 10000 asked for"
    assert (told["waits"]["value"], told["waits"]["measure"]) == (None, "psi")
