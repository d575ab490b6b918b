"""The collector tells when agents are silent or late, and when it does not judge; else its heart beats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.shipping import a_sample_row, ship

from nilometer.alert import AlertStatus
from nilometer.alert.conditions import OWN_ALERTER
from nilometer.alert.reason import Reason
from nilometer.testing import SteppedClock, eventually
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.window import Window
from nilometer_collector.access.destinations import Destination
from nilometer_collector.access.secret import Secret
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.channels import Heartbeat
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.errors import Conflict, StoreUnavailable
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.store import Arrival, Store
from nilometer_collector.testing import (
    ENTITY,
    feature_sample,
    listening_webhook,
    minute,
    running,
)
from nilometer_collector.watch.watch import Watch
from nilometer_collector.watch.watchdog import Watchdog

MINUTE_NS = 60 * NANOSECONDS
OK = WatchReport(status=AlertStatus.OK, reason=Reason.WATCHED, sentence="fine", judged_ns=1)


@dataclass
class Watched:
    """A store with one agent of one entity, and the watchdog over it."""

    store: Store
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(wall_ns=minute(4).end_ns))
    heartbeat: Heartbeat | None = None
    wakes: int = 0
    sequence: int = 0
    entity: str = ENTITY

    def __post_init__(self) -> None:
        self.watch = Watch(self.store, self.clock, (), lambda: None)
        self.watchdog = Watchdog(self.store, self.watch, self.clock, self._wake, self.heartbeat)

    def _wake(self) -> None:
        self.wakes += 1

    def arrives(self, age_minutes: float = 1.0, agent: str = "pod-1") -> None:
        """Let a window arrive that ended *age_minutes* ago."""
        self.sequence += 1
        now_ns = self.clock.now_ns()
        end_ns = now_ns - round(age_minutes * MINUTE_NS)
        window = Window(end_ns - MINUTE_NS, end_ns)
        sample = feature_sample([1.0, 2.0], window=window, entity=self.entity)
        arrival = Arrival(sequence=self.sequence, content=a_sample_row(sample))
        epoch = agent.encode().ljust(16)[:16]
        ship(self.store, [arrival], agent=agent, epoch=epoch, now_ns=now_ns)

    def reports(self, report: WatchReport) -> None:
        """Store the status of the default alerter."""
        self.store.watching.report(self.entity, report.to_bytes())

    def caught_up(self) -> None:
        """Store that the default alerter has judged everything."""
        now_ns = self.clock.now_ns()
        self.reports(replace(OK, judged_ns=now_ns, data_ns=now_ns))

    def falls_silent(self, minutes: int) -> None:
        """Store that an unusual silence began *minutes* ago."""
        now_ns = self.clock.now_ns()
        data_ns = now_ns - minutes * MINUTE_NS
        self.reports(replace(OK, judged_ns=now_ns, data_ns=data_ns, is_silent=True))

    def restarts(self) -> None:
        """Replace the watchdog by one that only knows the stored data."""
        self.watchdog = Watchdog(self.store, self.watch, self.clock, self._wake, self.heartbeat)

    def sends(
        self, age_minutes: float, *, checks: int = 1, agents: tuple[str, ...] = ("pod-1",)
    ) -> None:
        """Let each agent send a window that ended *age_minutes* ago, before each check."""
        for _ in range(checks):
            for agent in agents:
                self.arrives(age_minutes, agent)
            self.later(1)

    def falls_behind(self) -> None:
        """Let both agents be in time once, and then have a pause that is longer than their lag."""
        self.sends(1.0, agents=("pod-1", "pod-2"))
        self.later(120)

    def later(self, minutes: int, *, judged: bool = True) -> None:
        """Let *minutes* pass, with a check after each."""
        for _ in range(minutes):
            self.clock.wall_ns += MINUTE_NS
            if judged:
                self.caught_up()
            self.watchdog.check()

    @property
    def statuses(self) -> Mapping[str, list[str]]:
        """Transitions of the newest episode of each summary."""
        episodes = reversed(self.store.alerts.episodes())
        assert {one.alerter.name for one in self.store.alerts.episodes()} <= {OWN_ALERTER}
        return {one.summary: [turn.status for turn in one.history] for one in episodes}


@pytest.fixture
def watched(store: Store) -> Watched:
    return Watched(store)


def test_an_entity_that_is_well_has_no_episode(watched: Watched) -> None:
    for _ in range(30):
        watched.arrives()
        watched.later(1)
    assert watched.statuses == {}
    assert watched.watchdog.health.is_up


def test_silent_agents_open_one_episode_until_requests_come_again(watched: Watched) -> None:
    watched.arrives()
    watched.clock.wall_ns += 70 * MINUTE_NS
    watched.falls_silent(70)
    watched.later(3, judged=False)
    assert watched.statuses == {"nilometer.agents": ["ALERTING"]}
    (episode,) = watched.store.alerts.episodes()
    assert episode.evidence.startswith("no judged window has requests since ")
    assert "; no agent has sent a window since " in episode.evidence
    assert (episode.worst, watched.wakes) == (73 * 60, 1)
    watched.arrives()
    watched.later(1)
    assert watched.statuses == {"nilometer.agents": ["ALERTING", "OK"]}
    assert watched.wakes == 2


def test_an_outage_that_is_no_longer_unusual_stays_open(watched: Watched) -> None:
    watched.arrives()
    watched.clock.wall_ns += 70 * MINUTE_NS
    watched.falls_silent(70)
    watched.later(1, judged=False)
    data_ns = watched.clock.now_ns() - 71 * MINUTE_NS
    watched.reports(replace(OK, judged_ns=watched.clock.now_ns(), data_ns=data_ns))
    watched.later(3, judged=False)
    watched.restarts()
    watched.later(3, judged=False)
    assert watched.statuses == {"nilometer.agents": ["ALERTING"]}


def test_an_outage_of_an_entity_that_is_switched_off_closes(watched: Watched) -> None:
    watched.arrives()
    watched.falls_silent(70)
    watched.later(1, judged=False)
    off = replace(
        OK, status=AlertStatus.NOT_WATCHED, reason=Reason.SWITCHED_OFF, sentence="it is off"
    )
    watched.reports(off)
    watched.later(1, judged=False)
    (episode,) = watched.store.alerts.episodes()
    assert [(turn.status, turn.evidence) for turn in episode.history][1:] == [("OK", "it is off")]


def test_an_agent_that_falls_behind_opens_an_episode_until_it_has_caught_up(
    watched: Watched,
) -> None:
    watched.falls_behind()
    watched.sends(17.0, checks=10)
    assert watched.statuses == {}
    watched.arrives(agent="pod-2")
    watched.sends(17.0)
    assert watched.statuses == {"nilometer.windows": ["ALERTING"]}
    (episode,) = watched.store.alerts.episodes()
    assert episode.evidence.startswith(
        "the agent pod-1 sends its windows late: the newest one ended "
    )
    watched.sends(12.0)  # not caught up yet
    assert watched.statuses == {"nilometer.windows": ["ALERTING"]}
    watched.sends(9.0)
    assert watched.statuses == {"nilometer.windows": ["ALERTING", "OK"]}


def test_an_agent_that_sends_its_backlog_is_not_late(watched: Watched) -> None:
    watched.falls_behind()
    for age in range(100, 15, -3):
        watched.sends(age)
    assert watched.statuses == {}


def test_a_restart_neither_closes_the_episode_of_a_late_agent_nor_misses_one(
    watched: Watched,
) -> None:
    watched.falls_behind()
    watched.restarts()
    watched.sends(17.0, checks=11)
    assert watched.statuses == {"nilometer.windows": ["ALERTING"]}
    watched.restarts()
    watched.sends(17.0, checks=3)
    assert watched.statuses == {"nilometer.windows": ["ALERTING"]}


def test_two_collectors_open_one_episode_of_a_late_agent(watched: Watched) -> None:
    watched.falls_behind()
    watched.sends(17.0, checks=5)
    younger = Watched(watched.store, watched.clock)
    for _ in range(20):
        watched.sends(17.0)
        watched.clock.wall_ns += MINUTE_NS // 2
        younger.watchdog.check()
    assert watched.statuses == {"nilometer.windows": ["ALERTING"]}


def test_late_rows_of_an_idle_agent_are_no_backlog(watched: Watched) -> None:
    watched.sends(1.0, checks=10)
    for idle in range(20, 80):
        watched.sends(idle)
    assert watched.statuses == {}


def test_an_agent_that_was_never_on_time_is_not_late(watched: Watched) -> None:
    for _ in range(5):
        watched.arrives(24 * 60)
        watched.later(1)
    assert watched.statuses == {}


def test_windows_that_nobody_judges_open_an_episode_and_stop_the_heart(watched: Watched) -> None:
    watched.caught_up()
    watched.watchdog.check()
    for _ in range(16):
        watched.clock.wall_ns += MINUTE_NS
        watched.arrives()
        watched.watchdog.check()
    assert watched.statuses == {}
    for _ in range(10):
        watched.clock.wall_ns += MINUTE_NS
        watched.arrives()
        watched.watchdog.check()
    assert watched.statuses == {"nilometer.judgement": ["ALERTING"]}
    assert not watched.watchdog.health.is_up
    assert watched.watchdog.health.late == 1
    watched.later(1)
    assert watched.statuses == {"nilometer.judgement": ["ALERTING", "OK"]}
    assert watched.watchdog.health.is_up


def test_one_entity_whose_windows_wait_does_not_stop_the_heart(watched: Watched) -> None:
    healthy = Watched(watched.store, watched.clock, sequence=1000, entity="healthy")
    for minute_number in range(30):
        watched.clock.wall_ns += MINUTE_NS
        watched.arrives()
        healthy.arrives(agent="pod-2")
        healthy.caught_up()
        watched.watchdog.check()
        assert watched.watchdog.health.is_up
        if minute_number == 20:
            watched.restarts()
    assert watched.statuses == {"nilometer.judgement": ["ALERTING"]}
    assert watched.watchdog.health.late == 1


def test_an_outage_has_no_new_normal(watched: Watched) -> None:
    watched.arrives()
    watched.falls_silent(70)
    watched.later(1, judged=False)
    (episode,) = watched.store.alerts.episodes()
    normal = Decision(
        kind=DecisionKind.NEW_NORMAL,
        author="alice",
        reason="we closed",
        made_ns=watched.clock.now_ns(),
    )
    with pytest.raises(Conflict, match="has no new normal: silence the episode"):
        watched.store.decisions.make(ENTITY, episode.id, normal)
    assert watched.statuses == {"nilometer.agents": ["ALERTING"]}


def test_an_episode_of_a_collector_that_restarted_is_closed(watched: Watched) -> None:
    watched.arrives()
    watched.falls_silent(70)
    watched.later(1, judged=False)
    again = Watched(watched.store, watched.clock, sequence=10)
    again.arrives()
    again.later(1)
    assert again.statuses == {"nilometer.agents": ["ALERTING", "OK"]}


def test_windows_that_nobody_judges_stay_late_after_a_restart(watched: Watched) -> None:
    watched.caught_up()
    for _ in range(30):
        watched.arrives()
        watched.later(1, judged=False)
    watched.restarts()
    for _ in range(3):
        watched.arrives()
        watched.later(1, judged=False)
    assert watched.statuses == {"nilometer.judgement": ["ALERTING"]}
    assert not watched.watchdog.health.is_up
    watched.arrives()
    watched.later(1)
    assert watched.statuses == {"nilometer.judgement": ["ALERTING", "OK"]}


def test_an_outage_stays_open_while_its_status_is_unknown(watched: Watched) -> None:
    watched.arrives()
    watched.falls_silent(70)
    watched.later(1, judged=False)
    watched.reports(OK)  # as an earlier version stores it
    watched.later(2, judged=False)
    assert watched.statuses == {"nilometer.agents": ["ALERTING"]}


def test_an_entity_that_was_retired_waits_for_nothing(watched: Watched) -> None:
    watched.arrives()
    watched.caught_up()
    watched.clock.wall_ns += 25 * 60 * MINUTE_NS
    watched.later(30, judged=False)  # a collector that has started later judges a day later
    assert watched.statuses == {}
    assert watched.watchdog.health.is_up


def test_a_new_entity_with_one_window_waits_for_nothing(watched: Watched) -> None:
    watched.arrives(0.1)
    for _ in range(60):
        watched.clock.wall_ns += MINUTE_NS
        watched.watch.advance()
        watched.watchdog.check()
        assert watched.watchdog.health.is_up
    assert watched.statuses == {}


def test_the_heart_beats_only_while_windows_are_judged_in_time(store: Store) -> None:
    counters, answers = Counters(), [Outcome.DELIVERED, Outcome.FAILED]
    heartbeat = Heartbeat(
        Destination(Secret("https://example.org/ping")),
        counters,
        lambda *_: Answer(outcome=answers.pop(0)),
    )
    watched = Watched(store, heartbeat=heartbeat)
    watched.watchdog.beat()
    watched.watchdog.beat()
    assert counters.read()[Counter.HEARTBEATS] == counters.read()[Counter.HEARTBEATS_FAILED] == 1
    watched.clock.seconds += 601
    watched.watchdog.beat()  # the default alerter hangs
    assert not watched.watchdog.health.is_up
    answers.append(Outcome.DELIVERED)
    watched.watch.advance()
    watched.watchdog.beat()
    assert counters.read()[Counter.HEARTBEATS] == 2


def test_a_store_that_is_away_stops_the_heart(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> list[tuple[str, str]]:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(watched.store.alerts, "open_episodes", away)
    watched.watchdog.check()
    assert not watched.watchdog.health.is_up


def test_a_collector_sends_its_heartbeat(tmp_path: Path) -> None:
    with (
        listening_webhook() as monitor,
        running(
            tmp_path / "collector.db", heartbeat_url=monitor.url, webhook_allow=["127.0.0.0/8"]
        ),
    ):
        eventually(lambda: len(monitor.accepted) > 0)
    assert monitor.accepted[0].content == {"status": "up"}


@pytest.mark.parametrize("url", ["http://example.org/ping", "https://169.254.169.254/", "x"])
def test_a_heartbeat_at_a_forbidden_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="heartbeat_url = "):
        CollectorSettings(heartbeat_url=url)


def test_a_clock_that_went_back_is_logged_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.later(1)
    watched.clock.wall_ns -= 60 * MINUTE_NS
    watched.later(3)
    assert caplog.text.count("the clock went back") == 1
