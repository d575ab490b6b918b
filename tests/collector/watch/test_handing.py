"""Baselines that agents get, and what agents find by them while they are cut off."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from support.told import a_message, a_notice
from support.watched_traffic import Draw, Traffic, normal

from nilometer.alert.calibrated import handed as handed_over
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.handed import MOST_ENTITIES, HandedOver
from nilometer.alert.calibrated.packing import AT_ONCE, packed, small, unpacked
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.profile import SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer.values.senders import TABLES
from nilometer.wire.services import GetPlanRequest, Plan
from nilometer_agent.direct import DirectAlerts
from nilometer_agent.direct.cut_off import CutOffEntity
from nilometer_agent.direct.direct import IDLE_SECONDS
from nilometer_agent.direct.posting import Outcome
from nilometer_agent.direct.requests import NOTE, OPENED_AGAIN, DirectRequest
from nilometer_agent.direct.unconfirmed import LOOK_SECONDS, SECONDS
from nilometer_agent.direct_channel import DirectChannel
from nilometer_agent.measure.counters import Counters as AgentCounters
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.dial import Reach
from nilometer_agent.uplink.plan import CUT_OFF_WINDOWS, PlanKeeper
from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access
from nilometer_collector.channels.sending import incident_key
from nilometer_collector.counters import Counters
from nilometer_collector.ingest.ingest import Ingest
from nilometer_collector.store import DeclaredEntity, HeardRecord, WatchRecord
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.handing import SENDING_NS, Handing, sharing
from nilometer_collector.watch.memory import DAY_NS

PODS = ("pod-1", "pod-2")


@dataclass
class Collector:
    """The plans of a collector, which can be away."""

    traffic: Traffic
    is_away: bool = False
    sizes: list[int] = field(default_factory=list)

    def GetPlan(self, request: GetPlanRequest, timeout: float) -> Plan:
        del timeout
        if self.is_away:
            raise OSError
        store, clock = self.traffic.store, self.traffic.clock
        plan = Ingest(store, clock, Counters(), lambda: None).plan(request, Access(None, Need.SHIP))
        self.sizes.append(plan.ByteSize())
        return plan

    def Ship(self, request: object, timeout: float) -> object:
        raise NotImplementedError

    def probe(self) -> tuple[Reach, str]:
        raise NotImplementedError


class Pod:
    """An agent with its plan, and what it tells."""

    def __init__(self, name: str, traffic: Traffic, directory: Path, *, wants: bool = True) -> None:
        self.name, self.traffic = name, traffic
        self.collector, self.clock = Collector(traffic), SteppedClock()
        self.wall = SteppedClock(wall_ns=traffic.clock.wall_ns)
        self.buffer = Buffer(directory / f"{name}.db")
        self.plans = PlanKeeper(
            self.buffer, self.collector, wants_baselines=wants, agent=name, clock=self.clock
        )
        self.plans.see(ENTITY)
        assert self.plans.refresh()
        self.requests: list[DirectRequest] = []
        self.direct = DirectAlerts(
            DirectChannel(kind="pagerduty", key="key"),
            name,
            lambda: self.plans.contact,
            AgentCounters(),
            self._sent,
            self.clock.monotonic,
        )
        if wants:
            self.direct.judge_by_default(self.plans, self.wall)

    def _sent(self, request: DirectRequest) -> Outcome:
        self.requests.append(request)
        return Outcome(is_told=True)

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the receiver was told until now."""
        while self.direct.tell_next() != IDLE_SECONDS:
            pass
        return [json.loads(request.body) for request in self.requests]

    def come_back(self) -> None:
        """Let the collector answer again."""
        self.collector.is_away = False
        assert self.plans.refresh()

    def cut_off(self) -> None:
        """Let the collector be away for as many windows as it takes to be cut off."""
        self.collector.is_away = True
        assert not self.plans.refresh()
        self.clock.step(CUT_OFF_WINDOWS * BASE_NS / NANOSECONDS)

    def close(self, start: int, windows: int, draws: dict[str, Draw]) -> None:
        """Close *windows* windows from number *start* on, drawn from *draws*."""
        for number in range(start, start + windows):
            samples = self.samples(number, draws)
            self.wall.wall_ns = samples[0].window.end_ns
            self.direct.closed(samples, [])

    def samples(self, number: int, draws: dict[str, Draw]) -> list[SummarySample]:
        """Return what this pod sees of window *number*: the rows that it ships, too."""
        return [
            self.traffic.sample(summary, self.name, number, draw) for summary, draw in draws.items()
        ]


