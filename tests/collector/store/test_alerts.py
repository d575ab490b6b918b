"""An episode opens with the first agent and closes with the last, with one message for each.

In every store. `tests/collector/alerting` holds the pure functions to it.
"""

import threading
from dataclasses import replace

import pytest
from support.shipping import Agents
from support.stores import Place

from nilometer.alert import AlertStatus, Limit, Reason, Severity, Verdict
from nilometer.alert.conditions import OWN_ALERTER, Overdue
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer_collector.channels import mail, posting
from nilometer_collector.errors import Refused
from nilometer_collector.store import LEASE_SECONDS, Store
from nilometer_collector.testing import ENTITY, START_NS, an_alerter, an_evaluation, minute


@pytest.fixture
def agents(store: Store) -> Agents:
    return Agents(store)


def test_an_opening_and_a_closing_queue_one_notification_each(agents: Agents) -> None:
    values = [0.1, 0.5, 0.9, 0.6, 0.1, 0.1, 0.7]
    notices = [agents.say("pod-1", value, number) for number, value in enumerate(values)]
    assert notices == [0, 1, 0, 0, 1, 0, 1]
    assert agents.statuses == [["ALERTING"], ["ALERTING", "OK"]]
    assert agents.store.deliveries.counts("slack").waiting == 3


def test_an_episode_opens_with_the_first_agent_and_closes_with_the_last(agents: Agents) -> None:
    assert agents.say("pod-1", 0.5, 1) == 1
    assert agents.say("pod-2", 0.6, 1) == 0
    assert agents.say("pod-1", 0.1, 2) == 0
    assert agents.say("pod-2", 0.1, 2) == 1
    assert agents.statuses == [["ALERTING", "OK"]]


def test_an_agent_that_went_away_does_not_hold_an_episode_open(agents: Agents) -> None:
    agents.say("gone", 0.5, 1)
    agents.say("pod-2", 0.1, 2)
    assert agents.statuses == [["ALERTING"]]
    agents.now_ns += 3600 * NANOSECONDS
    agents.say("pod-2", 0.1, 60)
    assert agents.statuses == [["ALERTING", "OK"]]


def test_label_sets_and_summaries_have_episodes_of_their_own(agents: Agents) -> None:
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.5, 1, labels={"version": "7"})
    agents.say("pod-1", 0.5, 1, summary="input.age")
    assert len(agents.store.alerts.open_episodes()) == 3


def test_a_window_that_could_not_be_judged_changes_nothing(agents: Agents) -> None:
    agents.say("pod-1", 0.5, 1)
    assert agents.say("pod-1", 0.0, 2, verdict=Verdict.NOT_JUDGED) == 0
    assert agents.statuses == [["ALERTING"]]


def test_the_collector_evaluates_by_itself(store: Store) -> None:
    condition = Overdue(limit_seconds=600.0)
    alerter = an_alerter(name=OWN_ALERTER, summary="nilometer.agents", condition=condition)
    late, fine = (
        an_evaluation(seconds, number, alerter=alerter, summary="nilometer.agents")
        for number, seconds in enumerate((700.0, 0.0))
    )
    assert store.alerts.evaluate([late], "nilometer-collector", START_NS) == 1
    assert store.alerts.evaluate([late], "nilometer-collector", START_NS) == 0
    (episode,) = store.alerts.episodes(is_open=True)
    assert (episode.alerter, episode.worst) == (alerter, 700.0)
    assert store.alerts.evaluate([fine], "nilometer-collector", START_NS) == 1
    assert store.alerts.open_episodes() == []


def test_a_late_window_is_history_and_does_not_alert(agents: Agents) -> None:
    agents.say("pod-1", 0.1, 5)
    assert agents.say("pod-1", 0.9, 4) == 0
    assert agents.statuses == []


