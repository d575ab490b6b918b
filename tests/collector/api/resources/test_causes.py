"""The causes of an episode over HTTP."""

from pathlib import Path

import pytest
from support.problems import ALERTER

from nilometer.batch.reference_upload import put_reference
from nilometer.commands.cli import main
from nilometer.testing import SteppedClock, amounts
from nilometer_collector.api.resources.causes import CausesView, CauseView, ShareView
from nilometer_collector.commands.causes import lines_of
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    a_reference,
    an_evaluation,
    feature_sample,
    running,
)

PATH = "/api/v1/episodes/causes"


def test_the_causes_of_an_episode_are_answered_with_what_cannot_be_told(tmp_path: Path) -> None:
    with running(tmp_path / "collector.db", SteppedClock(wall_ns=START_NS)) as served:
        put_reference(a_reference({"input.amount": amounts(200)}), served.collector.grpc_target)
        served.put_alerter(ALERTER).raise_for_status()
        served.sender().ship(feature_sample(amounts(50)), an_evaluation(0.5, 1))
        (episode,) = served.http.get("/api/v1/episodes").json()["episodes"]
        asked = {"entity": ENTITY, "episode": episode["id"]}
        answer = served.http.get(PATH, params=asked).json()
        assert (answer["entity"], answer["episode"]) == (ENTITY, episode["id"])
        assert answer["onset"] == episode["breached_since"]
        sentences = [one["sentence"] for one in answer["causes"]]
        assert "Alerter 'drift' was created by local, at the onset." in sentences
        assert {one["kind"] for one in answer["causes"]} == {"change"}
        assert {one["kind"] for one in answer["untold"]} == {"feature", "segment", "stage"}
        unknown = served.http.get(PATH, params={**asked, "episode": 999})
        assert unknown.status_code == 404
        assert f"{ENTITY} has no episode 999" in unknown.text


def test_the_command_prints_the_causes_of_the_newest_episode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path / "collector.db", SteppedClock(wall_ns=START_NS)) as served:
        url = ["--collector", served.collector.http_url]
        assert main(["causes", "--entity", ENTITY, *url]) == 1
        assert f"{ENTITY} has no episode" in capsys.readouterr().err
        put_reference(a_reference({"input.amount": amounts(200)}), served.collector.grpc_target)
        served.put_alerter(ALERTER).raise_for_status()
        served.sender().ship(feature_sample(amounts(50)), an_evaluation(0.5, 1))
        assert main(["causes", "--entity", ENTITY, *url]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "1. change: Alerter 'drift' was created by local, at the onset." in lines
        assert any(line.startswith("-  stage: Cannot tell ") for line in lines)


def test_a_cause_has_its_marked_shares_as_bars() -> None:
    shares = [
        ShareView(name="exactly 0", before=0.0, now=0.17, marked=True),
        ShareView(name="[1, 2)", before=0.5, now=0.34, marked=False),
    ]
    cause = CauseView(
        kind="feature", sentence="x moved.", score=1.0, summary="input.x", labels={}, entity="",
        at=None, shares=shares, moments=[],
    )  # fmt: skip
    found = CausesView(entity="m", episode=1, onset=0.0, causes=[cause], untold=[])
    assert [*lines_of(found)] == [
        "1. feature: x moved.",
        "     exactly 0        0 -> 0.17    ████████████",
    ]
