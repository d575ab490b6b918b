"""The states of a run of an action, without a database."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from nilometer.alert import Severity
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer_collector.alerting.action_runs import (
    EpisodeFacts,
    Facts,
    Run,
    RunTurn,
    accepted,
    approve,
    decide,
    decline,
    not_answered,
    refused,
    started,
    waits_for,
)
from nilometer_collector.alerting.action_states import RunState
from nilometer_collector.alerting.actions import (
    ActionDefinition,
    ActionSubject,
    check_action,
    is_for,
)
from nilometer_collector.errors import Conflict

HOUR_NS = 3600 * NANOSECONDS
OPENED_NS = 1_700_000_000 * NANOSECONDS
NOW_NS = OPENED_NS + HOUR_NS


def an_action(**changes: object) -> ActionDefinition:
    known: dict[str, object] = {
        "entity": "fraud*",
        "name": "retrain",
        "cure": "retrain",
        "target": "ci",
        "mode": "live",
    }
    return ActionDefinition(**{**known, **changes})  # type: ignore[arg-type]


def facts(action: ActionDefinition | None, **changes: object) -> Facts:
    """Return what is known of an open episode that fulfils the condition."""
    episode: dict[str, object] = {
        "severity": Severity.WARNING,
        "opened_ns": OPENED_NS,
        "closed_ns": None,
        "is_cleared": False,
        "effect": 0.5,
        "is_silenced": False,
        "heard_ns": 0,
    }
    others = {name: changes.pop(name) for name in list(changes) if name not in episode}
    return Facts(
        episode=EpisodeFacts(**{**episode, **changes}),  # type: ignore[arg-type]
        action=action,
        **others,  # type: ignore[arg-type]
    )


def a_run(action: ActionDefinition, *states: tuple[RunState, int]) -> Run:
    """Return a run that has had *states*, each with its time."""
    turns = [
        RunTurn(state=state, at_ns=at_ns, author="alice", reason="said") for state, at_ns in states
    ] or [RunTurn(state=RunState.WAITING, at_ns=OPENED_NS, reason="checked")]
    return Run(
        id=7,
        key="k",
        entity="fraud",
        episode=1,
        number=0,
        action=action,
        state=turns[-1].state,
        turns=tuple(turns),
    )


def after(turn: RunTurn | None) -> RunState | None:
    return None if turn is None else turn.state


@pytest.mark.parametrize(
    ("action", "seen", "held"),
    [
        ({"severity": "critical"}, {}, "the severity is warning, not critical"),
        ({"lasts_seconds": 7200.0}, {}, "has not lasted for 2 hours"),
        ({"effect": 0.6}, {}, "the effect is 0.5, below 0.6"),
        ({"performance": "accuracy", "performance_below": 0.9}, {}, "accuracy is not known"),
        (
            {"performance": "accuracy", "performance_below": 0.9},
            {"performance": 0.95},
            "accuracy is 0.95, not below 0.9",
        ),
        ({}, {"is_silenced": True}, "the episode is silenced"),
        ({}, {"others": ["rollback"]}, "the action 'rollback' is under way"),
        ({}, {"started_ns": NOW_NS - HOUR_NS}, "less than 1 day ago"),
        ({"most_a_day": 2}, {"starts": [NOW_NS - 1, NOW_NS - 2]}, "started 2 times within a day"),
    ],
)
def test_a_run_waits_for_each_part_of_its_condition(
    action: Mapping[str, object], seen: Mapping[str, object], held: str
) -> None:
    asked = an_action(**action)
    known = facts(asked, **seen)
    assert held in waits_for(asked, known, NOW_NS)
    assert decide(a_run(asked), known, NOW_NS) is None
    easier = an_action(performance_below=None)
    assert after(decide(a_run(easier), facts(easier), NOW_NS)) is RunState.APPROVED


def test_limits_end_with_their_time() -> None:
    action = an_action(cool_down_seconds=3600.0, most_a_day=1)
    day_ns = 24 * HOUR_NS
    assert waits_for(action, facts(action, started_ns=NOW_NS - HOUR_NS), NOW_NS) == ""
    assert waits_for(action, facts(action, starts=[NOW_NS - day_ns]), NOW_NS) == ""
    assert waits_for(action, facts(action, starts=[NOW_NS - day_ns + 1]), NOW_NS) != ""


def test_a_new_action_is_in_dry_run_and_says_what_it_would_do() -> None:
    action = ActionDefinition(
        entity="fraud", name="retrain", cure="retrain", target="ci", approvers=["alice"]
    )
    turn = decide(a_run(action), facts(action), NOW_NS)
    assert after(turn) is RunState.DRY_RUN
    assert turn is not None
    assert turn.reason.endswith("it would retrain the model, target 'ci', after approval")


def test_an_action_with_approvers_asks_and_the_request_expires() -> None:
    action = an_action(approvers=["alice"], approval_seconds=60.0)
    assert after(decide(a_run(action), facts(action), NOW_NS)) is RunState.AWAITING_APPROVAL
    run = a_run(action, (RunState.AWAITING_APPROVAL, NOW_NS))
    end_ns = NOW_NS + 60 * NANOSECONDS
    assert run.expires_ns == end_ns
    assert decide(run, facts(action), end_ns - 1) is None
    assert after(decide(run, facts(action), end_ns)) is RunState.EXPIRED
    with pytest.raises(Conflict, match="the request has expired"):
        approve(run, "alice", "ok", end_ns)


def test_a_request_is_decided_once() -> None:
    action = an_action(approvers=["alice"])
    run = a_run(action, (RunState.AWAITING_APPROVAL, NOW_NS))
    assert approve(run, "alice", "ok", NOW_NS).state is RunState.APPROVED
    assert decline(run, "alice", "no", NOW_NS).state is RunState.DECLINED
    for state in set(RunState) - {RunState.AWAITING_APPROVAL}:
        with pytest.raises(
            Conflict, match=r"run 7 does not await approval: .* by alice since 2023"
        ):
            approve(a_run(action, (state, NOW_NS)), "alice", "ok", NOW_NS)


@pytest.mark.parametrize("state", [RunState.AWAITING_APPROVAL, RunState.APPROVED])
def test_a_run_that_is_not_sent_is_superseded(state: RunState) -> None:
    action = an_action(approvers=["alice"])
    run = a_run(action, (state, NOW_NS))
    changed = an_action(approvers=["alice"], target="other")
    for known in (facts(None), facts(changed), facts(action, closed_ns=NOW_NS)):
        assert after(decide(run, known, NOW_NS)) is RunState.SUPERSEDED
    assert decide(run, facts(action), NOW_NS) is None
    waiting = a_run(action)
    for known in (facts(None), facts(action, closed_ns=NOW_NS)):
        assert after(decide(waiting, known, NOW_NS)) is RunState.SUPERSEDED


def test_a_human_without_a_target_is_asked_and_nothing_is_sent() -> None:
    action = an_action(cure="ask_human", target="", approvers=["alice"])
    turn = decide(a_run(action, (RunState.APPROVED, NOW_NS)), facts(action), NOW_NS)
    assert turn is not None
    assert (turn.state, turn.reason) == (RunState.ACCEPTED, "alice takes care of it")


def test_a_lost_response_is_told_once_and_tried_for_an_hour() -> None:
    action = an_action()
    sending = a_run(action, (RunState.SENDING, NOW_NS))
    sent = a_run(action, (RunState.SENDING, NOW_NS), (RunState.SENT, NOW_NS))
    end_ns = NOW_NS + HOUR_NS
    assert not_answered(sending, "status 503", NOW_NS, may_have_arrived=False) is None
    lost = not_answered(sending, "reset", NOW_NS, may_have_arrived=True)
    assert after(lost) is RunState.SENT
    assert not_answered(sent, "reset", end_ns - 1, may_have_arrived=True) is None
    failed = not_answered(sent, "status 404", end_ns, may_have_arrived=False)
    assert failed is not None
    assert failed.state is RunState.FAILED
    assert failed.reason.endswith("within 1 hour: status 404; it may have arrived")
    assert after(decide(sent, facts(None), NOW_NS)) is RunState.FAILED
    assert refused("status 400", NOW_NS).state is RunState.FAILED
    assert accepted(NOW_NS).state is RunState.ACCEPTED


@pytest.mark.parametrize(
    ("seen", "hours", "state"),
    [
        ({}, 1.9, None),
        ({"closed_ns": NOW_NS + HOUR_NS, "is_cleared": True}, 1.5, RunState.WORKED),
        ({"closed_ns": NOW_NS + HOUR_NS}, 1.5, RunState.CANNOT_TELL),
        ({"closed_ns": NOW_NS + 3 * HOUR_NS, "is_cleared": True, "heard_ns": NOW_NS + 1}, 3, RunState.DID_NOT),
        ({"heard_ns": NOW_NS + 1}, 2, RunState.DID_NOT),
        ({"heard_ns": NOW_NS}, 2, RunState.CANNOT_TELL),
    ],
)  # fmt: skip
def test_an_accepted_run_is_watched(
    seen: Mapping[str, object], hours: float, state: RunState | None
) -> None:
    action = an_action(works_within_seconds=7200.0)
    run = a_run(action, (RunState.ACCEPTED, NOW_NS))
    now_ns = NOW_NS + round(hours * HOUR_NS)
    assert after(decide(run, facts(action, **seen), now_ns)) is state
    # The outcome does not depend on later changes of the action.
    assert after(decide(run, facts(None, **seen), now_ns)) is state


def test_a_person_starts_an_action_within_its_limits() -> None:
    action = an_action(severity="critical", approvers=["alice"])
    turn = started(facts(action), "alice", "now", NOW_NS)
    assert (turn.state, turn.author) == (RunState.APPROVED, "alice")
    assert started(facts(action), "bob", "now", NOW_NS).state is RunState.AWAITING_APPROVAL
    for known in (
        facts(None),
        facts(action, closed_ns=NOW_NS),
        facts(action, others=["rollback"]),
        facts(action, started_ns=NOW_NS),
    ):
        with pytest.raises(Conflict):
            started(known, "alice", "now", NOW_NS)


def test_a_state_that_is_over_never_changes() -> None:
    action = an_action()
    for state in RunState:
        if state.is_over:
            late = facts(None, closed_ns=NOW_NS)
            assert decide(a_run(action, (state, OPENED_NS)), late, 2 * NOW_NS) is None


def test_an_action_is_for_entities_summaries_and_labels() -> None:
    action = an_action(summaries=["input.*"], labels={"version": "v*"})
    subject = ActionSubject(
        entity="fraud-eu", labels=Labels.of({"version": "v8"}), summaries=("output.p", "input.a")
    )
    assert is_for(action, subject)
    for other in (
        replace(subject, entity="other"),
        replace(subject, summaries=("output.p",)),
        replace(subject, labels=Labels()),
    ):
        assert not is_for(action, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": ""},
        {"target": "", "cure": "ask_human"},
        {"performance": "accuracy"},
        {"performance_below": 0.5},
    ],
)
def test_fields_that_do_not_fit_together_are_refused(wrong: Mapping[str, object]) -> None:
    check_action(an_action())
    with pytest.raises(ConfigError):
        check_action(an_action(**wrong))
