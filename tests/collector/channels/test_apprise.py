"""Receivers by the library Apprise, with its scheme `json://` against a receiver on loopback."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.addresses import INSIDE
from support.told import a_message, a_notice

from nilometer.values.errors import ConfigError
from nilometer_collector.access import called_apprise
from nilometer_collector.access.called_apprise import (
    ADDRESS_REFUSED,
    NOT_SENT,
    PARTLY_REFUSED,
    UNUSABLE,
    Guard,
)
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import ChannelDefinition, check_channel
from nilometer_collector.channels.apprise import answer_of, send_apprise
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.sending import Sending
from nilometer_collector.processes import Ended
from nilometer_collector.testing import START_NS, Webhook

pytest.importorskip("apprise", reason="apprise is not installed (extra: apprise)")
SECRET = "canary-of-apprise"
LOOPBACK = Allowed.of("webhook_allow", ["127.0.0.0/8"])


def a_channel(url: str, **settings: str) -> ChannelDefinition:
    return ChannelDefinition(name="c", kind="apprise", settings=settings, secrets={"url": url})


def url_of(webhook: Webhook, scheme: str = "json") -> str:
    return webhook.url.replace("http://", f"{scheme}://")


def send(
    url: str,
    allowed: Allowed,
    message: Message | None = None,
    *,
    is_guarded: bool = True,
    **settings: str,
) -> Answer:
    return send_apprise(
        Sending(
            channel=a_channel(url, **settings),
            message=message or a_message(a_notice(evidence="<b>moved\x1b[31m")),
            allowed=allowed,
            now_ns=START_NS,
            is_guarded=is_guarded,
        )
    )


def test_a_message_arrives_and_a_refused_one_may_have_arrived(webhook: Webhook) -> None:
    webhook.statuses = [200, 503]
    check_channel(a_channel(url_of(webhook)), LOOPBACK)
    assert send(url_of(webhook), LOOPBACK).outcome is Outcome.DELIVERED
    (posted,) = webhook.posted
    assert posted.content["title"] == "WARNING: fraud-scorer / input.amount"
    assert "Acknowledge: " in posted.content["message"]
    assert "\x1b" not in posted.content["message"]
    failed = send(url_of(webhook), LOOPBACK)
    assert (failed.outcome, failed.may_have_arrived) == (Outcome.FAILED, True)
    assert "s3cret" not in failed.reason


def test_a_message_of_several_episodes_has_no_links_of_decisions(webhook: Webhook) -> None:
    """Discord takes 2,000 characters, and refuses a longer message."""
    message = a_message(*(a_notice(number) for number in (1, 2, 3)))
    assert message.choices
    assert send(url_of(webhook), LOOPBACK, message).outcome is Outcome.DELIVERED
    (posted,) = webhook.posted
    assert "Acknowledge: " not in posted.content["message"]
    assert posted.content["message"].endswith(message.link)
    assert len(posted.content["message"]) < 2000


def test_a_forbidden_address_is_refused_unless_the_guard_is_off(webhook: Webhook) -> None:
    guarded = send(url_of(webhook), Allowed(), guard="off")  # which is not of the settings
    assert guarded.outcome is Outcome.FAILED
    assert guarded.reason == (
        "127.0.0.1 resolves to 127.0.0.1, a loopback address: name the host or its range in "
        "webhook_allow to allow it"
    )
    assert webhook.posted == []
    with pytest.raises(ConfigError, match="webhook_allow"):
        check_channel(a_channel(url_of(webhook)), Allowed())
    check_channel(a_channel(url_of(webhook), guard="off"), Allowed(), is_of_settings=True)
    unguarded = send(url_of(webhook), Allowed(), is_guarded=False, guard="off")
    assert unguarded.outcome is Outcome.DELIVERED


def test_a_redirect_leads_nowhere(webhook: Webhook) -> None:
    webhook.statuses, webhook.headers = [307], {"location": "http://10.0.0.1/"}
    assert send(url_of(webhook), LOOPBACK).outcome is Outcome.FAILED
    assert len(webhook.posted) == 1


def test_a_name_that_means_an_inside_address_is_refused_when_it_is_sent(tmp_path: Path) -> None:
    """The process resolves names itself, so only the address of a connection counts."""
    hosts = tmp_path / "sitecustomize.py"
    hosts.write_text(
        "import socket\nreal = socket.getaddrinfo\n"
        "def found(host, port, *rest, **more):\n"
        "    return real('10.0.0.1' if host == 'hooks.example' else host, port, *rest, **more)\n"
        "socket.getaddrinfo = found\n"
    )
    told = {
        "url": "jsons://hooks.example/x",
        "title": "t",
        "body": "b",
        "type": "info",
        "is_guarded": True,
        "allowed": [],
    }
    ended = subprocess.run(
        [sys.executable, "-m", "nilometer_collector.access.called_apprise"],
        input=json.dumps(told).encode(),
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == ADDRESS_REFUSED, ended.stderr
    assert b"10.0.0.1, a private address" in ended.stdout


@pytest.mark.parametrize("host", [one for one in INSIDE if ":" not in one])
def test_an_inside_address_is_refused_when_it_is_saved(host: str) -> None:
    with pytest.raises(ConfigError, match="webhook_allow") as caught:
        check_channel(a_channel(f"json://{host}/{SECRET}"), Allowed())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"nothing://{SECRET}", "is not a URL that apprise understands"),
        (SECRET, "is not a URL"),
        (f"syslog://{SECRET}", "acts on the collector's own machine"),
        (f"dbus://{SECRET}", "acts on the collector's own machine"),
        (f"gio://{SECRET}", "acts on the collector's own machine"),
        (f" syslog://{SECRET}", "is not a URL"),
        (f"json://x.example/{SECRET}/,syslog://", "is several URLs"),
        (f"json://x.example/ , json://{SECRET}", "is not a URL"),
        (f"slack://TXXXXXXXX/A1BRTD4JD/{SECRET}?template=/etc/passwd", "template= opens a file"),
        (f"json://x.example/{SECRET}?a=b;%74EMPLATE=x", "template= opens a file"),
        (f"vapid://me@x.example/{SECRET}?%20KeyFile=x", "keyfile= opens a file"),
        (f"vapid://me@x.example/{SECRET}?subfile=x", "subfile= opens a file"),
        (f"mailto://u:{SECRET}@x.example?pgppub=x", "pgppub= opens a file"),
        (f"mailto://u:{SECRET}@x.example?x&PGPPRV=x", "pgpprv= opens a file"),
        (f"json://x.example/{SECRET}\n", "is not a URL"),
    ],
)
def test_a_wrong_url_is_refused_and_not_shown(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        check_channel(a_channel(url), Allowed())
    assert SECRET not in str(caught.value)
    assert SECRET not in str(a_channel(url).shown().secrets)


def test_a_token_in_the_place_of_a_host_is_no_host() -> None:
    url = "tgram://123456789:abcdefghijklmnopqrstuvwxyzabcdefghi/12345/"
    check_channel(a_channel(url), Allowed())
    assert "123456789" not in str(a_channel(url).shown().secrets)


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Guard:
    """A guard that allows loopback, and is installed for one test."""
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, getattr(socket.socket, name))
    installed = Guard(LOOPBACK)
    installed.install()
    return installed


@pytest.mark.parametrize(
    ("addresses", "status", "code"),
    [
        (["10.0.0.1"], 200, ADDRESS_REFUSED),
        (["10.0.0.1", "127.0.0.1"], 200, 0),
        (["10.0.0.1", "127.0.0.1"], 503, PARTLY_REFUSED),
        (["127.0.0.1"], 503, NOT_SENT),
    ],
)
def test_a_message_that_one_of_two_addresses_took_is_delivered(
    guard: Guard,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
    status: int,
    code: int,
) -> None:
    def found(host: str, port: int, *rest: object, **more: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    webhook.statuses = [status]
    told = {"title": "t", "body": "b", "type": "info"}
    url = url_of(webhook).replace("127.0.0.1", "hooks.example")
    found_code, reason = called_apprise.send({"url": url, **told}, guard)
    assert (found_code, "10.0.0.1" in reason) == (code, code in {ADDRESS_REFUSED, PARTLY_REFUSED})
    assert len(webhook.posted) == addresses.count("127.0.0.1")


def test_a_refused_address_may_have_come_after_another_one() -> None:
    for code, may_have_arrived in ((ADDRESS_REFUSED, False), (PARTLY_REFUSED, True)):
        answer = answer_of(Ended(code, f"{SECRET}\nit is refused\n"))
        assert answer == Answer(
            outcome=Outcome.FAILED, reason="it is refused", may_have_arrived=may_have_arrived
        )


def test_the_process_makes_one_receiver_of_the_url_and_no_forbidden_one(guard: Guard) -> None:
    """A channel that an earlier version stored has not been checked like this."""
    for url in ("syslog://", f"json://127.0.0.1/,json://{SECRET}"):
        code, reason = called_apprise.send({"url": url}, guard)
        assert (code, SECRET in reason) == (UNUSABLE, False)


def test_datagrams_are_checked_too(guard: Guard) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sent:
        with pytest.raises(PermissionError, match="private address"):
            sent.sendmsg([b"x"], [], 0, ("10.0.0.1", 9))
        with pytest.raises(PermissionError, match="private address"):
            sent.sendto(b"x", ("10.0.0.1", 9))
        assert not guard.has_passed
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as received:
            received.bind(("127.0.0.1", 0))
            sent.connect(received.getsockname())
            sent.sendmsg([b"x"])  # to the address that was checked
            assert received.recv(1) == b"x"