def test_the_history_keeps_the_alerter_and_the_evidence_as_they_were(agents: Agents) -> None:
    old, new = an_alerter(threshold=0.2), an_alerter(threshold=0.4)
    agents.say("pod-1", 0.5, 1, alerter=old)
    agents.say("pod-1", 0.8, 2, alerter=new)
    agents.say("pod-1", 0.3, 3, alerter=new)
    (episode,) = agents.store.alerts.episodes()
    assert (episode.alerter, episode.worst) == (old, 0.8)
    assert [transition.alerter for transition in episode.history] == [old, new]
    assert episode.evidence == episode.history[0].evidence == an_evaluation(0.5, 1).evidence


def test_a_deleted_alerter_closes_its_episodes_and_stays_deleted(
    agents: Agents, store: Store
) -> None:
    store.alerts.put(an_alerter(), "api", START_NS)
    agents.say("pod-1", 0.5, 1)
    assert store.alerts.judged()
    assert store.alerts.delete(ENTITY, "drift", START_NS)
    assert store.alerts.judged() == set()
    assert agents.say("pod-1", 0.6, 2) == 0  # an agent that has not heard of it yet
    assert agents.statuses == [["ALERTING", "PAUSED"]]
    assert not store.alerts.delete(ENTITY, "drift", START_NS)
    assert store.deliveries.counts("slack").waiting == 2
    store.alerts.put(an_alerter(), "api", START_NS)
    assert agents.say("pod-1", 0.6, 3) == 1


def test_an_alerter_that_watches_other_summaries_now_closes_what_it_left(
    agents: Agents, store: Store
) -> None:
    store.alerts.put(an_alerter(), "api", START_NS)
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.5, 1, summary="input.age")
    store.alerts.put(an_alerter(summary="input.age"), "api", START_NS)
    assert store.alerts.open_episodes() == [(ENTITY, "input.age")]


def test_an_alerter_belongs_to_the_origin_that_put_it_last(store: Store) -> None:
    for name, origin in [("one", "file"), ("two", "api"), ("three", "file"), ("three", "api")]:
        store.alerts.put(an_alerter(name=name), origin, START_NS)
    assert store.alerts.named("file") == {(ENTITY, "one")}
    store.alerts.delete(ENTITY, "one", START_NS)
    assert store.alerts.named("file") == set()


def test_without_a_channel_history_is_kept_and_nothing_is_queued(place: Place) -> None:
    store = place.open(channel="")
    agents = Agents(store)
    assert agents.say("pod-1", 0.5, 1) == 0
    assert agents.statuses == [["ALERTING"]]
    assert store.deliveries.take("slack", START_NS) is None


def test_one_call_may_open_worsen_and_close_an_episode(agents: Agents) -> None:
    values = [0.5, 0.9, 0.7, 0.1, 0.6]
    evaluations = [an_evaluation(value, number) for number, value in enumerate(values)]
    assert agents.judge("pod-1", evaluations) == 3
    newest, oldest = agents.store.alerts.episodes()
    assert (oldest.worst, newest.worst) == (0.9, 0.6)
    assert agents.statuses == [["ALERTING"], ["ALERTING", "OK"]]


def test_an_episode_keeps_all_its_times(agents: Agents) -> None:
    agents.say("pod-1", 0.5, 1, labels={"version": "7"})
    agents.say("pod-1", 0.1, 2, labels={"version": "7"})
    (episode,) = agents.store.alerts.episodes(ENTITY, is_open=False)
    assert (episode.since_ns, episode.opened_ns, episode.closed_ns) == (
        minute(1).start_ns,
        minute(1).end_ns,
        minute(2).end_ns,
    )
    assert (episode.summary, episode.labels) == ("input.amount", Labels.of(version="7"))
    assert episode.reference_digest == "0123456789abcdef"
    opened, closed = episode.history
    assert (opened.at_ns, opened.window_start_ns) == (minute(1).end_ns, minute(1).start_ns)
    assert (opened.recorded_ns, opened.value, closed.value) == (START_NS, 0.5, 0.1)


def test_episodes_are_listed_newest_first_by_entity_and_by_state(agents: Agents) -> None:
    other = an_alerter(entity="churn")
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.5, 3, alerter=other)
    agents.say("pod-1", 0.1, 4)
    listed = agents.store.alerts.episodes
    assert [one.alerter.entity for one in listed()] == ["churn", ENTITY]
    assert [one.alerter.entity for one in listed(is_open=True)] == ["churn"]
    assert [one.alerter.entity for one in listed(ENTITY)] == [ENTITY]
    assert listed(ENTITY, is_open=True) == listed("missing") == []
    assert agents.store.alerts.entities() == {"churn", ENTITY}


