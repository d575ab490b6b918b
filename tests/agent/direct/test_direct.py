"""Alerts that an agent sends itself while its collector is away: once, and into the same incident."""

import socket
import sys
import threading
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pytest

from nilometer.alert import Evaluation
from nilometer.testing import eventually
from nilometer.values.errors import ConfigError
from nilometer_agent.direct import DirectAlerts, posting
from nilometer_agent.direct.direct import IDLE_SECONDS
from nilometer_agent.direct.openings import KNOWN_SECONDS, MOST
from nilometer_agent.direct.requests import NOT_CONFIRMED, resolving
from nilometer_agent.direct_channel import DirectChannel, read_channel
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import Contact
from nilometer_collector.testing import (
    Webhook,
    an_alerter,
    an_evaluation,
    listening_webhook,
    running,
)

SECRET = "canary-of-the-agent"
LABELS = {"version": "v8"}


LONG = 1000.0  # seconds without an answer after which each alert is told


class Away:
    """When the collector last answered, and what time it is."""

    def __init__(self) -> None:
        self.contact = Contact(0.0, 0.0)
        self.now = LONG  # monotonic time

    def __call__(self) -> Contact:
        return self.contact

    def begins(self) -> None:
        """Begin an outage now."""
        self.contact = self.contact._replace(until=self.now)

    def lasts(self) -> None:
        """Let the outage last for so long that each alert is told."""
        self.now += LONG

    def ends(self) -> None:
        """Let the collector answer."""
        self.contact = Contact(self.now)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening_webhook() as it:
        yield it


@pytest.fixture
def away() -> Away:
    return Away()


def alerts(
    webhook: Webhook, away: Away, kind: Any = "pagerduty", counters: Counters | None = None
) -> DirectAlerts:
    base = webhook.url.partition("/services")[0]
    channel = DirectChannel(kind=kind, key=SECRET, url=base)
    return DirectAlerts(channel, "pod-1", away, counters or Counters(), monotonic=lambda: away.now)


def seen(value: float, number: int, **changes: Any) -> Evaluation:
    return an_evaluation(value, number, **{"labels": LABELS, **changes})


def drained(direct: DirectAlerts) -> None:
    while direct.tell_next() != IDLE_SECONDS:
        pass


def test_the_incident_of_the_agent_is_that_of_the_collector(
    webhook: Webhook, away: Away, tmp_path: Path
) -> None:
    direct = alerts(webhook, away)
    opening, closing = seen(0.5, 1), seen(0.1, 2)
    direct.closed([], [opening])
    direct.closed([], [seen(0.6, 2)])
    drained(direct)
    base = webhook.url.partition("/services")[0]
    channel = {
        "name": "pager",
        "kind": "pagerduty",
        "settings": {"url": base},
        "secrets": {"routing_key": SECRET},
    }
    with running(
        tmp_path / "state" / "c.db", webhook_allow=["127.0.0.0/8"], channels=[channel]
    ) as served:
        served.sender().ship(opening, closing)
        eventually(lambda: len(webhook.accepted) == 3)
    events = [one.content for one in webhook.accepted]
    assert [one["event_action"] for one in events] == ["trigger", "trigger", "resolve"]
    assert len({one["dedup_key"] for one in events}) == 1
    ours, theirs = (one["payload"] for one in events[:2])
    for field in ("source", "severity", "component", "group", "class"):
        assert ours[field] == theirs[field]
    assert "cannot reach its collector" in ours["custom_details"]["note"]


@pytest.mark.parametrize(
    ("after", "told"),
    [(KNOWN_SECONDS - 1, 1), (KNOWN_SECONDS, 0)],
    ids=["just before the outage", "long before it"],
)
def test_what_a_collector_that_answers_has_got_is_left_to_it(
    webhook: Webhook, away: Away, after: float, told: int
) -> None:
    direct = alerts(webhook, away)
    away.ends()
    direct.closed([], [seen(0.5, 1)])
    away.now += after
    away.begins()
    away.lasts()
    drained(direct)
    assert len(webhook.posted) == told


