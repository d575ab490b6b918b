"""A stored alerter with an unregistered condition or statistic does not affect others."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.outside import LARGEST, MOST, OUTSIDE

from nilometer.alert import Alerter
from nilometer.alert.conditions import UnknownCondition
from nilometer.commands.cli import main
from nilometer.compare import COMPARATORS
from nilometer.testing import registered
from nilometer.wire.alerts import (
    alerter_to_bytes,
    plan_from_wire,
    stored_alerter_from_bytes,
)
from nilometer.wire.services import GetPlanRequest
from nilometer_collector.alerting.definitions import alerter_view
from nilometer_collector.store.unread_log import UnreadLog
from nilometer_collector.testing import ENTITY, Running, an_alerter, an_evaluation, running


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[Running]:
    """A collector that kept alerters and an episode of kinds that it does not know any more."""
    with registered(OUTSIDE), running(tmp_path / "collector.db") as served:
        for alerter in (MOST, LARGEST, an_alerter()):
            served.put_alerter(alerter_view(alerter)).raise_for_status()
        assert not served.sender().ship(an_evaluation(3.0, 1, alerter=MOST)).rejected
    with running(tmp_path / "collector.db") as served:
        yield served


def test_the_others_are_listed_and_it_is_named(
    lost: Running, caplog: pytest.LogCaptureFixture
) -> None:
    known = ", ".join(map(repr, COMPARATORS))
    with caplog.at_level(logging.WARNING):
        answer = lost.get("alerters")
        lost.get("alerters", entity=ENTITY)
    assert [alerter["name"] for alerter in answer["alerters"]] == ["drift"]
    assert [
        (alerter["name"], alerter["kind"], alerter["reason"]) for alerter in answer["unread"]
    ] == [
        (
            "largest",
            "REFERENCE",
            f"comparator = 'largest': must be one of {known}; did you mean 'g_test'?",
        ),
        ("most", "MOST", "alerter 'most' has the unknown kind MOST"),
    ]
    # The thread that judges may have read them before.
    records = [*caplog.get_records("setup"), *caplog.records]
    logged = [one for one in records if "stored alerter ignored" in one.getMessage()]
    assert [record.__dict__["kind"] for record in logged] == ["REFERENCE", "MOST"]


def test_the_list_has_no_key_unread_where_every_alerter_can_be_read(tmp_path: Path) -> None:
    with running(tmp_path / "collector.db") as served:
        served.put_alerter(alerter_view(an_alerter())).raise_for_status()
        assert list(served.get("alerters")) == ["alerters"]


def test_its_episodes_stay_to_be_seen(lost: Running) -> None:
    (episode,) = lost.get("episodes")["episodes"]
    assert (episode["alerter"], episode["comparator"], episode["value"]) == ("most", "MOST", 3.0)
    assert episode["unread"] == "alerter 'most' has the unknown kind MOST"
    assert episode["history"]


def test_agents_get_the_other_alerters(lost: Running) -> None:
    plan = lost.stub.GetPlan(GetPlanRequest(entities=[ENTITY, "other"]), timeout=60)
    assert plan_from_wire(plan).alerters == [an_alerter()]


def test_an_unread_alerter_is_no_prometheus_rule(
    lost: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerters", "--collector", lost.collector.http_url]) == 0
    written = capsys.readouterr()
    assert "NilometerDrift" in written.out
    assert "NilometerMost" not in written.out
    told = (
        f"nilometer alerters: alerter 'most' of {ENTITY} is left out: alerter 'most' has the unknown "
        "kind MOST"
    )
    assert told in written.err.splitlines()


def test_it_can_be_removed(lost: Running) -> None:
    name = {"entity": ENTITY, "name": "most"}
    assert lost.http.delete("/api/v1/alerters", params=name).status_code == 204
    assert [alerter["name"] for alerter in lost.get("alerters")["unread"]] == ["largest"]


@pytest.mark.parametrize("alerter", [MOST, LARGEST], ids=["condition", "comparator"])
def test_it_is_stored_again_as_it_was(alerter: Alerter) -> None:
    packed = alerter_to_bytes(alerter)
    unknown = stored_alerter_from_bytes(packed)
    assert isinstance(unknown.condition, UnknownCondition)
    assert unknown.condition.measure == {"most": "MOST", "largest": "largest"}[alerter.name]
    assert alerter_to_bytes(unknown) == packed


def test_a_kind_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 59.0, 60.0, 61.0])
    log = UnreadLog(lambda: next(times))
    for _ in range(3):
        log.note("MOST", "most", "not known")
    log.note("LEAST", "least", "not known")
    assert [record.__dict__["kind"] for record in caplog.records] == ["MOST", "MOST", "LEAST"]