def test_openings_are_counted_by_alerter_since_a_time(agents: Agents) -> None:
    own, other = an_alerter(name="own"), an_alerter(name="other")
    for number, value in enumerate([0.5, 0.1, 0.5, 0.1]):
        agents.say("pod-1", value, number, alerter=own)
    agents.say("pod-1", 0.5, 0, alerter=other, labels={"version": "7"})
    agents.say("pod-1", 0.5, 0, alerter=other, summary="input.age")
    openings = agents.store.alerts.openings
    assert openings(ENTITY, 0) == {"own": 2, "other": 2}
    newest_ns = max(one.opened_ns for one in agents.store.alerts.episodes())
    assert openings(ENTITY, newest_ns) == {"own": 1}
    assert openings(ENTITY, newest_ns + 1) == openings("nobody", 0) == {}


def test_one_episode_is_read_however_old(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.1, 2)
    agents.say("pod-1", 0.5, 3)
    agents.say("pod-1", 0.5, 3, alerter=an_alerter(entity="churn"))
    alerts = agents.store.alerts
    newest, oldest = alerts.episodes(ENTITY)
    for store in ("sqlite", "postgresql"):
        monkeypatch.setattr(f"nilometer_collector.store.{store}.episodes.MOST_EPISODES", 1)
    assert alerts.episodes(ENTITY) == [newest]
    assert alerts.episode(ENTITY, oldest.id) == oldest
    assert alerts.episode("churn", oldest.id) is None
    assert alerts.episode(ENTITY, 2**62) is None


def test_what_was_judged_is_told_with_its_status(agents: Agents) -> None:
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-2", 0.1, 1)
    agents.say("pod-1", 0.1, 1, labels={"v": "2"})
    agents.say("pod-1", 0.0, 1, summary="input.age", verdict=Verdict.NOT_JUDGED)
    alerts = agents.store.alerts
    assert alerts.judged() == {(ENTITY, "input.amount")}
    found = {(one.summary, str(one.labels)): one for one in alerts.statuses()}
    assert {key: (one.status, one.reason) for key, one in found.items()} == {
        ("input.amount", ""): (AlertStatus.ALERTING, Reason.BREACH),
        ("input.amount", "v=2"): (AlertStatus.OK, Reason.WITHIN_LIMIT),
        ("input.age", ""): (AlertStatus.NOT_WATCHED, Reason.NOTHING_TO_JUDGE),
    }
    fine = found["input.amount", "v=2"]
    assert (fine.value, fine.value_ns, fine.sentence) == (
        0.1,
        minute(1).end_ns,
        "PSI from training is 0.1 (threshold 0.2)",
    )
    assert found["input.age", ""].value is None
    assert alerts.statuses(ENTITY) == alerts.statuses()
    assert alerts.statuses("another") == []


def test_what_one_sender_has_judged_is_told_by_alerter(agents: Agents) -> None:
    agents.say("pod-1", 0.1, 1)
    agents.say("pod-1", 0.1, 3, summary="input.age")
    agents.say("pod-2", 0.1, 9)
    agents.say("pod-1", 0.1, 2, alerter=an_alerter(name="other"))
    judged_until = agents.store.alerts.judged_until
    assert judged_until(ENTITY, "pod-1") == {"drift": minute(3).end_ns, "other": minute(2).end_ns}
    assert judged_until(ENTITY, "pod-3") == judged_until("another", "pod-1") == {}


def test_the_worst_value_has_its_time(agents: Agents) -> None:
    for number, value in enumerate((0.5, 0.9, 0.6)):
        agents.say("pod-1", value, number)
    (episode,) = agents.store.alerts.episodes()
    assert (episode.worst, episode.worst_ns) == (0.9, minute(1).end_ns)