@pytest.mark.parametrize(
    ("answered", "told"),
    [(KNOWN_SECONDS - 1, 1), (KNOWN_SECONDS, 0)],
    ids=["a short answer", "a long one"],
)
@pytest.mark.parametrize("status", [200, 503], ids=["not tried before", "refused before"])
def test_a_short_answer_between_two_outages_forgets_nothing_that_nobody_was_told(
    webhook: Webhook, away: Away, status: int, answered: float, told: int
) -> None:
    direct = alerts(webhook, away)
    direct.closed([], [seen(0.5, 1)])
    if status != 200:
        webhook.statuses = [status]
        direct.tell_next()
    before = len(webhook.posted)
    away.lasts()  # and nothing looks at the openings in the meantime
    away.ends()
    away.now += answered
    away.begins()
    drained(direct)
    assert len(webhook.posted) == before
    away.lasts()
    drained(direct)
    assert len(webhook.posted) == before + told


def test_openings_beyond_a_bound_are_left_to_the_collector_and_logged_once(
    webhook: Webhook, away: Away, caplog: pytest.LogCaptureFixture
) -> None:
    direct = alerts(webhook, away)
    direct.closed([], [seen(0.5, 1, labels={"pod": str(n)}) for n in range(MOST + 20)])
    (line,) = [one for one in caplog.messages if "too many alerts" in one]
    assert "left to the collector" in line
    webhook.statuses = [400] * MOST
    direct.tell(7, seen(0.5, 1), 60.0)
    drained(direct)
    assert len(webhook.posted) == MOST + 1
    assert webhook.accepted[0].content["dedup_key"].endswith("-7")


def test_what_opened_in_the_first_windows_of_an_outage_is_told_once_it_is_one(
    webhook: Webhook, away: Away
) -> None:
    direct = alerts(webhook, away)
    away.begins()
    direct.closed([], [seen(0.5, 1)])
    drained(direct)
    assert webhook.posted == []
    away.lasts()  # and no further window closes
    drained(direct)
    direct.closed([], [seen(0.5, 3)])
    drained(direct)
    assert len(webhook.posted) == 1


def test_what_closed_before_it_was_an_outage_is_not_told(webhook: Webhook, away: Away) -> None:
    direct = alerts(webhook, away)
    away.begins()
    direct.closed([], [seen(0.5, 1), seen(0.1, 2), seen(0.1, 3)])
    away.lasts()
    drained(direct)
    assert webhook.posted == []


def test_opsgenie_gets_the_same_alias_for_the_same_episode(webhook: Webhook, away: Away) -> None:
    direct = alerts(webhook, away, "opsgenie")
    direct.closed([], [seen(0.5, 1), seen(0.5, 1, alerter=an_alerter(name="other"))])
    drained(direct)
    first, second = webhook.posted
    assert first.path == "/v2/alerts"
    assert first.headers["authorization"] == f"GenieKey {SECRET}"
    assert first.content["alias"].startswith("nilometer/fraud-scorer/")
    assert first.content["alias"] != second.content["alias"]
    assert len(first.content["message"]) <= 130


def test_a_failed_alert_is_retried_and_left_to_the_collector_when_it_is_back(
    webhook: Webhook, away: Away, caplog: pytest.LogCaptureFixture
) -> None:
    counters = Counters()
    direct = alerts(webhook, away, counters=counters)
    webhook.statuses, webhook.headers = [503, 429], {"retry-after": "7"}
    direct.closed([], [seen(0.5, 1)])
    assert direct.tell_next() >= 7.0
    assert direct.tell_next() >= 7.0
    away.ends()
    assert direct.tell_next() == IDLE_SECONDS
    assert (len(webhook.posted), webhook.accepted) == (2, [])
    assert counters.snapshot()[Counter.DIRECT_ALERTS_FAILED.value] == 2
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [302, 403])
def test_a_refused_alert_is_not_retried(webhook: Webhook, away: Away, status: int) -> None:
    direct = alerts(webhook, away)
    webhook.statuses, webhook.headers = [status], {"location": webhook.url}
    direct.closed([], [seen(0.5, 1)])
    drained(direct)
    assert len(webhook.posted) == 1


