"""Runs of actions in every store: started once, sent with one key, watched, and told."""

import pytest
from support.acting import SECOND_NS, an_action, declare, states, step
from support.shipping import Agents
from support.stores import NewPlace, Place, SqlitePlace

from nilometer_collector.access.rights import Forbidden
from nilometer_collector.alerting.action_runs import Facts, Run, RunTurn, decide
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import KIND
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.errors import Conflict, Unknown
from nilometer_collector.store import (
    Change,
    Key,
    Origin,
    Reply,
    Revision,
    RunQuestion,
    SetObject,
    Store,
    Verdict,
    acting_steps,
)
from nilometer_collector.store.acting import definition_text
from nilometer_collector.store.rows import run_of, run_turn_of
from nilometer_collector.testing import ENTITY, START_NS, an_alerter

DELIVERED = Reply(outcome="delivered")


@pytest.fixture
def agents(store: Store) -> Agents:
    return Agents(store)


def after(seconds: float) -> int:
    return START_NS + round(seconds * SECOND_NS)


def verdict(author: str = "alice", *, is_approval: bool = True, by_link: bool = False) -> Verdict:
    return Verdict(author=author, reason="checked", is_approval=is_approval, by_link=by_link)


def told(store: Store, seconds: float = 0.0) -> list[str]:
    """Deliver what can be delivered; return what each message tells."""
    found = []
    while (notice := store.deliveries.take("slack", after(seconds))) is not None:
        assert notice.others == ()
        found.append(notice.action[1].state.value if notice.action else notice.transition.status)
        store.deliveries.delivered(notice, after(seconds))
    return found


def test_a_run_goes_from_its_condition_to_worked_and_each_step_is_told(
    agents: Agents, store: Store
) -> None:
    declare(store, an_action(approvers=["alice"]))
    agents.say("pod-1", 0.5, 1)
    step(store)
    step(store, 1)
    assert states(store) == ["awaiting_approval"]
    (run,) = store.actions.runs()
    assert told(store) == ["ALERTING", "awaiting_approval"]
    assert store.actions.take(after(2)) is None
    store.actions.judge(run.id, verdict(), after(3))
    sent = store.actions.take(after(4))
    assert sent is not None
    assert (sent.key, sent.state) == (run.key, RunState.SENDING)
    assert store.actions.answered(sent, DELIVERED, after(5)) == 1
    assert store.actions.take(after(6)) is None
    agents.now_ns = after(60)
    agents.say("pod-1", 0.1, 2)
    step(store, 61)
    assert told(store, 61) == ["accepted", "OK", "worked"]
    (run,) = store.actions.runs(RunQuestion(entity=ENTITY, is_over=True))
    assert [turn.state.value for turn in run.turns] == [
        "waiting",
        "awaiting_approval",
        "approved",
        "sending",
        "accepted",
        "worked",
    ]
    assert [turn.author for turn in run.turns] == ["", "", "alice", "", "", ""]
    assert run.turns[-1].reason == "the episode closed 55 seconds after it was accepted"
    statuses = {one.status for one in store.deliveries.records()}
    assert statuses == {"ALERTING", "OK", "ACTION"}
    for _ in range(3):
        assert step(store, 62) == 0


def test_a_run_that_was_being_sent_is_sent_again_with_its_key(
    agents: Agents, store: Store, place: Place
) -> None:
    declare(store, an_action())
    agents.say("pod-1", 0.5, 1)
    step(store)
    step(store)
    first = store.actions.take(after(0))
    assert first is not None
    store.close()
    again = place.open()
    # A new process of the PostgreSQL store waits for the lease of the old one.
    place.change(
        sqlite="SELECT 1", postgresql="UPDATE action_runs SET held_until = clock_timestamp()"
    )
    second = again.actions.take(after(1))
    assert second is not None
    assert (second.id, second.key, second.state) == (first.id, first.key, RunState.SENDING)
    lost = Reply(outcome="failed", reason="reset", wait_seconds=5.0, may_have_arrived=True)
    again.actions.answered(second, lost, after(2))
    assert states(again) == ["sent"]
    assert again.actions.take(after(6.9)) is None
    third = again.actions.take(after(7))
    assert third is not None
    assert third.key == first.key
    again.actions.answered(third, DELIVERED, after(8))
    assert states(again) == ["accepted"]
    (run,) = again.actions.runs()
    assert (run.attempts, run.last_failure) == (2, "reset")
    assert [turn.state.value for turn in run.turns].count("sending") == 1


