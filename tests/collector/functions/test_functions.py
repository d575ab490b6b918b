"""Alerters of the user's own code: functions that the collector runs, and reports from elsewhere."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import own_alerters

from nilometer.alert import Alerter, AlertStatus, Reason
from nilometer.alert.conditions import Reported
from nilometer.client import Client, NotFound, Problem, Report
from nilometer.testing import SteppedClock, eventually
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.definitions import alerter_view
from nilometer_collector.alerting.function_limits import FunctionLimits
from nilometer_collector.alerting.statuses import AlerterStatus
from nilometer_collector.functions import functions
from nilometer_collector.functions.functions import Functions
from nilometer_collector.query.alerter_statuses import alerter_statuses
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY, Running, an_alerter, feature_sample, running

MINUTE_NS = 60 * NANOSECONDS
LIMITS = FunctionLimits(allowed=("support.own_alerters:*",), seconds=20, memory_mib=512)


@pytest.fixture(autouse=True)
def _own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(own_alerters.__file__).parents[1]))


class Runs:
    """A collector's functions, and the clock that makes them due."""

    def __init__(self, store: Store, clock: SteppedClock) -> None:
        self.store, self.clock = store, clock
        self.limits = LIMITS
        self.functions = self.made()

    def made(self) -> Functions:
        """Start functions with the present limits."""
        self.functions = Functions(
            self.store, self.clock, self.limits, lambda: "http://127.0.0.1:1", lambda: None
        )
        return self.functions

    def put(self, function: str, name: str = "own") -> Alerter:
        """Store an alerter that calls *function* of `own_alerters` each minute."""
        condition = Reported(function=f"support.own_alerters:{function}", every_seconds=60)
        alerter = an_alerter(name=name, condition=condition, summary="input.amount")
        self.store.alerts.put(alerter, "api", self.clock.now_ns())
        return alerter

    def status(self) -> AlerterStatus:
        """Call what is due, and return the status after it."""
        self.clock.wall_ns += MINUTE_NS
        before = self.clock.now_ns() // MINUTE_NS * MINUTE_NS
        assert self.functions.advance() == 1
        found = eventually(lambda: [one for one in self.statuses() if one.judged_ns == before])
        return found[0]

    def statuses(self) -> list[AlerterStatus]:
        """The statuses of all alerters now."""
        return alerter_statuses(self.store, ENTITY, self.clock.now_ns())


@pytest.fixture
def runs(store: Store, clock: SteppedClock) -> Iterator[Runs]:
    runs = Runs(store, clock)
    yield runs
    runs.functions.stop(20.0)


def test_a_function_asks_the_collector_and_its_report_opens_and_closes_an_episode(
    database: Path, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "INTERVAL_SECONDS", 0.05)
    with running(database, clock, functions_allow=["support.own_alerters:*"]) as served:
        sender = served.sender()
        sender.ship(feature_sample([10.0] * 50))
        parameters = {"function": "support.own_alerters:stored", "every_seconds": 60}
        body = {"entity": ENTITY, "name": "own", "summary": "input.amount", "kind": "REPORTED"}
        served.put_alerter({**body, "parameters": parameters}).raise_for_status()
        found = eventually(lambda: judged(served, clock))
        told = [found[key] for key in ("status", "reason", "value", "sentence")]
        assert told == ["ALERTING", "breach", 10.0, "the median of 50 amounts is 10"]
        sender.ship(feature_sample([0.0] * 500))
        clock.wall_ns += MINUTE_NS
        assert eventually(lambda: judged(served, clock))["status"] == "OK"
        (episode,) = served.get("episodes", entity=ENTITY)["episodes"]
        assert [one["status"] for one in episode["history"]] == ["ALERTING", "OK"]