def test_a_receiver_that_drips_holds_an_attempt_for_a_time_only(
    away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TOTAL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while True:
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return
                    threading.Event().wait(0.05)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        channel = DirectChannel(kind="pagerduty", key=SECRET, url=url)
        direct = DirectAlerts(channel, "pod-1", away, Counters(), monotonic=lambda: away.now)
        direct.closed([], [seen(0.5, 1)])
        assert direct.tell_next() < IDLE_SECONDS
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"kind = 'slack'\nkey = '{SECRET}'", "kind"),
        (f"kind = 'pagerduty'\nkey = \"{SECRET}\\u0007\"", "key: must be"),
        (f"kind = 'pagerduty'\nkey = '{SECRET}'\nurl = 'http://events.example'", "https"),
        (f"kind = 'pagerduty'\nkey = '{SECRET}'\nurl = 'https://{SECRET}@x.example'", "a user"),
        (f"kind = 'pagerduty'\nkey = '{SECRET}'\nsecret = 1", "it has kind, key, url"),
        (f"kind = pagerduty\nkey = '{SECRET}'", "not TOML"),
    ],
)
def test_a_wrong_file_stops_the_start_and_shows_no_secret(
    tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "direct.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        AgentSettings(direct_channel_file=str(file))
    assert SECRET not in str(caught.value)
    with pytest.raises(ConfigError, match="No such file"):
        AgentSettings(direct_channel_file=str(tmp_path / "none"))


def test_an_agent_with_the_file_sends_on_a_thread_of_its_own(
    webhook: Webhook, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("a")
    file = home / "direct.toml"
    base = webhook.url.partition("/services")[0]
    file.write_text(f"kind = 'pagerduty'\nkey = '{SECRET}'\nurl = '{base}'\n")
    file.chmod(0o600)
    assert SECRET not in repr(read_channel(str(file)))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    agent = Agent(
        AgentSettings(
            directory=str(home), collector=f"127.0.0.1:{port}", direct_channel_file=str(file)
        )
    )
    agent.start()
    try:
        assert agent.direct is not None
        assert agent.plans.wants_baselines
        agent.plans.see("fraud-scorer")
        eventually(lambda: agent.plans.contact.until is not None)
        agent.plans.contact = Contact(0.0, agent.clock.monotonic() - LONG)
        agent.direct.closed([], [seen(0.5, 1)])
        eventually(lambda: len(webhook.accepted) == 1)
        eventually(lambda: agent.status().counters["direct_alerts"] == 1)
    finally:
        agent.stop()


class Unloadable(MetaPathFinder):
    """Fails as a scipy does that was built for another numpy."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "nilometer_agent.direct.default_alerter":
            raise ValueError("numpy.dtype size changed")


def test_a_scipy_that_cannot_be_loaded_leaves_everything_else_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "nilometer_agent.direct.default_alerter", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
    file = tmp_path / "direct.toml"
    file.write_text(f"kind = 'pagerduty'\nkey = '{SECRET}'\n")
    home = str(tmp_path / "home")
    agent = Agent(
        AgentSettings(directory=home, collector="127.0.0.1:1", direct_channel_file=str(file))
    )
    agent.stop()
    assert agent.direct is not None
    assert not agent.plans.wants_baselines
    (line,) = [one for one in caplog.messages if "scipy cannot be loaded" in one]
    assert "agent-alerts" in line


def test_an_incident_at_opsgenie_is_resolved_by_its_alias(webhook: Webhook) -> None:
    base = webhook.url.partition("/services")[0]
    channel = DirectChannel(kind="opsgenie", key=SECRET, url=base)
    assert posting.post(resolving(channel, "nilometer/fraud/default-3")).is_told
    (posted,) = webhook.posted
    assert posted.path == "/v2/alerts/nilometer%2Ffraud%2Fdefault-3/close?identifierType=alias"
    assert posted.headers["authorization"] == f"GenieKey {SECRET}"
    assert posted.content == {"source": "nilometer", "note": NOT_CONFIRMED}
