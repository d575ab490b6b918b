"""One message for each opening and closing, in order, even after a long outage of the receiver."""

import logging
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.shipping import Agents

from nilometer.settings.settings import checked
from nilometer.testing import SteppedClock, eventually
from nilometer.values.errors import ConfigError
from nilometer_collector.access.destinations import Allowed, Destination
from nilometer_collector.access.secret import Secret
from nilometer_collector.alerting.decisions import Decision, DecisionKind
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.channels import Courier, Outcome, Receivers, post
from nilometer_collector.channels.kinds import send_slack
from nilometer_collector.channels.message import Message, message_of
from nilometer_collector.channels.posting import Answer
from nilometer_collector.channels.sending import Sending
from nilometer_collector.channels.slack import slack_content
from nilometer_collector.channels.surroundings import Surroundings
from nilometer_collector.counters import Counter, Counters
from nilometer_collector.settings import OWN_CHANNEL, CollectorSettings
from nilometer_collector.store import MOST_WAIT_SECONDS, Arrival, Shipment, Store
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Webhook,
    an_alerter,
    an_evaluation,
    listening_webhook,
    running,
)

SECRET = "s3cret"
LOOPBACK = "127.0.0.0/8"
PAGES = "https://nilometer.example"


def to(url: str) -> Destination:
    """*url*, which may be at a loopback address."""
    return Destination(Secret(url), Allowed.of("webhook_allow", [LOOPBACK]))


def judge(store: Store, values: list[float], **more: Any) -> None:
    """Ship one evaluation a minute."""
    arrivals = [
        Arrival(sequence=number, content=an_evaluation(value, number, **more))
        for number, value in enumerate(values, 1)
    ]
    store.ship(Shipment(agent="pod-1", epoch=b"e" * 16, oldest_held=1, arrivals=arrivals), 1)


def courier(store: Store, url: str, clock: SteppedClock | None = None, **more: Any) -> Courier:
    """A courier of a channel of Slack at *url*."""
    receivers = Receivers(
        own=ChannelDefinition(name=OWN_CHANNEL, kind="slack", secrets={"url": url}),
        allowed=Allowed.of("webhook_allow", [LOOPBACK]),
        page_url=lambda: PAGES,
        **more,
    )
    clock = clock or SteppedClock()
    backoff = (0.01, 0.02)
    return Courier(OWN_CHANNEL, store, receivers, clock, Counters(), backoff_seconds=backoff)


def next_message(store: Store, *, settle: bool = False) -> Message:
    """The next message of the channel; *settle* delivers it."""
    notice = store.deliveries.take(OWN_CHANNEL, START_NS)
    assert notice is not None
    if settle:
        store.deliveries.delivered(notice, START_NS)
    return message_of(notice, Surroundings(store, PAGES))