@pytest.fixture
def pods(traffic: Traffic, tmp_path: Path) -> Iterator[list[Pod]]:
    traffic.agents = PODS
    traffic.run(2)
    found = [Pod(name, traffic, tmp_path) for name in PODS]
    yield found
    for pod in found:
        pod.buffer.close()


def drifted(traffic: Traffic) -> dict[str, Draw]:
    return {**traffic.columns, "input.amount": normal(0.7)}


def test_an_episode_of_agents_and_of_the_collector_is_one_incident(
    traffic: Traffic, pods: list[Pod]
) -> None:
    start, draws = traffic.number, drifted(traffic)
    for pod in pods:
        pod.cut_off()
        pod.close(start, 16, draws)
    traffic.columns = draws
    traffic.send_all(16)
    traffic.watch.advance()
    (episode,) = traffic.store.alerts.episodes(ENTITY)
    notice = replace(a_notice(), episode=episode, transition=episode.history[-1])
    key = incident_key(a_message(notice).told[0])
    for pod in pods:
        (told,) = pod.told
        assert told["event_action"] == "trigger"
        assert told["dedup_key"] == key
        payload = told["payload"]
        assert "the position of input.amount is 0." in payload["summary"]
        assert "above normal since" in payload["summary"]
        assert payload["custom_details"]["note"] == NOTE
        pod.come_back()
        assert len(pod.told) == 1
        pod.clock.step(SECONDS)
        assert len(pod.told) == 1  # the collector resolves it


def test_an_incident_without_an_episode_is_resolved_when_the_collector_has_judged(
    traffic: Traffic, pods: list[Pod]
) -> None:
    pod = pods[0]
    pod.cut_off()
    pod.close(traffic.number, 16, drifted(traffic))  # never reaches the collector
    (opened,) = pod.told
    traffic.run(16)
    assert traffic.statuses == []
    pod.come_back()
    pod.clock.step(SECONDS - 1)
    assert len(pod.told) == 1
    pod.clock.step(60)
    assert len(pod.told) == 1  # counted from the first answer
    pod.clock.step(SECONDS)
    _, resolved = pod.told
    assert (resolved["event_action"], resolved["dedup_key"]) == ("resolve", opened["dedup_key"])
    pod.clock.step(SECONDS)
    assert len(pod.told) == 2


def test_an_incident_that_is_resolved_under_an_episode_is_opened_again(
    traffic: Traffic, pods: list[Pod]
) -> None:
    """The plan of the agent is a minute old, so the agent cannot know of the episode."""
    pod = pods[0]
    pod.cut_off()
    pod.close(traffic.number, 16, drifted(traffic))  # never reaches the collector
    assert len(pod.told) == 1
    pod.come_back()
    assert len(pod.told) == 1
    traffic.columns = drifted(traffic)
    traffic.run(12)
    pod.clock.step(SECONDS)
    opened, resolved = pod.told
    assert resolved["event_action"] == "resolve"
    assert pod.plans.refresh()
    pod.clock.step(LOOK_SECONDS - 1)
    *_, again = pod.told
    assert len(pod.told) == 3
    assert (again["event_action"], again["dedup_key"]) == ("trigger", opened["dedup_key"])
    assert again["payload"]["custom_details"]["note"] == OPENED_AGAIN


def test_a_connected_agent_and_one_without_drift_tell_nothing(
    traffic: Traffic, pods: list[Pod]
) -> None:
    connected, cut_off = pods
    start = traffic.number
    connected.close(start, 16, drifted(traffic))
    cut_off.cut_off()
    cut_off.close(start, 48, traffic.columns)
    assert connected.told == cut_off.told == []


def test_only_agents_that_ask_get_baselines_and_their_plan_stays_the_same(
    traffic: Traffic, pods: list[Pod], tmp_path: Path
) -> None:
    pod = pods[0]
    handed = HandedOver.from_bytes(pod.plans.active.baselines[ENTITY])
    assert {one.key.summary for one in handed.subjects} == {"input.amount", "input.age"}
    assert (handed.agents, handed.time_zone) == (2, "UTC")
    assert (handed.opened, handed.episode) == (0, 2)  # the daily fit has skipped a number
    other = Pod("other", traffic, tmp_path, wants=False)
    assert other.plans.active.baselines == {}
    other.buffer.close()
    traffic.run(2)
    pod.collector.sizes.clear()
    assert pod.plans.refresh()
    unchanged = Plan(version="0" * 16, unchanged=True, now_unix_nano=1).ByteSize()
    assert pod.collector.sizes == [unchanged]


