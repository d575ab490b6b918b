"""Channels are checked before they are stored, and their secrets are never shown."""

import socket
from pathlib import Path
from typing import Any

import pytest
from support.addresses import DISGUISED, INSIDE, NOTATIONS

from nilometer.settings.settings import checked
from nilometer.values.errors import ConfigError
from nilometer_collector.access.destinations import Allowed, Destination
from nilometer_collector.access.secret import Secret
from nilometer_collector.alerting.receiver_fields import NOT_SHOWN
from nilometer_collector.alerting.receivers import (
    KINDS,
    ChannelDefinition,
    check_channel,
    with_stored_secrets,
)
from nilometer_collector.channels import Outcome, post
from nilometer_collector.settings import CollectorSettings

SECRET = "s3cret-of-sixteen"
URL = f"https://hooks.example/{SECRET}"
MAIL = {"server": "smtp.example:587", "from": "n@example.com", "to": "a@example.com, b@example.com"}
FINE = {
    "apprise": ({}, {"url": f"jsons://x.example/{SECRET}"}),
    "slack": ({}, {"url": URL}),
    "teams": ({}, {"url": URL}),
    "webhook": (
        {"template": "{{ text }}", "content_type": "text/plain"},
        {"url": URL, "signing_key": SECRET},
    ),
    "pagerduty": ({}, {"routing_key": SECRET}),
    "opsgenie": ({"url": "https://api.eu.opsgenie.com"}, {"api_key": SECRET}),
    "alertmanager": ({"url": "http://alerts.monitoring:9093"}, {}),
    "email": ({**MAIL, "tls": "tls", "username": "n"}, {"password": SECRET}),
}


def a_channel(
    kind: str, settings: dict[str, str], secrets: dict[str, str], name: str = "c"
) -> ChannelDefinition:
    return ChannelDefinition(name=name, kind=kind, settings=settings, secrets=secrets)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_channel_that_is_fine_and_hides_its_secrets(kind: str) -> None:
    channel = a_channel(kind, *FINE[kind])
    check_channel(channel, Allowed())
    assert SECRET not in f"{channel!r} {channel} {channel.shown().secrets}"


