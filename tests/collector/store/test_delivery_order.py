"""What a receiver gets, in every store: each state once and in order, and the same key only again.

`Receiver` plays the receiver and the network. The random steps are shipments, decisions of people,
time, and attempts whose outcome differs.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.shipping import Agents

from nilometer.alert import Alerter
from nilometer.alert.limit import Limit
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.receivers import KINDS, ChannelDefinition
from nilometer_collector.alerting.routes import ALWAYS, RouteDefinition
from nilometer_collector.errors import Conflict
from nilometer_collector.store import Notice, Store
from nilometer_collector.store.composing import STORM_ENTITIES
from nilometer_collector.store.delivery_records import ACKNOWLEDGEMENT
from nilometer_collector.testing import START_NS, an_alerter

HOUR_NS = 3600 * NANOSECONDS
ACKNOWLEDGED, SILENCED = DecisionKind.ACKNOWLEDGED, DecisionKind.SILENCED
SUMMARIES = ("input.amount", "input.age")


@dataclass
class Receiver:
    """A channel for one entity, and what has reached its receiver.

    Attributes:
        now_ns: Wall time, Unix nanoseconds.
        got: Ids of the notifications of each message that has arrived, by its key.
        states: What has arrived, without repetitions: episode, status and severity.
    """

    store: Store
    entity: str
    kind: str = "slack"
    now_ns: int = START_NS
    got: dict[str, list[int]] = field(default_factory=dict)
    states: list[tuple[int, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = f"to-{self.entity}"
        secrets = {"url": "https://x.example/", "routing_key": "k" * 32}
        known = {name: secrets[name] for name in KINDS[self.kind].fields if name in secrets}
        if self.kind == "pagerduty":
            del known["url"]
        channel = ChannelDefinition(name=self.name, kind=self.kind, secrets=known)
        self.store.channels.put(channel, "api", START_NS, 64)
        self.agents = Agents(self.store)
        self.agents_name = f"of-{self.entity}"[:16]

    def route(
        self, severity: Literal["info", "warning", "critical"] = "info", hours: str = ALWAYS
    ) -> None:
        """Tell the channel about its entity, from a severity on and in these hours."""
        name = f"{self.name}-{len(self.store.routes.all())}"
        route = RouteDefinition(
            name=name, channels=[self.name], entities=[self.entity], severity=severity, hours=hours
        )
        self.store.routes.put(route, "api", START_NS, 256)

    @property
    def alerter(self) -> Alerter:
        """An alerter with a warning from 0.2 on and a critical alert from 0.8 on."""
        return an_alerter(entity=self.entity, critical=Limit(threshold=0.8))

    def say(self, value: float, summary: str = SUMMARIES[0]) -> None:
        """Judge *value*, a minute after the last one."""
        self.now_ns += 60 * NANOSECONDS
        self.agents.now_ns = self.now_ns
        minute = (self.now_ns - START_NS) // (60 * NANOSECONDS)
        self.agents.say(self.agents_name, value, int(minute), summary=summary, alerter=self.alerter)

    def decide(self, kind: DecisionKind, hours: int | None = None) -> None:
        """Decide about all open episodes."""
        for episode in self.store.alerts.episodes(self.entity, is_open=True):
            until_ns = None if hours is None else self.now_ns + hours * HOUR_NS
            decision = Decision(
                kind=kind, author="a", reason="r", made_ns=self.now_ns, until_ns=until_ns
            )
            with suppress(Conflict):  # there is no silence to end
                self.store.decisions.make(self.entity, episode.id, decision)

    def take(self) -> Notice | None:
        """Take the next message."""
        is_grouping = KINDS[self.kind].is_grouping
        return self.store.deliveries.take(self.name, self.now_ns, is_grouping=is_grouping)

    def arrive(self, notice: Notice) -> None:
        """Let a message arrive, which may be a repetition."""
        told = self.got.setdefault(notice.key, notice.ids)
        assert told == notice.ids, "one key tells different notifications"
        for one in (notice, *notice.others):
            keys = [key for key, ids in self.got.items() if one.id in ids]
            assert keys == [notice.key], "a notification arrives with two keys"
            status = ACKNOWLEDGEMENT if one.is_acknowledgement else one.transition.status
            state = (one.episode.id, status, one.transition.alerter.severity.value)
            if not notice.is_repeat or state not in self.states:
                self.states.append(state)

    def attempt(self, outcome: str = "delivered") -> None:
        """Take the next message, if there is one, and let the attempt end with *outcome*."""
        notice = self.take()
        if notice is None:
            return
        deliveries = self.store.deliveries
        if outcome in {"delivered", "lost", "crash"}:
            self.arrive(notice)
        if outcome == "delivered":
            deliveries.delivered(notice, self.now_ns)
        elif outcome == "lost":
            deliveries.failed(notice, self.now_ns, "no response", may_have_arrived=True)
        elif outcome == "failed":
            deliveries.failed(notice, self.now_ns, "status 503")
        elif outcome == "refused":
            deliveries.refused(notice, self.now_ns, "status 400")
        elif outcome == "split" and notice.others and notice.key not in self.got:
            # A receiver that has taken a message does not refuse the same message afterwards.
            deliveries.split(notice, self.now_ns, "status 413")

    def drain(self) -> list[str]:
        """Deliver all that can be delivered now; return the states of the receiver, in order."""
        while self.store.deliveries.counts(self.name).waiting:
            before = len(self.got)
            self.attempt()
            if len(self.got) == before and self.take() is None:
                break
        return [f"{status} {severity}" for _, status, severity in self.states]


def test_a_message_that_may_have_arrived_stays_as_it_is_until_it_is_accepted(store: Store) -> None:
    it = Receiver(store, "m")
    it.say(0.5)
    for outcome in ("lost", "failed", "failed"):
        it.attempt(outcome)
    it.say(0.5, SUMMARIES[1])
    it.say(0.1)
    assert it.drain() == ["ALERTING warning", "ALERTING warning", "OK warning"]
    assert len(it.got) == 3


def test_a_notification_that_is_released_later_does_not_join_a_lost_message(store: Store) -> None:
    it = Receiver(store, "m")
    it.say(0.5)
    it.decide(SILENCED, 1)
    it.say(0.5, SUMMARIES[1])
    it.attempt("lost")
    it.now_ns += 2 * HOUR_NS
    it.drain()
    assert [len(ids) for ids in it.got.values()] == [1, 1]


def test_a_silence_does_not_change_a_message_that_may_have_arrived(store: Store) -> None:
    it = Receiver(store, "m")
    it.say(0.5)
    it.say(0.5, SUMMARIES[1])
    it.attempt("lost")
    it.decide(SILENCED, 1)
    it.attempt()
    assert [len(ids) for ids in it.got.values()] == [2]
    it.now_ns += 2 * HOUR_NS
    assert len(it.drain()) == 4  # both once more after the silence


def test_a_message_that_certainly_failed_gives_its_key_only_to_the_same_message(
    store: Store,
) -> None:
    it = Receiver(store, "m")
    it.say(0.5)
    it.say(0.5, SUMMARIES[1])
    both = it.take()
    assert both is not None
    store.deliveries.failed(both, it.now_ns, "status 503")
    again = it.take()
    assert again is not None
    assert (again.key, again.ids) == (both.key, both.ids)
    store.deliveries.failed(again, it.now_ns, "status 503")
    (episode, _) = store.alerts.episodes("m")
    hour = it.now_ns + HOUR_NS
    silence = Decision(kind=SILENCED, author="a", reason="r", made_ns=it.now_ns, until_ns=hour)
    store.decisions.make("m", episode.id, silence)
    it.attempt()
    it.now_ns = hour
    it.attempt()
    assert [len(ids) for ids in it.got.values()] == [1, 1]
    assert both.key not in it.got


def test_an_acknowledgement_follows_its_opening_after_a_failure(store: Store) -> None:
    it = Receiver(store, "m", "pagerduty")
    it.say(0.5)
    it.decide(ACKNOWLEDGED)
    it.attempt("failed")
    assert it.drain() == ["ALERTING warning", "ACKNOWLEDGED warning"]


@pytest.mark.parametrize("held", ["by a silence", "by route hours"])
def test_an_opening_that_is_acknowledged_while_it_is_held_is_not_sent(
    store: Store, held: str
) -> None:
    it = Receiver(store, "m", "pagerduty")
    if held == "by route hours":
        it.route(hours="09:00-17:00")
    it.say(0.5)
    if held == "by a silence":
        it.decide(SILENCED, 1)
    it.decide(ACKNOWLEDGED)
    it.now_ns += 14 * HOUR_NS
    assert it.drain() == []
    assert store.deliveries.counts(it.name).waiting == 0


def test_an_acknowledgement_waits_with_an_opening_that_is_silenced_later(store: Store) -> None:
    it = Receiver(store, "m", "pagerduty")
    it.say(0.5)
    it.decide(ACKNOWLEDGED)
    it.decide(SILENCED, 1)
    assert it.drain() == []
    it.now_ns += HOUR_NS
    assert it.drain() == ["ALERTING warning", "ACKNOWLEDGED warning"]


@pytest.mark.parametrize("outcome", ["closed in the silence", "refused"])
def test_an_acknowledgement_is_not_sent_without_its_opening(store: Store, outcome: str) -> None:
    it = Receiver(store, "m", "pagerduty")
    it.say(0.5)
    it.decide(ACKNOWLEDGED)
    if outcome == "refused":
        it.attempt("refused")
    else:
        it.decide(SILENCED, 1)
        it.say(0.1)
        it.now_ns += HOUR_NS
    assert it.drain() == []
    assert store.deliveries.counts(it.name).waiting == 0


def test_an_escalation_gives_up_the_opening_that_would_come_after_it(store: Store) -> None:
    it = Receiver(store, "m")
    it.route(hours="09:00-17:00")
    it.route(severity="critical")
    it.say(0.5)
    it.say(0.9)
    assert it.drain() == ["ALERTING critical"]
    it.now_ns += 14 * HOUR_NS
    assert it.drain() == ["ALERTING critical"]


def test_an_opening_is_kept_if_its_escalation_would_come_later(store: Store) -> None:
    it = Receiver(store, "m")
    it.route(severity="warning")
    it.say(0.5)
    for route in store.routes.all():
        store.routes.delete(route.name, START_NS)
    it.route(hours="09:00-17:00")
    it.say(0.9)
    assert it.drain() == ["ALERTING warning"]
    it.now_ns += 14 * HOUR_NS
    assert it.drain() == ["ALERTING warning", "ALERTING critical"]


def test_escalations_are_not_counted_as_openings_and_not_delayed(store: Store) -> None:
    it = Receiver(store, "m")
    openings = []
    for _ in range(5):
        for value in (0.5, 0.9, 0.1):
            it.say(value)
            notice = it.take()
            assert notice is not None
            openings.append(notice.openings)
            store.deliveries.delivered(notice, it.now_ns)
    assert openings[0::3] == openings[1::3] == [1, 2, 3, 4, 5]
    it.say(0.5)
    assert it.take() is None  # the sixth opening waits until it has lasted
    it.say(0.9)
    assert it.drain() == ["ALERTING critical"]
    it.now_ns += 2 * HOUR_NS
    assert it.drain() == ["ALERTING critical"]


def test_the_open_episodes_that_a_channel_knows_are_told_again(store: Store) -> None:
    it = Receiver(store, "m")
    for summary in SUMMARIES:
        it.say(0.5, summary)
    assert store.deliveries.standing(it.name) is None  # nothing has arrived
    it.drain()
    it.say(0.9)
    it.drain()
    it.say(0.9, "input.third")
    known = store.deliveries.standing(it.name)
    assert known is not None
    told = [
        (one.episode.summary, one.transition.alerter.severity.value)
        for one in (known, *known.others)
    ]
    assert told == [("input.age", "warning"), ("input.amount", "critical")]
    it.say(0.1)
    left = store.deliveries.standing(it.name)
    assert left is not None
    assert [one.episode.summary for one in (left, *left.others)] == ["input.age"]


def test_the_halves_of_a_refused_message_are_messages_of_their_own(store: Store) -> None:
    it = Receiver(store, "m")
    for number in range(STORM_ENTITIES):
        it.agents.say("pod-1", 0.5, 1, alerter=an_alerter(entity=f"m{number}"))
    sizes = []
    while (notice := it.take()) is not None:
        sizes.append(len(notice.ids))
        if notice.others:
            store.deliveries.split(notice, it.now_ns, "status 413")
        elif notice.episode.alerter.entity == "m3":
            store.deliveries.refused(notice, it.now_ns, "status 413")
        else:
            store.deliveries.delivered(notice, it.now_ns)
    assert sizes[0] == STORM_ENTITIES
    counts = store.deliveries.counts(it.name)
    assert (counts.waiting, counts.delivered, counts.refused) == (0, STORM_ENTITIES - 1, 1)


NUMBERS = count()  # of the entities: each random example has its own
STEPS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from(SUMMARIES)),
    st.tuples(
        st.just("attempt"), st.sampled_from(["delivered", "lost", "failed", "crash", "split"])
    ),
    st.tuples(st.just("decide"), st.just(SILENCED), st.integers(1, 12)),
    st.tuples(st.just("decide"), st.sampled_from([DecisionKind.UNSILENCED, ACKNOWLEDGED])),
    st.tuples(st.just("wait"), st.integers(1, 12)),
)


@settings(
    max_examples=25,
    derandomize=False,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(["slack", "pagerduty"]),
    has_hours=st.booleans(),
    steps=st.lists(STEPS, max_size=25),
)
def test_random_steps_tell_each_state_once_and_in_order(
    store: Store, kind: str, steps: list[tuple[object, ...]], *, has_hours: bool
) -> None:
    it = Receiver(store, f"m{next(NUMBERS)}", kind)
    it.route(hours="09:00-17:00" if has_hours else ALWAYS)
    it.route(severity="critical")
    for name, *values in steps:
        if name == "wait":
            it.now_ns += int(str(values[0])) * HOUR_NS
        else:
            getattr(it, str(name))(*values)
    it.now_ns += 48 * HOUR_NS
    it.drain()
    counts = store.deliveries.counts(it.name)
    assert counts.waiting == 0
    for episode in store.alerts.episodes(it.entity):
        told = [state[1:] for state in it.states if state[0] == episode.id]
        known = [status for status, _ in told]
        # After a failed attempt, a closing is told in place of all states before it.
        assert known[:1] in ([], ["ALERTING"]) or known == ["OK"], "an acknowledgement comes first"
        assert "OK" not in known[:-1], "a state comes after the end"
        if episode.closed_ns is not None and "ALERTING" in known:
            assert known[-1] == "OK"
        severities = [severity for status, severity in told if status == "ALERTING"]
        assert severities == sorted(severities, reverse=True), "an escalation comes too early"
    store.channels.delete(it.name, it.now_ns)
    for route in store.routes.all():
        store.routes.delete(route.name, it.now_ns)