def test_what_is_open_is_not_handed_over(traffic: Traffic, tmp_path: Path) -> None:
    traffic.columns["input.amount"] = normal(0.7)
    traffic.run(12)
    (episode,) = traffic.store.alerts.episodes(ENTITY)
    assert episode.closed_ns is None
    pod = Pod("pod-1", traffic, tmp_path)
    handed = HandedOver.from_bytes(pod.plans.active.baselines[ENTITY])
    pod.buffer.close()
    assert {one.key.summary for one in handed.subjects} == {"input.age"}
    assert episode.number is not None
    assert handed.episode == episode.number + 1


@pytest.mark.parametrize("closes_between", [True, False])
def test_the_evidence_of_an_agent_ends_when_the_collector_answers(
    traffic: Traffic, pods: list[Pod], *, closes_between: bool
) -> None:
    """One window with evidence never alarms, so two times with one window each do not."""
    pod, start, drift = pods[0], traffic.number, {"input.amount": normal(3.0)}
    others = {"input.age": traffic.columns["input.age"]}  # they leave the evidence as it is
    for number in (start, start + 3):
        pod.cut_off()
        pod.close(number, 1, drift)
        pod.close(number + 1, 1, others)
        assert pod.told == []
        pod.come_back()
        pod.close(number + 2, int(closes_between), others)
    pod.cut_off()
    pod.close(start + 6, 2, drift)
    pod.close(start + 8, 1, others)
    assert len(pod.told) == 1


@pytest.mark.parametrize("is_reached", [True, False], ids=["reached", "unreached"])
@pytest.mark.parametrize("is_severe_first", [True, False], ids=["severe first", "severe last"])
def test_a_second_episode_of_an_outage_is_told_with_the_first(
    traffic: Traffic, pods: list[Pod], *, is_reached: bool, is_severe_first: bool
) -> None:
    """The receiver joins them by their key, so the newest message has to tell both."""
    pod, start, draws = pods[0], traffic.number, dict(traffic.columns)
    moved = {"input.amount": normal(0.4), "input.age": normal(9.0)}
    first, second = reversed(moved) if is_severe_first else moved
    pod.cut_off()
    draws[first] = moved[first]
    pod.close(start, 28, draws)
    if is_reached:
        assert len(pod.told) == 1
    draws[second] = moved[second]
    pod.close(start + 28, 28, draws)
    *before, told = pod.told
    assert [one["dedup_key"] for one in before] == [told["dedup_key"]] * is_reached
    assert told["payload"]["severity"] == "critical"
    assert told["payload"]["component"] == "input.age"
    _, also = told["payload"]["summary"].split("; in the same outage: ")
    assert "of input.amount is" in also


def test_a_label_set_that_drifts_alone_is_told_by_its_name(
    traffic: Traffic, pods: list[Pod]
) -> None:
    pod, start = pods[0], traffic.number
    handed = HandedOver.from_bytes(pod.plans.active.baselines[ENTITY])
    (amount,) = (one for one in handed.subjects if one.key.summary == "input.amount")
    labels = {"version": "v8"}
    segment = replace(amount, key=PartKey("input.amount", Labels.of(labels)))
    content = replace(handed, subjects=(*handed.subjects, segment)).to_bytes()
    pod.plans.active.baselines = {ENTITY: content}
    pod.cut_off()
    for number in range(start, start + 16):
        traffic.labels = {}
        pod.close(number, 1, {**traffic.columns, "input.amount": normal(-0.7)})
        traffic.labels = labels
        pod.close(number, 1, {"input.amount": normal(0.7)})
    (told,) = pod.told
    assert "input.amount [version=v8]" in told["payload"]["summary"]


