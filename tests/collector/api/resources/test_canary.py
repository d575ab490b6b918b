"""Verdicts over HTTP: a value to read, and a status to act on."""

import argparse
from typing import Any, get_args

import numpy as np
import pytest
from support.problems import is_problem

from nilometer.values.window import Window
from nilometer_collector.api.resources.canary import CanaryReason, VerdictName
from nilometer_collector.canary.records import Reason
from nilometer_collector.commands import canary
from nilometer_collector.commands.canary import EXIT_CODES
from nilometer_collector.testing import ENTITY, Running, feature_sample

BASE_NS = 300_000_000_000
FIRST_NS = 1_700_000_100_000_000_000 // BASE_NS * BASE_NS


def ship(served: Running, entity: str, mean: float, labels: dict[str, str]) -> None:
    """Ship five windows; the last one may still get data."""
    rng = np.random.default_rng([*entity.encode(), round(mean * 10)])
    samples = [
        feature_sample(
            rng.normal(mean, 1.0, 300).tolist(),
            window=Window(FIRST_NS + at * BASE_NS, FIRST_NS + (at + 1) * BASE_NS),
            labels=labels,
            entity=entity,
        )
        for at in range(5)
    ]
    served.sender(f"{entity}-{labels.get('version', '')}").ship(*samples)


@pytest.fixture
def shifted(served: Running) -> Running:
    """Version 2 is a standard deviation above version 1."""
    served.collector._clock.wall_ns = FIRST_NS + 6 * BASE_NS  # type: ignore[attr-defined]
    ship(served, ENTITY, 0.0, {"version": "1"})
    ship(served, ENTITY, 1.0, {"version": "2"})
    return served


def test_every_word_is_in_the_document() -> None:
    assert set(get_args(CanaryReason)) == {reason.value for reason in Reason}
    assert set(get_args(VerdictName)) == set(EXIT_CODES)


def test_the_verdict_is_a_word_and_a_value(shifted: Running) -> None:
    found = shifted.get("canary", entity=ENTITY, candidate="version:2")
    assert (found["verdict"], found["value"], found["reason"]) == ("fail", -1, "different")
    assert (found["candidate"], found["stable"]) == (["version=2"], ["version=1"])
    (summary,) = found["summaries"]
    assert (summary["verdict"], summary["component"]) == ("fail", "position")
    assert summary["effect"] == pytest.approx(1.0, abs=0.25)
    assert (summary["tolerance"], summary["window_seconds"]) == (0.1, 300.0)
    assert summary["noise_learned"] is False
    assert shifted.get("canary", entity=ENTITY, stable="version:1")["verdict"] == "fail"


def test_a_webhook_gets_a_status(shifted: Running) -> None:
    asked: dict[str, Any] = {"entity": ENTITY, "candidate": "version:2"}
    hook = {"name": "fraud", "namespace": "default", "phase": "Progressing", "metadata": {}}

    def post(**more: Any) -> Any:
        return shifted.http.post("/api/v1/canary", params={**asked, **more}, json=hook)

    problem = is_problem(post(), 412)
    assert problem.detail.startswith("fail: the position of input.amount is ")
    assert post(accept="fail").status_code == 200
    is_problem(post(accept="pass"), 412)
    held = post(candidate="version:3")
    assert (held.status_code, held.json()["verdict"]) == (200, "hold")
    is_problem(post(candidate="version:3", accept="pass"), 412)
    is_problem(post(accept="maybe"), 422)


def test_another_entity_may_be_the_candidate(shifted: Running) -> None:
    ship(shifted, "shadow", 0.0, {})
    asked = {"entity": ENTITY, "stable": "version:2", "candidate_entity": "shadow"}
    found = shifted.get("canary", **asked)
    assert (found["verdict"], found["candidate"]) == ("fail", [""])
    assert found["summaries"][0]["effect"] == pytest.approx(-1.0, abs=0.25)
    answer = shifted.http.get("/api/v1/canary", params={"entity": "nobody"})
    is_problem(answer, 404)


def test_the_command_ends_with_the_verdict(
    shifted: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*argv: str) -> int:
        parser = argparse.ArgumentParser()
        canary.add(parser.add_subparsers())
        options = ["canary", "--collector", shifted.collector.http_url, "--entity", ENTITY]
        arguments = parser.parse_args([*options, *argv])
        return int(arguments.run(arguments))

    assert run("--candidate", "version:2") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("fail: the position of input.amount is ")
    assert lines[1].startswith("  fail  input.amount: the position")
    assert run("--candidate", "version:3", "--json") == 3
    assert '"verdict": "hold"' in capsys.readouterr().out