def test_several_collectors_send_a_run_once(new_place: NewPlace) -> None:
    place = new_place()
    first = place.open()
    is_alone = isinstance(place, SqlitePlace)  # one collector has the file
    stores = [first, first if is_alone else place.open()]
    declare(first, an_action())
    Agents(first).say("pod-1", 0.5, 1)
    for store in stores:
        step(store)
    taken = [store.actions.take(after(1)) for store in stores]
    if not is_alone:
        assert [run is not None for run in taken] == [True, False]
    run = taken[0]
    assert run is not None
    late = [store.actions.answered(run, DELIVERED, after(2)) for store in reversed(stores)]
    assert states(first) == ["accepted"]
    assert sorted(late) == [0, 1]


def test_an_episode_starts_an_action_once(agents: Agents, store: Store) -> None:
    declare(store, an_action(cool_down_seconds=0.0))
    agents.say("pod-1", 0.5, 1)
    for seconds in range(3):
        step(store, seconds)
    run = store.actions.take(after(3))
    assert run is not None
    store.actions.answered(run, Reply(outcome="refused", reason="status 400"), after(4))
    for seconds in range(5, 8):
        step(store, seconds)
    assert states(store) == ["failed"]
    agents.say("pod-1", 0.1, 2)
    agents.say("pod-1", 0.5, 3)
    step(store, 9)
    step(store, 10)
    assert states(store) == ["failed", "approved"]


def test_one_action_at_a_time_is_under_way_for_an_entity(agents: Agents, store: Store) -> None:
    declare(store, an_action(), an_action(name="rollback", cure="rollback"))
    agents.say("pod-1", 0.5, 1)
    for seconds in range(3):
        step(store, seconds)
    assert sorted(states(store)) == ["approved", "waiting"]
    held = [one.waits_for for one in store.actions.runs() if one.state is RunState.WAITING]
    assert held == ["the action 'retrain' is under way for this entity"]


def test_limits_hold_over_episodes(agents: Agents, store: Store) -> None:
    declare(store, an_action(most_a_day=1, cool_down_seconds=0.0))
    agents.say("pod-1", 0.5, 1, labels={"version": "a"})
    agents.say("pod-1", 0.5, 1, labels={"version": "b"})
    step(store)
    step(store)
    run = store.actions.take(after(1))
    assert run is not None
    store.actions.answered(run, Reply(outcome="refused", reason="no"), after(1))
    step(store, 2)
    waiting = [one for one in store.actions.runs() if one.state is RunState.WAITING]
    assert [one.waits_for for one in waiting] == ["it was started 1 times within a day"]
    step(store, 86_500)
    step(store, 86_501)
    assert sorted(states(store)) == ["approved", "failed"]


def test_only_approvers_decide_and_only_once(agents: Agents, store: Store) -> None:
    declare(store, an_action(approvers=["alice"]))
    agents.say("pod-1", 0.5, 1)
    step(store)
    step(store)
    (run,) = store.actions.runs()
    for other in (verdict("bob"), verdict("bob", by_link=True), verdict("", by_link=True)):
        with pytest.raises(Forbidden):
            store.actions.judge(run.id, other, after(1))
    assert (
        store.actions.judge(run.id, verdict(is_approval=False), after(2)).state.value == "declined"
    )
    with pytest.raises(Conflict, match="declined by alice"):
        store.actions.judge(run.id, verdict(), after(3))
    with pytest.raises(Unknown):
        store.actions.judge(99, verdict(), after(3))
    assert store.actions.take(after(4)) is None
    assert told(store, 5) == ["ALERTING", "awaiting_approval", "declined"]