def test_a_window_of_the_future_leaves_the_entity_judged(traffic: Traffic, pods: list[Pod]) -> None:
    pod, start, draws = pods[0], traffic.number, drifted(traffic)
    pod.cut_off()
    for number in (start, start + 2):
        pod.direct.closed(pod.samples(number + 300, draws), [])  # of a clock that is wrong
        pod.close(number, 2, draws)
    pod.close(start + 4, 12, draws)
    assert len(pod.told) == 1


def test_late_windows_and_those_from_before_the_cut_are_left_out(
    traffic: Traffic, pods: list[Pod]
) -> None:
    pod, start = pods[0], traffic.number
    content = pod.plans.active.baselines[ENTITY]
    judged = CutOffEntity(ENTITY, content, traffic.window().start_ns - BASE_NS // 2)
    for number in range(start, start + 3):
        judged.take(pod.samples(number, traffic.columns))
    for number in (start - 1, start, start + 1):
        judged.take(pod.samples(number, {"input.amount": normal(9.0)}))
    (counted,) = judged.counting.values()
    assert {key: len(parts) for key, parts in counted.items()} == {
        PartKey("input.amount"): 1,
        PartKey("input.age"): 1,
    }


def test_an_error_is_logged_once_and_leaves_the_entity_to_the_collector(
    traffic: Traffic, pods: list[Pod], caplog: pytest.LogCaptureFixture
) -> None:
    pod = pods[0]
    pod.plans.active.baselines = {ENTITY: b"damaged"}
    pod.cut_off()
    pod.close(traffic.number, 4, traffic.columns)
    (line,) = [one for one in caplog.messages if "internal error" in one]
    assert "left to the collector" in line


@pytest.mark.parametrize(
    ("sending", "silent", "silent_ns", "expected"),
    [
        (0, 0, 0, 1),
        (1, 0, 0, 1),
        (3, 1, SENDING_NS, 4),
        (4, 4, SENDING_NS, 4),  # a rollout has replaced all pods
        (5, 1, SENDING_NS, 8),
        (0, 5, 2 * DAY_NS, 8),  # no agent is back from the outage
        (1, 4, SENDING_NS, 4),  # the first of five is back
        (1, 4, DAY_NS, 1),
    ],
)
def test_the_number_of_agents_is_rounded_up_to_a_power_of_two(
    sending: int, silent: int, silent_ns: int, expected: int
) -> None:
    now_ns = 10 * DAY_NS

    def heard(agent: str, received_ns: int) -> HeardRecord:
        return HeardRecord(agent=agent, end_ns=0, received_ns=received_ns, lag_ns=0, least_lag_ns=0)

    agents = [heard(f"sending-{number}", now_ns) for number in range(sending)]
    agents += [heard(f"silent-{number}", now_ns - silent_ns) for number in range(silent)]
    assert sharing([heard(TABLES, now_ns + 1), *agents]) == expected


def test_an_outage_leaves_the_number_of_agents_as_it_was(traffic: Traffic, pods: list[Pod]) -> None:
    traffic.clock.step(2 * SENDING_NS / NANOSECONDS)
    assert pods[0].plans.refresh()
    handed = HandedOver.from_bytes(pods[0].plans.active.baselines[ENTITY])
    assert handed.agents == len(PODS)


def test_entities_without_baselines_take_no_place_of_those_that_are_judged(
    traffic: Traffic, pods: list[Pod]
) -> None:
    pod, start = pods[0], traffic.number
    pod.cut_off()
    for number in range(start, start + 16):
        samples = pod.samples(number, drifted(traffic))
        pod.wall.wall_ns = samples[0].window.end_ns
        for place in range(MOST_ENTITIES):
            pod.direct.closed([replace(one, entity=f"new-{place}") for one in samples], [])
        pod.direct.closed(samples, [])
    (told,) = pod.told
    assert told["payload"]["source"] == ENTITY


def test_an_agent_judges_the_first_entities_by_name(traffic: Traffic, pods: list[Pod]) -> None:
    pod, start = pods[0], traffic.number
    content = pod.plans.active.baselines[ENTITY]
    names = [f"entity-{place}" for place in range(MOST_ENTITIES + 1)]
    pod.plans.active.baselines = dict.fromkeys(reversed(names), content)
    pod.cut_off()
    for number in range(start, start + 16):
        samples = pod.samples(number, {"input.amount": normal(0.7)})
        pod.wall.wall_ns = samples[0].window.end_ns
        for name in reversed(names):
            pod.direct.closed([replace(one, entity=name) for one in samples], [])
    assert sorted(one["payload"]["source"] for one in pod.told) == names[:-1]


def test_agents_share_the_budget_of_the_entity(traffic: Traffic, pods: list[Pod]) -> None:
    """More agents need more evidence, so one of very many finds the drift later."""
    needed = []
    for pod, agents in zip(pods, (1, 1 << 60), strict=True):
        handed = HandedOver.from_bytes(pod.plans.active.baselines[ENTITY])
        pod.plans.active.baselines = {ENTITY: replace(handed, agents=agents).to_bytes()}
        pod.cut_off()
        number = traffic.number
        while not pod.told:
            pod.close(number, 1, drifted(traffic))
            number += 1
        needed.append(number - traffic.number)
    assert needed[0] + 2 <= needed[1]


def test_label_sets_are_left_out_first_and_then_the_entity(
    pods: list[Pod], monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = HandedOver.from_bytes(pods[0].plans.active.baselines[ENTITY])
    pooled = handed.subjects
    segments = [
        replace(one, key=PartKey(one.key.summary, Labels.of({"version": f"v{number}"})))
        for number in range(4)
        for one in pooled
    ]
    large = replace(handed, subjects=(*pooled, *segments))
    assert len(HandedOver.from_bytes(large.to_bytes()).subjects) == 5 * len(pooled)
    monkeypatch.setattr(handed_over, "MOST_BYTES", len(handed.to_bytes()))
    assert HandedOver.from_bytes(large.to_bytes()).columns.keys() == handed.columns.keys()
    assert len(HandedOver.from_bytes(large.to_bytes()).subjects) == len(pooled)
    monkeypatch.setattr(handed_over, "MOST_BYTES", len(handed.to_bytes()) - 1)
    assert large.to_bytes() == b""


def test_a_plan_without_room_for_baselines_is_sent_without_and_says_so(
    traffic: Traffic, pods: list[Pod], caplog: pytest.LogCaptureFixture
) -> None:
    size = len(pods[0].plans.active.baselines[ENTITY])
    handing = Handing(traffic.store, traffic.clock, ())
    assert handing.all_of([ENTITY], size - 1) == {}
    assert "baselines not handed to an agent" in caplog.text
    assert len(handing.all_of([ENTITY, "unknown"], size)[ENTITY]) == size


def test_rules_are_read_once_for_all_entities_of_a_request(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    every, record = traffic.store.entities.all, traffic.store.watching.load(ENTITY)

    def counted() -> list[DeclaredEntity]:
        reads.append(ENTITY)
        return every()

    monkeypatch.setattr(traffic.store.entities, "all", counted)
    monkeypatch.setattr(traffic.store.watching, "load", lambda _: record)
    handing = Handing(traffic.store, traffic.clock, ())
    assert len(handing.all_of(["one", "two", "three"], 1 << 20)) == 3
    assert len(reads) == 1


def test_an_entity_whose_baselines_are_made_holds_up_no_other(
    traffic: Traffic, pods: list[Pod], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ends = threading.Event(), threading.Event()
    load = traffic.store.watching.load

    def slow(entity: str) -> WatchRecord | None:
        if entity == "slow":
            begun.set()
            assert ends.wait(30)
        return load(entity)

    handing = Handing(traffic.store, traffic.clock, ())
    monkeypatch.setattr(traffic.store.watching, "load", slow)
    thread = threading.Thread(target=handing.all_of, args=(["slow"], 0), daemon=True)
    thread.start()
    assert begun.wait(30)
    other = threading.Thread(target=handing.all_of, args=([ENTITY], 1 << 20), daemon=True)
    other.start()
    other.join(10)
    held_up = other.is_alive()
    ends.set()
    thread.join(30)
    other.join(30)
    assert not held_up


def test_a_value_has_at_most_the_asked_size() -> None:
    value = list(range(100_000))
    size = len(small(value, 1 << 20))
    assert unpacked(small(value, size), list[int]) == value
    assert small(value, size - 1) == b""
    assert small(value, AT_ONCE // 4) == b""


def test_baselines_that_unpack_to_too_much_are_refused() -> None:
    bomb = packed(b"0" * 1000)
    assert unpacked(bomb, bytes, 2000) == b"0" * 1000
    with pytest.raises(ValueError, match="too large"):
        unpacked(bomb, bytes, 500)
