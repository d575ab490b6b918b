"""People acknowledge, silence and accept episodes, in every store; messages are held and sent once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.shipping import Agents
from support.stores import Place
from support.watch_steps import a_part, a_step, an_opening

from nilometer.alert import Verdict
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer_collector.alerting.decisions import (
    MOST_DECISIONS,
    Decision,
    DecisionKind,
    acknowledgement_of,
    silence_of,
)
from nilometer_collector.errors import Conflict, Refused, Unknown
from nilometer_collector.store import DECISION, ChangeQuestion, Origin, Store
from nilometer_collector.testing import ENTITY, START_NS, an_alerter

HOUR_NS = 3600 * NANOSECONDS
ACKNOWLEDGED, SILENCED = DecisionKind.ACKNOWLEDGED, DecisionKind.SILENCED
UNSILENCED, NEW_NORMAL = DecisionKind.UNSILENCED, DecisionKind.NEW_NORMAL


@pytest.fixture
def agents(store: Store) -> Agents:
    return Agents(store)


def a_decision(kind: DecisionKind, hours: float | None = None, **changes: object) -> Decision:
    """Return a decision of alice that ends after *hours*."""
    known: dict[str, object] = {
        "author": "alice",
        "reason": "a known sale",
        "made_ns": START_NS,
        "until_ns": None if hours is None else START_NS + round(hours * HOUR_NS),
    }
    return Decision(kind=kind, **{**known, **changes})  # type: ignore[arg-type]


def decide(store: Store, decision: Decision) -> Decision:
    """Make *decision* about the newest episode."""
    return store.decisions.make(ENTITY, store.alerts.episodes()[0].id, decision)


def sent(store: Store, hours: float = 0.0) -> list[tuple[str, bool]]:
    """Deliver what can be delivered after *hours*; return the status of each and whether it was held."""
    found, now_ns = [], START_NS + round(hours * HOUR_NS)
    while (notice := store.deliveries.take("slack", now_ns)) is not None:
        found.append((notice.transition.status, notice.after_silence))
        store.deliveries.delivered(notice, now_ns)
    return found


def test_a_decision_is_kept_with_its_author_reason_and_end(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    first, second = a_decision(ACKNOWLEDGED, author="bob"), a_decision(SILENCED, 2)
    assert decide(store, first) == first
    decide(store, second)
    (episode,) = store.alerts.episodes(is_open=True)
    assert episode.decisions == (first, second)
    assert acknowledgement_of(episode.decisions, START_NS) == first
    assert silence_of(episode.decisions, START_NS + HOUR_NS) == second
    assert silence_of(episode.decisions, START_NS + 2 * HOUR_NS) is None


def test_a_decision_is_a_change_that_the_history_keeps(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    decide(store, a_decision(ACKNOWLEDGED, author="bob", reason="half \ud800"))
    decide(store, a_decision(SILENCED, 2))
    with pytest.raises(Refused):
        decide(store, a_decision(SILENCED, -1))
    newest, oldest = store.history.changes(ChangeQuestion(kind=DECISION))
    assert (newest.revision, newest.author, newest.origin) == (2, "alice", Origin.API)
    assert newest.change.after == (
        '{"kind":"silenced","reason":"a known sale","until":"2023-11-15T00:14:00Z"}'
    )
    assert (oldest.revision, oldest.author, oldest.made_ns) == (1, "bob", START_NS)


def test_an_opening_is_held_until_its_silence_ends_and_then_sent_once(
    agents: Agents, store: Store
) -> None:
    agents.say("pod-1", 0.5, 1)
    decide(store, a_decision(SILENCED, 2))
    assert store.deliveries.counts("slack").waiting == 1
    assert sent(store, 1.9) == []
    assert sent(store, 2) == [("ALERTING", True)]
    assert sent(store, 3) == []


def test_an_opening_that_was_sent_before_is_sent_again_after_the_silence(
    agents: Agents, store: Store
) -> None:
    agents.say("pod-1", 0.5, 1)
    assert sent(store) == [("ALERTING", False)]
    decide(store, a_decision(SILENCED, 1))
    decide(store, a_decision(SILENCED, 2))
    assert sent(store, 1.9) == []
    assert sent(store, 2) == [("ALERTING", True)]
    assert sent(store, 9) == []


def test_an_episode_that_closes_while_nobody_knows_of_it_sends_nothing(
    agents: Agents, store: Store
) -> None:
    agents.say("pod-1", 0.5, 1)
    decide(store, a_decision(SILENCED, 2))
    assert agents.say("pod-1", 0.1, 2) == 0
    assert agents.statuses == [["ALERTING", "OK"]]
    assert sent(store, 3) == []
    counts = store.deliveries.counts("slack")
    assert (counts.waiting, counts.delivered, counts.withheld) == (0, 0, 1)


def test_an_opening_that_was_held_beyond_the_end_of_its_episode_is_given_up(place: Place) -> None:
    store = place.open()
    agents = Agents(store)
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.1, 2)
    held = f"UPDATE deliveries SET held_until_ns = {START_NS + HOUR_NS} WHERE id = 1"
    place.change(sqlite=held, postgresql=held)
    assert sent(store, 0.5) == [("OK", False)]
    assert sent(store, 2) == []
    counts = store.deliveries.counts("slack")
    assert (counts.waiting, counts.delivered, counts.withheld) == (0, 1, 1)


def test_the_end_of_an_episode_is_told_if_its_opening_was(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    sent(store)
    decide(store, a_decision(SILENCED, 2))
    assert agents.say("pod-1", 0.1, 2) == 1
    assert sent(store, 3) == [("OK", False)]


def test_a_silence_holds_for_the_next_episode_of_the_same_alerter(
    agents: Agents, store: Store
) -> None:
    agents.say("pod-1", 0.5, 1)
    decide(store, a_decision(SILENCED, 2))
    agents.say("pod-1", 0.1, 2)
    assert agents.say("pod-1", 0.5, 3) == 0
    assert agents.say("pod-1", 0.5, 3, labels={"version": "7"}) == 1
    assert sent(store, 1) == [("ALERTING", False)]
    assert sent(store, 2) == [("ALERTING", True)]
    agents.now_ns += 3 * HOUR_NS
    agents.say("pod-1", 0.1, 4)
    assert agents.say("pod-1", 0.5, 5) == 1
    assert store.alerts.episodes()[0].decisions == ()


@pytest.mark.parametrize("told", [False, True])
def test_the_end_of_a_silence_sends_what_nobody_was_told(
    agents: Agents, store: Store, *, told: bool
) -> None:
    agents.say("pod-1", 0.5, 1)
    if told:
        sent(store)
    decide(store, a_decision(SILENCED, 2))
    decide(store, a_decision(UNSILENCED, made_ns=START_NS + HOUR_NS))
    assert sent(store, 1) == ([] if told else [("ALERTING", True)])
    assert sent(store, 3) == []
    with pytest.raises(Conflict, match="is not silenced"):
        decide(store, a_decision(UNSILENCED))
    agents.say("pod-1", 0.1, 2)
    assert agents.say("pod-1", 0.5, 3) == 1


def test_a_silence_can_be_ended_between_two_episodes(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    earlier = store.alerts.episodes()[0].id
    decide(store, a_decision(SILENCED, 2))
    agents.say("pod-1", 0.1, 2)
    agents.say("pod-1", 0.5, 3)
    agents.say("pod-1", 0.1, 4)
    with pytest.raises(Conflict, match="is closed"):  # a newer episode has the silence now
        store.decisions.make(ENTITY, earlier, a_decision(UNSILENCED))
    decide(store, a_decision(UNSILENCED))
    with pytest.raises(Conflict, match="is not silenced"):
        decide(store, a_decision(UNSILENCED))
    assert agents.say("pod-1", 0.5, 5) == 1


def test_an_episode_takes_a_bounded_number_of_acknowledgements(
    agents: Agents, store: Store
) -> None:
    agents.say("pod-1", 0.5, 1)
    for _ in range(MOST_DECISIONS - 1):
        decide(store, a_decision(ACKNOWLEDGED))
    decide(store, a_decision(SILENCED, 2))
    for kind, hours in ((ACKNOWLEDGED, None), (SILENCED, 2)):
        with pytest.raises(Conflict, match="has 100 decisions already"):
            decide(store, a_decision(kind, hours))
    decide(store, a_decision(UNSILENCED))
    decide(store, a_decision(NEW_NORMAL))
    assert agents.statuses == [["ALERTING", "PAUSED"]]


def test_a_new_normal_keeps_a_set_alerter_quiet_until_a_window_is_fine(
    agents: Agents, store: Store
) -> None:
    agents.say("pod-1", 0.5, 1)
    made = decide(store, a_decision(NEW_NORMAL))
    assert (made.summary, made.is_pending) == ("input.amount", False)
    assert agents.statuses == [["ALERTING", "PAUSED"]]
    (episode,) = store.alerts.episodes()
    assert episode.history[-1].evidence == (
        "alice says that this is the new normal of input.amount: a known sale; the alerter is quiet "
        "until a window is within its limit"
    )
    assert agents.say("pod-1", 0.6, 2) == 0
    assert agents.say("new-pod", 0.6, 2) == 0
    assert [one.status.value for one in store.alerts.statuses()] == ["PAUSED"]
    assert agents.say("pod-1", 0.0, 3, verdict=Verdict.NOT_JUDGED) == 0
    agents.say("pod-1", 0.1, 4)
    assert agents.say("new-pod", 0.6, 4) == 0  # it has not been fine yet
    agents.say("new-pod", 0.1, 5)
    assert agents.say("new-pod", 0.6, 6) == 1


def test_a_new_normal_may_have_an_end(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    decide(store, a_decision(NEW_NORMAL, 1))
    agents.now_ns += HOUR_NS - 1
    assert agents.say("pod-1", 0.6, 2) == 0
    agents.now_ns += 1
    assert agents.say("pod-1", 0.6, 3) == 1


@pytest.mark.parametrize("is_other", [False, True])
def test_a_changed_alerter_is_no_longer_quiet(
    agents: Agents, store: Store, *, is_other: bool
) -> None:
    store.alerts.put(an_alerter(), "api", START_NS)
    agents.say("pod-1", 0.5, 1)
    decide(store, a_decision(NEW_NORMAL))
    store.alerts.put(an_alerter(threshold=0.3 if is_other else 0.2), "api", START_NS)
    assert agents.say("pod-1", 0.6, 2) == int(is_other)


def test_a_deleted_alerter_is_no_longer_quiet(agents: Agents, store: Store) -> None:
    store.alerts.put(an_alerter(), "api", START_NS)
    agents.say("pod-1", 0.5, 1)
    decide(store, a_decision(NEW_NORMAL))
    store.alerts.delete(ENTITY, "drift", START_NS)
    store.alerts.put(an_alerter(), "api", START_NS)
    assert agents.say("pod-1", 0.6, 2) == 1


def test_what_does_not_fit_is_refused_and_changes_nothing(agents: Agents, store: Store) -> None:
    agents.say("pod-1", 0.5, 1)
    with pytest.raises(Unknown, match="has no episode 999"):
        store.decisions.make(ENTITY, 999, a_decision(ACKNOWLEDGED))
    with pytest.raises(Unknown, match="another has no episode"):
        store.decisions.make("another", store.alerts.episodes()[0].id, a_decision(ACKNOWLEDGED))
    with pytest.raises(Unknown, match=r"has no part 'input\.age'"):
        decide(store, a_decision(NEW_NORMAL, summary="input.age"))
    with pytest.raises(Unknown, match=r"has no part 'input.amount' \[version=7\]"):
        decide(store, a_decision(NEW_NORMAL, summary="input.amount", labels=Labels.of(version="7")))
    with pytest.raises(Refused, match=r"labels = 'version=7': must come with the summary"):
        decide(store, a_decision(NEW_NORMAL, labels=Labels.of(version="7")))
    for hours in (0, -1, 367 * 24):
        with pytest.raises(Refused, match=r"until = .*: must be after now"):
            decide(store, a_decision(SILENCED, hours))
    assert agents.say("pod-1", 0.1, 2) == 1
    with pytest.raises(Conflict, match="is closed since 2023-11-14"):
        decide(store, a_decision(ACKNOWLEDGED))
    assert store.alerts.episodes()[0].decisions == ()


def test_a_settled_new_normal_tells_whether_it_has_lapsed(store: Store) -> None:
    parts = a_part(), a_part("input.age")
    store.watching.save(ENTITY, a_step(0, episodes=[an_opening(1, *parts)]), START_NS)
    for part in parts:
        decide(store, a_decision(NEW_NORMAL, summary=part.summary))
    learned, late = store.decisions.pending(ENTITY)
    step = a_step(1, settled={learned.id: False, late.id: True})
    store.watching.save(ENTITY, step, START_NS)
    assert store.decisions.pending(ENTITY) == []
    (episode,) = store.alerts.episodes()
    assert [(one.summary, one.has_lapsed) for one in episode.decisions] == [
        ("input.amount", False),
        ("input.age", True),
    ]


def test_a_silence_without_a_channel_is_recorded(place: Place) -> None:
    store = place.open(channel="")
    Agents(store).say("pod-1", 0.5, 1)
    decide(store, a_decision(SILENCED, 1))
    assert store.alerts.episodes()[0].decisions == (a_decision(SILENCED, 1),)
    assert store.deliveries.counts("slack").waiting == 0


def test_a_link_decides_once_also_if_many_use_it_at_the_same_time(place: Place) -> None:
    store = place.open()
    Agents(store).say("pod-1", 0.5, 1)
    episode = store.alerts.episodes()[0].id
    decision = a_decision(ACKNOWLEDGED, link="message/acknowledged")

    def use(_: int) -> bool:
        try:
            return store.decisions.make(ENTITY, episode, decision) == decision
        except Conflict as error:
            assert "used before" in str(error)
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(8))) == 1
    (kept,) = store.alerts.episodes()[0].decisions
    assert kept.link == "message/acknowledged"
    other = a_decision(SILENCED, 1, link="message/silenced")
    assert store.decisions.make(ENTITY, episode, other) == other


@pytest.mark.parametrize("jump", [-1.0, 1.0])
def test_a_jump_of_the_clock_loses_and_doubles_no_message(
    agents: Agents, store: Store, jump: float
) -> None:
    agents.say("pod-1", 0.5, 1)
    notice = store.deliveries.take("slack", START_NS)
    assert notice is not None
    store.deliveries.failed(notice, START_NS, "status 503", 0.0)
    assert sent(store, jump) == [("ALERTING", False)]  # what was queued before the jump
    decide(store, a_decision(SILENCED, 2))
    assert sent(store, jump) == []
    assert sent(store, 1.9) == []
    assert sent(store, 2 + jump) == ([("ALERTING", True)] if jump > 0 else [])
    assert sent(store, 2) == ([] if jump > 0 else [("ALERTING", True)])  # it ends by the wall clock
    agents.say("pod-1", 0.1, 2)
    assert sent(store, 2 + jump) == [("OK", False)]
    assert sent(store, 9) == []