@pytest.mark.parametrize(
    ("kind", "settings", "secrets", "reason"),
    [
        ("slak", {}, {}, "kind = 'slak': must be one of slack"),
        ("slack", {}, {}, "needs 'url', the URL to post to"),
        ("slack", {"url": URL}, {}, "slack has no 'url': it has none"),
        ("slack", {}, {"url": f"http://x.example/{SECRET}"}, "must be https"),
        ("slack", {}, {"url": f"https://10.0.0.1/{SECRET}"}, "a private address"),
        ("slack", {}, {"url": f"https://u:{SECRET}@x.example"}, "a user name or a password"),
        ("webhook", {"template": "{% for %}"}, {"url": URL}, "template: line 1"),
        ("webhook", {}, {"url": URL, "signing_key": "short"}, "at least 16 characters"),
        ("webhook", {"template": "{{ entty }}"}, {"url": URL}, "there is no value 'entty'"),
        ("webhook", {"template": '"{{ headline }}"'}, {"url": URL}, "an opening is not JSON"),
        (
            "webhook",
            {"template": "{% if is_digest %}{{ text }}{% else %}1{% end %}"},
            {"url": URL},
            "a storm is not JSON",
        ),
        (
            "webhook",
            {"template": "{% for a in episodes %}{{ episodes | json }}{% end %}"},
            {"url": URL},
            "makes more than 200000 characters, in the sample message of a storm",
        ),
        ("webhook", {"content_type": "text/html"}, {"url": URL}, "must be one of application/json"),
        ("pagerduty", {}, {"routing_key": f"{SECRET}\r\nx: y"}, "without spaces"),
        ("pagerduty", {"url": "https://169.254.169.254"}, {"routing_key": SECRET}, "link-local"),
        ("alertmanager", {"url": "http://[::ffff:10.0.0.1]:9093"}, {}, "a private address"),
        ("email", {**MAIL, "server": "127.0.0.1:25"}, {}, "a loopback address"),
        ("email", {**MAIL, "server": "2130706433:25"}, {}, "a loopback address"),
        ("email", {**MAIL, "server": "smtp.example"}, {}, "must be host:port"),
        ("email", {**MAIL, "to": "a@example.com\r\nBcc: x@y.z"}, {}, "is not a mail address"),
        ("email", {**MAIL, "from": "<a@b.c>"}, {}, "is not a mail address"),
        ("email", {**MAIL, "to": "a@b@c"}, {}, "is not a mail address"),
        ("email", {**MAIL, "to": " , "}, {}, "1 to 50 addresses"),
        ("email", {**MAIL, "server": "smtp.example:0"}, {}, "a port of 1 to 65535"),
        ("email", {**MAIL, "server": "a\nb:25"}, {}, "must be an address, or a name"),
        ("email", {**MAIL, "server": "a b:25"}, {}, "must be an address, or a name"),
        ("email", {**MAIL, "from": "a@example.com, b@example.com"}, {}, "must be one address"),
        ("email", {**MAIL, "tls": "none"}, {}, "must be one of starttls, tls"),
    ],
)
def test_a_wrong_channel_is_refused_without_its_secrets(
    kind: str, settings: dict[str, str], secrets: dict[str, str], reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_channel(a_channel(kind, settings, secrets), Allowed())
    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


def _hosts() -> list[str]:
    literals = [f"[{one}]" if ":" in one else one for one in INSIDE if "%" not in one]
    return [*NOTATIONS, *DISGUISED, *literals]


@pytest.mark.parametrize("host", _hosts())
def test_a_hostile_address_is_refused_when_it_is_saved_and_when_it_is_sent_to(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def without_names(*asked: Any, **options: Any) -> Any:
        if not options["flags"] & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(*asked, **options)

    monkeypatch.setattr(socket, "getaddrinfo", without_names)
    url = f"https://{host}/{SECRET}"
    for kind, settings, secrets in (
        ("slack", {}, {"url": url}),
        ("pagerduty", {"url": url}, {"routing_key": SECRET}),
        ("alertmanager", {"url": f"http://{host}/{SECRET}"}, {}),
        ("email", {**MAIL, "server": f"{host}:25"}, {}),
    ):
        with pytest.raises(ConfigError) as caught:
            check_channel(a_channel(kind, settings, secrets), Allowed())
        assert SECRET not in str(caught.value)
    answer = post(Destination(Secret(url), Allowed()), {"text": "x"}, "key")
    assert answer.outcome is Outcome.FAILED
    assert SECRET not in answer.reason


def test_the_corpus_of_hostile_addresses_has_many() -> None:
    assert len(set(_hosts())) >= 100


@pytest.mark.parametrize(
    "host",
    ["hooks.slack.com", "b\u00fccher.example", "1.1.1.1", "[2606:4700::1111]", "a_b.example."],
)
def test_a_public_host_is_accepted(host: str) -> None:
    check_channel(a_channel("slack", {}, {"url": f"https://{host}/x"}), Allowed())


def test_a_secret_is_shown_by_its_field_and_not_by_its_look() -> None:
    secret = f"http://{SECRET}"
    channel = a_channel("email", {**MAIL, "username": "u"}, {"password": secret})
    assert channel.shown().secrets == {"password": NOT_SHOWN}
    for url in (
        f"https://hooks.example\\{SECRET}/",
        f"https:{SECRET}",
        f"{SECRET}://x/",
        "https://",
    ):
        assert a_channel("slack", {}, {"url": url}).shown().secrets == {"url": "?"}
        with pytest.raises(ConfigError) as caught:
            check_channel(a_channel("slack", {}, {"url": url}), Allowed())
        assert SECRET not in str(caught.value)


def test_a_channel_that_was_read_may_be_sent_back_but_its_secret_goes_nowhere_else() -> None:
    stored = a_channel("webhook", {}, {"url": URL, "signing_key": SECRET})
    shown = stored.shown()
    assert shown.secrets == {"url": "https://hooks.example/...", "signing_key": NOT_SHOWN}
    assert with_stored_secrets(shown, stored) == stored
    guessed = a_channel("webhook", {}, {"url": URL, "signing_key": NOT_SHOWN})
    assert with_stored_secrets(guessed, stored) == guessed  # or the answer would confirm the URL
    moved = a_channel("webhook", {}, {"url": "https://evil.example/", "signing_key": NOT_SHOWN})
    assert with_stored_secrets(moved, stored) == moved
    pager = a_channel("pagerduty", {}, {"routing_key": SECRET})
    moved = a_channel("pagerduty", {"url": "https://evil.example"}, pager.shown().secrets)
    assert with_stored_secrets(moved, pager) == moved
    with pytest.raises(ConfigError):
        check_channel(moved, Allowed())  # the text that stands for a secret is none


def test_a_settings_file_defines_channels_with_secrets_in_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL + "\n")
    channel = {"name": "c", "kind": "slack", "secrets": {"url_file": str(tmp_path / "url")}}
    route = {"name": "r", "channels": ["c"], "hours": "09:00-17:00"}
    settings = checked(CollectorSettings, {"channels": [channel], "routes": [route]})
    assert settings.channel_definitions[0].secrets == {"url": URL}
    assert SECRET not in repr(settings)
    inside = {
        "kind": "apprise",
        "settings": {"guard": "off"},
        "secrets": {"url": "json://10.0.0.1/"},
    }
    checked(CollectorSettings, {"channels": [{"name": "c", **inside}]})
    for wrong, reason in (
        ({"channels": [channel, channel]}, "the same name"),
        ({"routes": [{**route, "hours": "9-5"}]}, "hours"),
        ({"channels": [{**channel, "secrets": {"url_file": "/nowhere"}}]}, "cannot be read"),
        (
            {"channels": [{**channel, "secrets": {"url_file": URL}}]},
            r"url_file: must be the path of",
        ),
    ):
        with pytest.raises(ConfigError, match=reason):
            checked(CollectorSettings, wrong)


def test_only_a_settings_file_switches_the_check_of_addresses_off() -> None:
    settings, secrets = FINE["apprise"]
    unguarded = a_channel("apprise", {**settings, "guard": "off"}, secrets)
    check_channel(unguarded, Allowed(), is_of_settings=True)
    with pytest.raises(ConfigError, match=r"guard = 'off': may stand only under \[\[collector"):
        check_channel(unguarded, Allowed())