def test_a_link_decides_if_the_action_allows_it(agents: Agents, store: Store) -> None:
    declare(store, an_action(approve_by_link=True))
    agents.say("pod-1", 0.5, 1)
    step(store)
    step(store)
    (run,) = store.actions.runs()
    with pytest.raises(Forbidden):
        store.actions.judge(run.id, verdict("carol"), after(1))
    decided = store.actions.judge(run.id, verdict("link", by_link=True), after(1))
    assert decided.state is RunState.APPROVED


def test_a_person_starts_an_action_by_hand(agents: Agents, store: Store) -> None:
    declare(store, an_action(severity="critical", approvers=["alice"], cool_down_seconds=0.0))
    agents.say("pod-1", 0.5, 1)
    step(store)
    (episode,) = store.alerts.episodes()
    for entity, identity, name in ((ENTITY, 99, "retrain"), (ENTITY, episode.id, "other")):
        with pytest.raises(Unknown):
            store.actions.start(entity, identity, name, verdict(), after(1))
    run = store.actions.start(ENTITY, episode.id, "retrain", verdict(), after(1))
    assert (run.number, run.state) == (1, RunState.APPROVED)
    with pytest.raises(Conflict, match="under way"):
        store.actions.start(ENTITY, episode.id, "retrain", verdict(), after(2))
    assert sorted(states(store)) == ["approved", "waiting"]


def test_a_removed_action_ends_its_runs(agents: Agents, store: Store) -> None:
    declare(store, an_action(approvers=["alice"]), an_action(name="later", severity="critical"))
    agents.say("pod-1", 0.5, 1)
    step(store)
    step(store)
    declare(store, gone=("retrain", "later"))
    assert store.actions.entities() == [ENTITY]
    step(store, 1)
    assert states(store) == ["superseded", "superseded"]
    assert store.actions.entities() == []
    assert told(store, 2) == ["ALERTING", "awaiting_approval"]


def test_an_outcome_is_escalated_to_another_channel(agents: Agents, store: Store) -> None:
    declare(store, an_action(escalate_to="slack", works_within_seconds=60.0))
    elsewhere = RouteDefinition(name="elsewhere", channels=["slack"], entities=["other"])
    store.routes.put(elsewhere, "api", START_NS, 10)
    agents.say("pod-1", 0.5, 1)
    step(store)
    step(store)
    run = store.actions.take(after(1))
    assert run is not None
    store.actions.answered(run, DELIVERED, after(1))
    assert told(store, 2) == []
    assert step(store, 62) == 1
    assert told(store, 63) == ["cannot_tell"]


def test_after_an_outage_only_the_last_state_of_a_run_is_told(agents: Agents, store: Store) -> None:
    declare(store, an_action(approvers=["alice"]))
    agents.say("pod-1", 0.5, 1)
    step(store)
    (run,) = store.actions.runs()
    store.actions.judge(run.id, verdict(is_approval=False), after(1))
    notice = store.deliveries.take("slack", after(2))
    assert notice is not None
    store.deliveries.failed(notice, after(2), "no route")
    assert told(store, 3) == ["ALERTING", "declined"]


def test_a_message_about_an_action_waits_with_its_opening(agents: Agents, store: Store) -> None:
    declare(store, an_action())
    agents.say("pod-1", 0.5, 1)
    silence = Decision(
        kind=DecisionKind.SILENCED,
        author="alice",
        reason="later",
        made_ns=START_NS,
        until_ns=after(3600),
    )
    store.decisions.make(ENTITY, store.alerts.episodes()[0].id, silence)
    step(store)
    assert states(store) == ["waiting"]
    assert store.actions.runs()[0].waits_for == "the episode is silenced"
    step(store, 3600)
    run = store.actions.take(after(3600))
    assert run is not None
    store.actions.answered(run, DELIVERED, after(3600))
    assert told(store, 3599) == []
    assert told(store, 3600) == ["ALERTING", "accepted"]


