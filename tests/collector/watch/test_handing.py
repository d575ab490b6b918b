"""Baselines that agents get, and what agents find by them while they are cut off."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.watched_traffic import Draw, Traffic, normal

from nilometer.alert import Evaluation
from nilometer.alert.calibrated.handed import HandedOver
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.alert.incidents import numbered_incident_key
from nilometer.profile import SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS
from nilometer.values.senders import TABLES
from nilometer.wire.services import GetPlanRequest, Plan
from nilometer_agent.direct.default_alerter import DefaultAlerter
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.uplink.dial import Reach
from nilometer_agent.uplink.plan import CUT_OFF_WINDOWS, PlanKeeper
from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access
from nilometer_collector.counters import Counters
from nilometer_collector.ingest.ingest import Ingest
from nilometer_collector.store import HeardRecord
from nilometer_collector.testing import ENTITY
from nilometer_collector.watch.handing import SENDING_NS, sharing

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
        self.buffer = Buffer(directory / f"{name}.db")
        self.plans = PlanKeeper(
            self.buffer, self.collector, wants_baselines=wants, agent=name, clock=self.clock
        )
        self.plans.see(ENTITY)
        assert self.plans.refresh()
        self.told: list[tuple[str, Evaluation]] = []
        self.alerter = DefaultAlerter(
            self.plans, lambda *told: self.told.append(told), self.clock.monotonic
        )

    def cut_off(self) -> None:
        """Let the collector be away for as many windows as it takes to be cut off."""
        self.collector.is_away = True
        assert not self.plans.refresh()
        self.clock.step(CUT_OFF_WINDOWS * BASE_NS / NANOSECONDS)

    def close(self, start: int, windows: int, draws: dict[str, Draw]) -> None:
        """Close *windows* windows from number *start* on, drawn from *draws*."""
        for number in range(start, start + windows):
            self.alerter.closed(self.samples(number, draws))

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
    assert episode.number is not None
    keys = {key for pod in pods for key, _ in pod.told}
    assert keys == {numbered_incident_key(ENTITY, episode.number)}
    for pod in pods:
        ((_, told),) = pod.told
        assert (told.summary, told.edge) == ("input.amount", True)
        assert told.evidence.startswith("the position of input.amount is 0.")
        assert "above normal since" in told.evidence
        (since,) = {part.onset_ns for part in episode.parts if part.summary == "input.amount"}
        assert abs(told.window.end_ns - since) <= 12 * BASE_NS


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


def test_the_evidence_of_an_agent_ends_when_the_collector_answers(
    traffic: Traffic, pods: list[Pod]
) -> None:
    """One window with evidence never alarms, so two times with one window each do not."""
    pod, start, draws = pods[0], traffic.number, {"input.amount": normal(3.0)}
    for number in (start, start + 3):
        pod.cut_off()
        pod.close(number, 1, draws)
        pod.close(number + 1, 1, traffic.columns)
        pod.collector.is_away = False
        assert pod.plans.refresh()
        pod.close(number + 2, 1, traffic.columns)
    assert pod.told == []


def test_late_windows_and_those_from_before_the_cut_are_left_out(
    traffic: Traffic, pods: list[Pod]
) -> None:
    pod, start = pods[0], traffic.number
    pod.cut_off()
    pod.close(start, 3, traffic.columns)
    for number in (start - 2, start - 1, start, start + 1):
        pod.alerter.closed(pod.samples(number, {"input.amount": normal(9.0)}))
    pod.close(start + 3, 6, traffic.columns)
    assert pod.told == []


def test_an_error_is_logged_once_and_leaves_the_entity_to_the_collector(
    traffic: Traffic, pods: list[Pod], caplog: pytest.LogCaptureFixture
) -> None:
    pod = pods[0]
    pod.plans.active.baselines = {ENTITY: b"damaged"}
    pod.cut_off()
    pod.close(traffic.number, 4, traffic.columns)
    (line,) = [one for one in caplog.messages if "internal error" in one]
    assert "left to the collector" in line


@pytest.mark.parametrize(("agents", "expected"), [(0, 1), (1, 1), (3, 4), (4, 4), (5, 8)])
def test_the_number_of_agents_is_rounded_up_to_a_power_of_two(agents: int, expected: int) -> None:
    now_ns = 10 * SENDING_NS

    def heard(agent: str, received_ns: int) -> HeardRecord:
        return HeardRecord(agent=agent, end_ns=0, received_ns=received_ns, lag_ns=0, least_lag_ns=0)

    sending = [heard(f"pod-{number}", now_ns - 1) for number in range(agents)]
    others = [heard("gone", now_ns - SENDING_NS), heard(TABLES, now_ns)]
    assert sharing([*sending, *others], now_ns) == expected