def test_an_episode_that_gets_critical_is_told_once_more(agents: Agents) -> None:
    alerter = an_alerter(critical=Limit(threshold=0.8))
    for number, value in ((1, 0.5), (2, 0.9), (3, 0.95), (4, 0.5), (5, 0.1)):
        agents.judge("pod-1", [an_evaluation(value, number, alerter=alerter)])
    (episode,) = agents.store.alerts.episodes()
    told = [(turn.status, turn.value, turn.alerter.severity.value) for turn in episode.history]
    assert told == [
        ("ALERTING", 0.5, "warning"),
        ("ALERTING", 0.9, "critical"),
        ("OK", 0.1, "warning"),
    ]
    assert (episode.alerter.severity, episode.worst) == (Severity.CRITICAL, 0.95)
    assert episode.evidence == "PSI from training is 0.9 (threshold 0.2)"


def test_alerters_are_listed_by_entity_and_name(store: Store) -> None:
    for entity, name in (("b", "x"), ("a", "z"), ("a", "Z")):
        store.alerts.put(an_alerter(entity=entity, name=name), "api", START_NS)
    listed = [(alerter.entity, alerter.name) for alerter in store.alerts.alerters()]
    assert listed == [("a", "Z"), ("a", "z"), ("b", "x")]
    assert [alerter.name for alerter in store.alerts.alerters("b")] == ["x"]
    assert store.alerts.unread_alerters() == []


def test_evidence_with_nul_is_kept_with_a_mark_in_its_place(agents: Agents) -> None:
    agents.judge("pod-1", [replace(an_evaluation(0.5, 1), evidence="PSI\0is\ud8000.5")])
    (episode,) = agents.store.alerts.episodes()
    assert episode.evidence == episode.history[0].evidence == "PSI\ufffdis\ufffd0.5"


def test_a_name_with_nul_is_refused(store: Store) -> None:
    with pytest.raises(Refused):
        store.alerts.delete(ENTITY, "drift\0", START_NS)
    with pytest.raises(Refused):
        Agents(store).say("pod-1", 0.5, 1, summary="input.\0")
    assert store.alerts.episodes() == []


def test_agents_that_alert_at_once_open_one_episode(agents: Agents) -> None:
    notices: list[int] = []
    both = threading.Barrier(4)

    def say(agent: str) -> None:
        own = Agents(agents.store)
        both.wait()
        notices.extend(
            own.say(agent, value, number) for number, value in enumerate([0.5, 0.9, 0.1])
        )

    speakers = [threading.Thread(target=say, args=(f"pod-{number}",)) for number in range(4)]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
    assert len(notices) == 12
    episodes = agents.store.alerts.episodes()
    assert agents.store.alerts.open_episodes() == []
    assert {tuple(t.status for t in one.history) for one in episodes} == {("ALERTING", "OK")}
    assert agents.store.deliveries.counts("slack").waiting == sum(notices) == 2 * len(episodes)


def test_an_alerter_that_is_deleted_while_agents_alert_leaves_no_episode_open(
    agents: Agents,
) -> None:
    alerts = agents.store.alerts
    alerts.put(an_alerter(), "api", START_NS)

    def say(agent: str) -> None:
        own = Agents(agents.store)
        for number in range(20):
            own.say(agent, 0.5, number, labels={"n": str(number)})

    speakers = [threading.Thread(target=say, args=(f"pod-{number}",)) for number in range(3)]
    for speaker in speakers:
        speaker.start()
    alerts.delete(ENTITY, "drift", START_NS)
    for speaker in speakers:
        speaker.join()
    assert alerts.open_episodes() == []


# Deliveries