def test_an_action_without_episodes_makes_no_run(agents: Agents, store: Store) -> None:
    declare(store, an_action(summaries=["output.*"]))
    agents.say("pod-1", 0.5, 1)
    assert step(store) == 0
    assert store.actions.runs() == []
    assert store.actions.entities() == [ENTITY]
    assert len(store.links_key) == 32
    assert store.links_key != store.names_key


def test_an_action_of_a_newer_version_waits_and_holds_up_no_other(
    agents: Agents, store: Store
) -> None:
    declare(store, an_action(approvers=["alice"]), an_action(name="old", cool_down_seconds=0.0))
    agents.say("pod-1", 0.5, 1)
    step(store)
    newer = definition_text(an_action(approvers=["alice"])).replace("{", '{"later":1,', 1)
    key = Key(KIND, ENTITY, "retrain")
    change = Change(key=key, before="{}", after=newer)
    commands = [SetObject(key, newer)]
    revision = Revision(author="bob", origin=Origin.APPLY, commands=commands, changes=[change])
    store.history.commit(revision, START_NS)
    step(store, 1)
    before = states(store)
    step(store, 200_000)
    assert before == states(store) == ["approved", "waiting"]


def test_a_run_of_a_newer_version_is_shown_and_left_alone() -> None:
    text = definition_text(an_action(approvers=["alice"])).replace("{", '{"later":1,', 1)
    row = (7, "k", ENTITY, 3, 0, text, "awaiting_approval", 0, "", "")
    run = run_of(row, ())
    assert (run.action.name, run.is_read, run.action.approvers) == ("retrain", False, [])
    assert "upgrade this collector" in run.waits_for


def test_a_state_of_a_newer_version_keeps_other_actions_waiting() -> None:
    row = (7, "k", ENTITY, 3, 0, definition_text(an_action()), "paused", 0, "", "")
    run = run_of(row, [run_turn_of(("paused", 1, "", ""))])
    assert (run.state.value, run.turns[0].state.value, run.is_read) == ("unread", "unread", False)
    assert run.state.is_under_way
    assert "upgrade this collector" in run.waits_for


def test_a_run_without_its_episode_fails_and_holds_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = place.open()
    other = "other-model"
    declare(store, an_action(), an_action(entity=other))
    agents = Agents(store)
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.5, 1, alerter=an_alerter(entity=other))
    for entity in (ENTITY, other):
        for _ in range(2):
            store.actions.step(entity, {}, START_NS)
    assert states(store) == ["approved", "approved"]

    def fail(run: Run, facts: Facts, now_ns: int) -> RunTurn | None:
        if run.entity == ENTITY:
            raise ZeroDivisionError
        return decide(run, facts, now_ns)

    monkeypatch.setattr(acting_steps, "decide", fail)
    sent = store.actions.take(after(1))
    assert sent is not None
    assert sent.entity == other
    store.actions.answered(sent, DELIVERED, after(1))
    assert store.actions.take(after(2)) is None
    monkeypatch.undo()
    gone = f"DELETE FROM episodes WHERE entity = '{ENTITY}'"
    place.change(sqlite=gone, postgresql=gone)
    assert store.actions.take(after(3)) is None
    assert states(store) == ["failed", "accepted"]
    assert store.actions.runs()[1].turns[-1].reason == "the episode does not exist any more"


def test_a_run_that_waits_for_its_next_attempt_is_sent_after_the_clock_has_gone_back(
    agents: Agents, store: Store
) -> None:
    declare(store, an_action())
    agents.say("pod-1", 0.5, 1)
    for _ in range(2):
        step(store)
    run = store.actions.take(after(0))
    assert run is not None
    retried = Reply(outcome="failed", reason="status 503", wait_seconds=60.0)
    store.actions.answered(run, retried, after(0))
    assert store.actions.take(after(59)) is None
    again = store.actions.take(after(-3600))
    assert again is not None
    assert (again.key, again.attempts) == (run.key, 1)
    store.actions.answered(again, DELIVERED, after(-3600))
    assert store.actions.take(after(3600)) is None
    assert states(store) == ["accepted"]