def judged(served: Running, clock: SteppedClock) -> dict[str, Any]:
    """The status after the newest interval; empty before its report."""
    found: dict[str, Any]
    (found,) = served.get("alerters/statuses", entity=ENTITY)["statuses"]
    return found if found["judged"] == clock.now_ns() // MINUTE_NS * 60 else {}


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("raising", "it raised LookupError: no table of holidays"),
        ("hanging", "it took longer than 1 s"),
        ("eating", "it needs more than 512 MiB of memory"),
        ("leaving", "its process ended with 3 and no answer"),
        ("talking", "it raised TypeError: it must return a nilometer.functions.Report"),
        ("shouting", "it printed or wrote more than 1 MiB into one file"),
        ("unmeasured", "it raised ValueError: value = nan: must be a finite number"),
        ("leaving_quietly", "its process ended with 0 and no answer"),
        ("forging", "its answer cannot be read: Invalid enum value 'ON FIRE'"),
        ("unspeakable", "its process ended with 1 and no answer"),
        ("endless", "it took longer than 1 s"),
        ("missing", "it raised AttributeError: module 'support.own_alerters' has no attribute"),
    ],
)
def test_a_function_that_fails_says_so_and_never_alarms(
    function: str, why: str, runs: Runs
) -> None:
    if function in {"hanging", "endless"}:
        runs.limits = replace(LIMITS, seconds=1)
        runs.made()
    runs.put(function)
    found = runs.status()
    assert (found.status, found.reason) == (AlertStatus.NOT_WATCHED, Reason.FAILED)
    assert found.sentence.startswith(f"the alerter failed: {why}")
    assert not runs.store.alerts.episodes(ENTITY)


def test_a_function_that_finds_no_samples_has_no_data(runs: Runs) -> None:
    runs.put("finding_none")
    found = runs.status()
    assert (found.status, found.sentence) == (AlertStatus.NO_DATA, "no samples of this hour")


def test_a_function_that_the_settings_do_not_allow_never_runs(runs: Runs) -> None:
    runs.limits = replace(LIMITS, allowed=("other:*",))
    runs.made()
    runs.put("raising")
    why = "support.own_alerters:raising is not in the collector's setting functions_allow"
    assert runs.status().sentence == f"the alerter failed: {why}"


def test_a_function_does_not_see_the_secrets_of_the_collector(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NILOMETER_COLLECTOR_STORE", "postgresql://u:secret@h/d")
    runs.put("secrets")
    assert runs.status().sentence == "variables: []"


def test_an_alerter_whose_code_falls_silent_has_no_data(
    served: Running, clock: SteppedClock
) -> None:
    body = {"entity": ENTITY, "name": "claims", "summary": "claims", "kind": "REPORTED"}
    served.put_alerter({**body, "parameters": {"every_seconds": 60}}).raise_for_status()

    def status() -> tuple[str, str]:
        (found,) = served.get("alerters/statuses", entity=ENTITY)["statuses"]
        return found["status"], found["reason"]

    assert status() == ("LEARNING", "no_window_yet")
    with Client(served.collector.http_url) as client:
        told = client.report(ENTITY, "claims", Report(status="OK", evidence="3 are open", value=3))
        assert told.statuses == ["OK"]
        assert told.end * NANOSECONDS == clock.now_ns() // MINUTE_NS * MINUTE_NS
        assert status() == ("OK", "within_limit")
        clock.wall_ns += 11 * MINUTE_NS
        assert status() == ("NO_DATA", "no_window")
        later = [Report(status="ALERTING", evidence="90 are open", value=90)]
        assert client.report(ENTITY, "claims", later).statuses == ["ALERTING"]
    (found,) = served.get("alerters/statuses", entity=ENTITY)["statuses"]
    assert found["openings"] == 1


def test_a_report_that_is_not_allowed_is_refused_with_its_reason(served: Running) -> None:
    body = {"entity": ENTITY, "name": "claims", "summary": "claims.*", "kind": "REPORTED"}
    served.put_alerter(body).raise_for_status()
    served.put_alerter(alerter_view(an_alerter(name="drift"))).raise_for_status()
    fine = Report(status="OK", evidence="fine", summary="claims.new")
    with Client(served.collector.http_url) as client:
        with pytest.raises(NotFound, match="has no alerter 'clams'"):
            client.report(ENTITY, "clams", fine)
        for name, reports, why in (
            ("drift", fine, "is of kind REFERENCE, not REPORTED"),
            ("claims", Report(status="OK", evidence="fine"), "summary: must be given"),
            ("claims", Report(status="OK", evidence="fine", summary="x"), "is about 'claims.*'"),
            ("claims", [fine, fine], "two are about the same summary and labels"),
            ("claims", Report(status="OK", evidence="\0", summary="claims.a"), "control"),
        ):
            with pytest.raises(Problem, match=re.escape(why)):
                client.report(ENTITY, name, reports)
        quoted = Report(status="OK", evidence="\u2067\u05d0\u2069 is 9 %", summary="claims.new")
        for allowed in (fine, quoted):  # values of data, which evidence quotes, may reorder text
            assert client.report(ENTITY, "claims", allowed).statuses == ["OK"]
