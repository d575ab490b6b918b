"""A person accepts what a part shows as the new normal: it closes, and is learned from its onset on."""

from dataclasses import replace

import pytest
from support.watched_traffic import DAY, NewTraffic, Traffic, normal

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.packing import unpacked
from nilometer.alert.reason import Reason
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.memory import Memory
from nilometer_collector.watch.normals import accepted_parts


def accept(traffic: Traffic, summary: str = "") -> Decision:
    """Accept the new normal of a part of the newest episode."""
    decision = Decision(
        kind=DecisionKind.NEW_NORMAL,
        author="alice",
        reason="prices rose",
        made_ns=traffic.clock.now_ns(),
        summary=summary,
    )
    newest = traffic.store.alerts.episodes()[0]
    return traffic.store.decisions.make(ENTITY, newest.id, decision)


def stored_state(traffic: Traffic) -> bytes:
    """Return the stored state of the default alerter."""
    found = traffic.store.watching.load(ENTITY)
    assert found is not None
    return found.state


def status_of(traffic: Traffic, summary: str) -> tuple[AlertStatus, Reason]:
    """Return the status of *summary*."""
    (found,) = (one for one in traffic.report.summaries if one.summary == summary)
    return found.status, found.reason


def test_a_new_normal_closes_its_part_and_is_learned_from_the_onset_on(traffic: Traffic) -> None:
    traffic.columns["input.amount"] = normal(1.0)
    traffic.run(36)
    assert traffic.statuses == [["ALERTING"]]
    accepted = accept(traffic)
    assert (accepted.summary, accepted.is_pending) == ("input.amount", True)
    traffic.watch.advance()
    assert traffic.statuses == [["ALERTING", "LEARNING"]]
    (episode,) = traffic.store.alerts.episodes(is_open=False)
    assert [part.ended for part in episode.parts] == ["new_normal"]
    assert episode.history[-1].evidence.startswith(
        "alice says that this is the new normal of input.amount: prices rose; it is learned again "
    )
    assert [one.is_pending for one in episode.decisions] == [False]
    assert traffic.store.decisions.pending(ENTITY) == []
    assert status_of(traffic, "input.amount") == (AlertStatus.LEARNING, Reason.LEARNING)
    assert status_of(traffic, "input.age") == (AlertStatus.OK, Reason.WATCHED)


def test_a_day_after_the_onset_a_new_normal_is_judged_at_once(traffic: Traffic) -> None:
    traffic.columns["input.amount"] = normal(1.0)
    traffic.run(round(1.1 * DAY), every=36)
    accept(traffic)
    traffic.watch.advance()
    assert status_of(traffic, "input.amount") == (AlertStatus.LEARNING, Reason.COARSE)
    traffic.run(6)
    assert traffic.statuses == [["ALERTING", "LEARNING"]]
    traffic.columns["input.amount"] = normal(0.0)
    traffic.run(12)
    assert traffic.statuses == [["ALERTING", "LEARNING"], ["ALERTING"]]
    assert traffic.store.alerts.episodes()[0].parts[0].direction == -1


def test_the_other_parts_of_the_episode_stay_open(traffic: Traffic) -> None:
    traffic.columns = {"input.amount": normal(1.0), "input.age": normal(6.0)}
    traffic.run(12)
    accept(traffic, "input.amount")
    traffic.watch.advance()
    assert traffic.statuses == [["ALERTING"]]
    (episode,) = traffic.store.alerts.episodes()
    assert {part.summary: part.ended for part in episode.parts} == {
        "input.amount": "new_normal",
        "input.age": None,
    }
    traffic.columns["input.age"] = normal(5.0)
    traffic.run(36)
    assert traffic.statuses == [["ALERTING", "OK"]]


def test_a_part_that_has_closed_meanwhile_is_left_as_it_is(traffic: Traffic) -> None:
    traffic.columns["input.amount"] = normal(1.0)
    traffic.run(6)
    accept(traffic)
    (waiting,) = traffic.store.decisions.pending(ENTITY)
    memory = unpacked(stored_state(traffic), Memory)
    assert list(accepted_parts(memory.open_parts, [waiting])) == [PartKey("input.amount")]
    earlier = replace(waiting, number=waiting.number - 1)
    assert accepted_parts(memory.open_parts, [earlier]) == {}
    assert accepted_parts((), [waiting]) == {}


def test_a_new_normal_of_a_part_that_closed_before_lapses(traffic: Traffic) -> None:
    traffic.columns["input.amount"] = normal(1.0)
    traffic.run(6)
    accept(traffic)
    traffic.columns["input.amount"] = normal()
    # The decision is stored while the pass runs that closes the part.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(traffic.store.decisions), "pending", lambda _store, _entity: [])
        traffic.run(36)
    assert traffic.statuses == [["ALERTING", "OK"]]
    fitted_ns = unpacked(stored_state(traffic), Memory).fitted_ns
    traffic.watch.advance()
    (episode,) = traffic.store.alerts.episodes()
    assert [(one.is_pending, one.has_lapsed) for one in episode.decisions] == [(False, True)]
    assert unpacked(stored_state(traffic), Memory).fitted_ns == fitted_ns
    assert traffic.store.decisions.pending(ENTITY) == []


def test_a_restart_before_the_next_pass_loses_no_decision(new_traffic: NewTraffic) -> None:
    found = []
    for restarts in (False, True):
        traffic = new_traffic()
        traffic.columns["input.amount"] = normal(1.0)
        traffic.run(12)
        accept(traffic)
        if restarts:
            traffic.restart()
        traffic.run(12)
        found.append((traffic.statuses, stored_state(traffic)))
    assert found[0] == found[1]
    assert found[0][0] == [["ALERTING", "LEARNING"]]