def test_each_opening_and_closing_is_posted_once_and_in_order(
    database: Path, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: dict[str, Any] = {"slack_webhook_url": webhook.url, "webhook_allow": [LOOPBACK]}
    with running(database, public_url="https://n.example/", **told) as it:
        sender = it.sender()
        sender.ship(*(an_evaluation(value, n) for n, value in enumerate([0.1, 0.5, 0.6, 0.1])))
        eventually(lambda: len(webhook.accepted) == 2)
        sender.ship(an_evaluation(0.7, 9))
        eventually(lambda: len(webhook.accepted) == 3)
        eventually(lambda: it.collector.counters.read()[Counter.NOTIFICATIONS_DELIVERED] == 3)
    words = [posted.content["text"].split(":")[0] for posted in webhook.posted]
    assert words == ["WARNING", "CLEARED", "WARNING"]
    assert len({posted.key for posted in webhook.posted}) == 3
    assert "https://n.example/#/entity/fraud-scorer/summary/input.amount" in str(webhook.posted[0])
    assert SECRET not in caplog.text


def test_a_slack_message_has_its_table_its_evidence_and_its_link(store: Store) -> None:
    judge(store, [0.5], labels={"version": "v7"})
    content: Any = slack_content(next_message(store))
    link = f"{PAGES}/#/entity/fraud-scorer/summary/input.amount?label=version%3Av7&time=1700000160"
    assert content["text"] == (
        "WARNING: fraud-scorer / input.amount [version=v7]. PSI from training is 0.5 (threshold "
        f"0.2). {link}".replace("&", "&amp;")
    )
    header, table, told, remedy, actions = content["blocks"]
    assert header["text"]["text"] == "WARNING: fraud-scorer / input.amount [version=v7]"
    assert table["text"]["text"] == (
        "*version=v7, input* input.amount: psi = 0.5 nats at 2023-11-14 22:16 UTC (threshold 0.2), since 2023-11-14 22:15 UTC"
    )
    assert "_Alerter drift_, reference training 0123456789abcdef" in told["text"]["text"]
    assert "Acknowledge" in remedy["elements"][0]["text"]
    assert actions["elements"][0]["url"] == link


def test_a_closing_tells_its_figure_and_the_worst_apart(store: Store) -> None:
    judge(store, [0.5, 0.9, 0.1])
    next_message(store, settle=True)
    closing = next_message(store)
    (row,) = closing.rows
    assert row.moved == (
        "psi = 0.1 nats at 2023-11-14 22:18 UTC, worst 0.9 nats at 2023-11-14 22:17 UTC (threshold 0.2)"
    )
    assert "PSI from training is 0.1" in " ".join(closing.lines())


def test_the_closing_of_a_deleted_alerter_has_no_figure_but_the_worst(store: Store) -> None:
    alerter = an_alerter()
    store.alerts.put(alerter, "api", START_NS)
    judge(store, [0.5, 0.9])
    store.alerts.delete(ENTITY, alerter.name, START_NS)
    next_message(store, settle=True)
    (row,) = next_message(store).rows
    assert row.moved.startswith("worst psi = 0.9 nats at 2023-11-14 22:17 UTC")


def test_a_message_after_a_silence_says_so(store: Store) -> None:
    judge(store, [0.5])
    silence = Decision(
        kind=DecisionKind.SILENCED,
        author="alice",
        reason="a sale",
        made_ns=START_NS - 1,
        until_ns=START_NS,
    )
    store.decisions.make(ENTITY, store.alerts.episodes()[0].id, silence)
    content: Any = slack_content(next_message(store))
    assert "The silence has ended, and the episode is still open" in str(content["blocks"][2])


def test_no_name_becomes_a_link_or_calls_out_to_a_channel(store: Store) -> None:
    summary = "input.<!channel> <http://evil.example|a&b>"
    judge(store, [0.5], summary=summary, alerter=an_alerter(summary="*", name="<@U1>"))
    content: Any = slack_content(next_message(store))
    header, *rest = content["blocks"]
    assert "<" not in content["text"]
    assert "<" not in str(rest)
    assert header["text"]["type"] == "plain_text"


def test_a_receiver_that_is_back_gets_the_last_state_of_each_episode(
    store: Store, webhook: Webhook
) -> None:
    webhook.statuses = [503]
    judge(store, [0.5])
    carrier = courier(store, webhook.url)
    assert carrier.deliver_oldest() is not None
    judge(store, [0.5, 0.1, 0.6, 0.1, 0.7])
    webhook.statuses = [429, 302, 503]
    carrier.thread.start()
    eventually(lambda: store.deliveries.counts(OWN_CHANNEL).waiting == 0)
    carrier.thread.stop(5)
    heads = [posted.content["text"].split(":")[0] for posted in webhook.accepted]
    assert heads == ["CLEARED", "WARNING"]  # the first message tells two closings
    assert [t.status for t in store.alerts.episodes()[0].history] == ["ALERTING"]


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_a_message_that_the_receiver_may_have_is_sent_again_as_it_was(
    store: Store, webhook: Webhook, status: int
) -> None:
    webhook.statuses = [status]
    judge(store, [0.5])
    carrier = courier(store, webhook.url)
    carrier.deliver_oldest()
    judge(store, [0.5, 0.1])
    while carrier.deliver_oldest() is not None:
        pass
    lost, again, closing = webhook.posted
    assert lost == again
    assert closing.content["text"].startswith("CLEARED")
    assert closing.key != again.key


def test_what_was_not_delivered_is_delivered_after_a_restart(
    database: Path, webhook: Webhook
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/x"
        with running(database, slack_webhook_url=nobody, webhook_allow=[LOOPBACK]) as first:
            first.sender().ship(an_evaluation(0.5, 1))
            failed = Counter.NOTIFICATIONS_FAILED
            eventually(lambda: first.collector.counters.read()[failed] >= 1)
    with running(database, slack_webhook_url=webhook.url, webhook_allow=[LOOPBACK]) as second:
        eventually(lambda: len(webhook.accepted) == 1)
        delivered = Counter.NOTIFICATIONS_DELIVERED
        eventually(lambda: second.collector.counters.read()[delivered] == 1)
    with running(database, slack_webhook_url=webhook.url, webhook_allow=[LOOPBACK]) as third:
        third.sender().send([])
    assert len(webhook.posted) == 1


def test_a_message_that_is_refused_for_its_content_does_not_block_the_next(
    store: Store, webhook: Webhook
) -> None:
    webhook.statuses = [400]
    judge(store, [0.5, 0.1])
    carrier = courier(store, webhook.url)
    while carrier.deliver_oldest() is not None:
        pass
    counts = store.deliveries.counts(OWN_CHANNEL)
    assert (counts.waiting, counts.delivered, counts.refused) == (0, 1, 1)


def test_the_receiver_may_ask_for_patience_but_not_for_ever(store: Store) -> None:
    judge(store, [0.5])

    def busy(_: Sending) -> Answer:
        return Answer(outcome=Outcome.FAILED, reason="status 429", wait_seconds=600.0)

    clock = SteppedClock()
    carrier = courier(store, "https://x.example", clock=clock, senders={"slack": busy})
    assert carrier.deliver_oldest() == 600.0
    clock.step(599.0)
    assert carrier.deliver_oldest() is None  # nor after a restart
    clock.step(1.0)
    assert carrier.deliver_oldest() == 600.0


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("Tue, 14 Nov 2023 22:14:30 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("Tue, 14 Nov 2033 22:13:00 GMT", MOST_WAIT_SECONDS),
        ("9" * 400, 0.0),
        ("soon", 0.0),
    ],
)
def test_the_wait_that_the_receiver_asks_for_is_seconds_or_a_date(
    webhook: Webhook, asked: str, seconds: float
) -> None:
    webhook.statuses = [429]
    webhook.headers = {"retry-after": asked, "date": "Tue, 14 Nov 2023 22:14:00 GMT"}
    assert post(to(webhook.url), {"text": "x"}, "key").wait_seconds == seconds


def test_a_message_with_an_internal_error_is_refused_in_the_end_and_delays_no_other(
    store: Store, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(sending: Sending) -> Answer:
        if "amount" in sending.message.headline:
            raise ZeroDivisionError(SECRET)
        return send_slack(sending)

    agents = Agents(store)
    for summary in ("input.amount", "input.age"):
        agents.say("pod-1", 0.5, 1, summary=summary)
    carrier = courier(store, webhook.url, senders={"slack": broken})
    while carrier.deliver_oldest() is not None:
        pass
    (posted,) = webhook.accepted
    assert "input.age" in posted.content["text"]
    refused = store.deliveries.records(OWN_CHANNEL)[-1]
    assert (refused.outcome, refused.last_failure) == (
        "refused",
        "internal error: ZeroDivisionError",
    )
    assert [one.outcome for one in refused.attempts] == ["refused"]
    assert "internal error in a notification" in caplog.text


def test_a_redirect_is_not_followed(webhook: Webhook) -> None:
    with listening_webhook() as elsewhere:
        webhook.statuses, webhook.headers = [307], {"location": elsewhere.url}
        answer = post(to(webhook.url), {"text": "x"}, "key")
        assert (answer.outcome, answer.reason) == (Outcome.FAILED, "status 307")
        assert elsewhere.posted == []


def test_a_long_reply_is_not_read_to_its_end(webhook: Webhook) -> None:
    webhook.body = b"x" * (32 << 20)
    assert post(to(webhook.url), {"text": "x"}, "key").outcome is Outcome.DELIVERED


@pytest.mark.parametrize(("status", "outcome"), [(200, "DELIVERED"), (503, "FAILED")])
def test_the_status_decides_while_the_body_has_no_end(status: int, outcome: str) -> None:
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                taken.append(connection.recv(65536))
                head = f"HTTP/1.1 {status} x\r\ntransfer-encoding: chunked\r\n\r\n"
                connection.sendall(head.encode())
                while True:
                    connection.sendall(b"1\r\nx\r\n")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}"
        assert post(to(url), {"text": "x"}, "key").outcome is Outcome[outcome]
        thread.join(60)
        assert not thread.is_alive()  # its connection was closed
    assert len(taken) == 1


def test_a_reply_that_drips_ends_after_the_total_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nilometer_collector.channels.posting.TOTAL_SECONDS", 0.3)
    ended, drops = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(ConnectionError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not ended.wait(0.05):
                    drops.append(connection.send(b"x-a: b\r\n"))

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}"
        answer = post(to(url), {"text": "x"}, "key")
        ended.set()
        socket.create_connection(server.getsockname()).close()  # if it has not connected in time
        thread.join()
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, "no response within 0.3 s")
    assert len(drops) < 60


def test_a_proxy_of_the_environment_is_not_asked(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(to(webhook.url), {"text": "x"}, "key").outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/services/s3cret",
        "http://169.254.169.254/s3cret",
        "http://localhost.evil.example/s3cret",
        "ftp://127.0.0.1/s3cret",
        "https:///s3cret",
        "https://a b/s3cret",
        "https://[::1/s3cret",
        "https://x.example:99999/s3cret",
        "s3cret",
    ],
)
def test_a_webhook_in_the_clear_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError, match="slack_webhook_url = ") as caught:
        checked(CollectorSettings, {"slack_webhook_url": url})
    assert SECRET not in str(caught.value)


def test_settings_and_secrets_do_not_show_the_webhook() -> None:
    settings = checked(
        CollectorSettings, {"slack_webhook_url": f"https://hooks.slack.com/services/{SECRET}"}
    )
    shown = f"{settings!r} {settings} {settings.own_channel!r} {settings.own_channel}"
    assert SECRET not in shown
    assert "https://hooks.slack.com/..." in shown
    assert settings.own_channel is not None
    assert settings.own_channel.secrets["url"].endswith(SECRET)