def test_deliveries_are_taken_oldest_first_until_each_has_an_outcome(agents: Agents) -> None:
    for number, value in enumerate([0.5, 0.1, 0.6]):
        agents.say("pod-1", value, number)
    queue = agents.store.deliveries
    told = []
    for number in range(3):
        notice = queue.take("slack", START_NS)
        assert notice is not None
        assert notice.attempts == 0
        again = queue.take("slack", START_NS)
        assert again is not None
        assert again.key == notice.key
        told.append((notice.transition.status, notice.episode.alerter.name, notice.key))
        queue.failed(notice, START_NS, "no response", may_have_arrived=True)
        retried = queue.take("slack", START_NS)
        assert retried is not None
        assert (retried.id, retried.key, retried.attempts) == (notice.id, notice.key, 1)
        if number == 1:
            queue.refused(notice, START_NS, "status 400")
        else:
            queue.delivered(notice, START_NS)
    assert [status for status, _, _ in told] == ["ALERTING", "OK", "ALERTING"]
    assert len({key for _, _, key in told}) == 3
    assert queue.take("slack", START_NS) is None
    counts = queue.counts("slack")
    assert (counts.waiting, counts.delivered, counts.refused) == (0, 2, 1)


def test_a_channel_has_a_queue_of_its_own(agents: Agents) -> None:
    agents.say("pod-1", 0.5, 1)
    assert agents.store.deliveries.take("mail", START_NS) is None
    assert agents.store.deliveries.counts("mail").waiting == 0


def test_the_reason_of_a_failure_may_be_long_and_hostile(agents: Agents, place: Place) -> None:
    agents.say("pod-1", 0.5, 1)
    notice = agents.store.deliveries.take("slack", START_NS)
    assert notice is not None
    agents.store.deliveries.failed(notice, START_NS, "\0\ud800" + "x" * 999)
    statement = "SELECT last_failure FROM deliveries"
    ((stored,),) = place.change(sqlite=statement, postgresql=statement)
    assert stored == "\ufffd\ufffd" + "x" * 198


def test_a_delivery_waits_as_long_as_the_receiver_asked(agents: Agents, place: Place) -> None:
    agents.say("pod-1", 0.5, 1)
    agents.say("pod-1", 0.1, 2)
    queue = agents.store.deliveries
    notice = queue.take("slack", START_NS)
    assert notice is not None
    queue.failed(notice, START_NS, "status 429", 300.0)
    assert queue.take("slack", START_NS + 299 * 10**9) is None  # nor does the next one overtake it
    place.change(
        sqlite="UPDATE deliveries SET not_before_ns = not_before_ns - 300000000000 WHERE id = 1",
        postgresql="UPDATE deliveries SET not_before = not_before - interval '300 s'",
    )
    again = queue.take("slack", START_NS)
    assert again is not None
    assert again.transition.status == "OK"  # the last state, because the opening was never told


def test_a_collector_keeps_a_delivery_longer_than_an_attempt_takes() -> None:
    assert 4 * max(posting.TOTAL_SECONDS, mail.TOTAL_SECONDS) <= LEASE_SECONDS


def test_an_episode_of_a_version_that_was_rolled_back_does_not_stay_open(agents: Agents) -> None:
    for number in range(24 * 60):
        if number < 5:
            agents.say("pod-a", 0.9, number, labels={"version": "7"})
        if number % 60 == 0:
            agents.say("pod-b", 0.1, number, labels={"version": "6"})
        agents.now_ns += 60 * NANOSECONDS
    assert agents.store.alerts.expire(agents.now_ns, START_NS) == 1
    (episode,) = agents.store.alerts.episodes()
    assert [turn.status for turn in episode.history] == ["ALERTING", "NO_DATA"]
    assert episode.closed_ns == minute(4).end_ns
    statuses = {str(found.labels): found.status for found in agents.store.alerts.statuses()}
    assert statuses == {"version=6": AlertStatus.OK, "version=7": AlertStatus.NO_DATA}
    agents.say("pod-a", 0.9, 1440, labels={"version": "7"})
    assert agents.statuses == [["ALERTING"], ["ALERTING", "NO_DATA"]]


def test_an_episode_stays_open_while_its_agents_may_still_send(agents: Agents) -> None:
    agents.say("pod-1", 0.9, 1)
    just_started_ns = agents.now_ns + 3600 * NANOSECONDS
    assert agents.store.alerts.expire(agents.now_ns + 60 * NANOSECONDS, 0) == 0
    assert agents.store.alerts.expire(just_started_ns, just_started_ns) == 0
    assert agents.statuses == [["ALERTING"]]
