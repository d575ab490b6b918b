"""Every kind of channel, against a receiver on loopback and the documented limits of the real one."""

import json
import logging
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

import pytest
from support.told import a_message, a_notice, a_part, a_storm

from nilometer.alert import Severity
from nilometer.alert.incidents import incident_key
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.alerting.receivers import KINDS, ChannelDefinition
from nilometer_collector.alerting.template_samples import SAMPLES
from nilometer_collector.channels.alertmanager import alertmanager_alerts
from nilometer_collector.channels.kinds import SENDERS
from nilometer_collector.channels.message import Message
from nilometer_collector.channels.opsgenie import opsgenie_request
from nilometer_collector.channels.pagerduty import pagerduty_event
from nilometer_collector.channels.posting import Answer, Outcome
from nilometer_collector.channels.sending import Sending
from nilometer_collector.channels.sending import incident_key as incident_of
from nilometer_collector.channels.slack import slack_content
from nilometer_collector.channels.teams import teams_content
from nilometer_collector.channels.webhook import signature, webhook_content
from nilometer_collector.testing import START_NS, Webhook, an_alerter

SECRET = "s3cret-of-sixteen"
HOSTILE = "<!channel> [x](http://evil.example) *b* \x1b[31m\r\n&"
TEAMS_BYTES = 28 << 10
PAGERDUTY_BYTES = 512 << 10


def send(
    kind: str,
    webhook: Webhook,
    message: Message,
    settings: dict[str, str] | None = None,
    secrets: dict[str, str] | None = None,
) -> Answer:
    """Send *message* to *webhook* as a receiver of this *kind*."""
    where = {"url": webhook.url.partition("/services")[0]}
    is_secret = KINDS[kind].fields["url"].is_secret
    channel = ChannelDefinition(
        name="c",
        kind=kind,
        settings={**({} if is_secret else where), **(settings or {})},
        secrets={**({"url": webhook.url} if is_secret else {}), **(secrets or {})},
    )
    allowed = Allowed.of("webhook_allow", ["127.0.0.0/8"])
    sending = Sending(channel=channel, message=message, allowed=allowed, now_ns=START_NS)
    return SENDERS[kind](sending)


def acknowledged() -> Message:
    return a_message(a_notice(is_acknowledgement=True))


def key_of(labels: Labels) -> str:
    """Return the key of the incident of `a_notice` with *labels*."""
    episode = a_notice().episode
    return incident_key(episode.alerter.entity, episode.alerter.name, episode.summary, labels)


def test_episodes_of_the_default_alerter_have_an_incident_each() -> None:
    keys = [
        incident_of(a_message(a_notice(number, parts=[a_part("input.amount")])).told[0])
        for number in (1, 2)
    ]
    assert keys == ["nilometer/fraud-scorer/default-1", "nilometer/fraud-scorer/default-2"]


def test_every_kind_has_a_function_that_sends() -> None:
    assert SENDERS.keys() == KINDS.keys()


def test_pagerduty_triggers_acknowledges_and_resolves_one_incident(webhook: Webhook) -> None:
    secrets = {"routing_key": SECRET}
    for message in (a_message(), acknowledged(), a_message(a_notice(closed=True))):
        assert send("pagerduty", webhook, message, None, secrets).outcome is Outcome.DELIVERED
    events: list[Any] = [posted.content for posted in webhook.posted]
    assert {posted.path for posted in webhook.posted} == {"/v2/enqueue"}
    assert [one["event_action"] for one in events] == ["trigger", "acknowledge", "resolve"]
    assert {one["dedup_key"] for one in events} == {key_of(Labels())}
    payload = events[0]["payload"]
    assert payload["severity"] == "warning"
    assert payload["timestamp"] == "2023-11-14T22:14:00Z"
    assert payload["custom_details"]["rows"][0]["summary"] == "input.amount"
    long = a_message(a_notice(evidence="x" * 5000))
    send("pagerduty", webhook, long, None, secrets)
    assert len(webhook.posted[-1].content["payload"]["summary"]) == 1024


def test_opsgenie_creates_acknowledges_and_closes_one_alert(webhook: Webhook) -> None:
    labels = {"owner": "x" * 10}
    for message in (
        a_message(a_notice(labels=Labels.of(labels))),
        a_message(a_notice(labels=Labels.of(labels), is_acknowledgement=True)),
        a_message(a_notice(labels=Labels.of(labels), closed=True)),
    ):
        answer = send("opsgenie", webhook, message, None, {"api_key": SECRET})
        assert answer.outcome is Outcome.DELIVERED
    alias = quote(key_of(Labels.of(labels)), "")
    assert [posted.path for posted in webhook.posted] == [
        "/v2/alerts",
        f"/v2/alerts/{alias}/acknowledge?identifierType=alias",
        f"/v2/alerts/{alias}/close?identifierType=alias",
    ]
    first = webhook.posted[0]
    assert first.headers["authorization"] == f"GenieKey {SECRET}"
    assert first.content["alias"] == unquote(alias)
    assert first.content["priority"] == "P3"
    assert len(first.content["message"]) <= 130


def test_alertmanager_gets_the_same_labels_for_the_opening_and_the_end(webhook: Webhook) -> None:
    labels = Labels.of(pod_name="a")
    opening = a_message(a_notice(labels=labels))
    closing = a_message(a_notice(labels=labels, closed=True))
    assert send("alertmanager", webhook, opening).outcome is Outcome.DELIVERED
    assert webhook.posted[0].path == "/api/v2/alerts"
    ((before,), (after,)) = (alertmanager_alerts(one, START_NS) for one in (opening, closing))
    assert webhook.posted[0].content == [before]
    assert before["labels"] == after["labels"]
    assert before["labels"] == {
        "alertname": "NilometerEpisode",
        "alerter": "drift",
        "entity": "fraud-scorer",
        "episode": "1",
        "label_pod_name": "a",
        "severity": "warning",
    }
    assert after["endsAt"] == "2023-11-14T22:14:00Z"
    assert before["endsAt"] == "2023-11-14T22:19:00Z"  # it is repeated before
    assert len(alertmanager_alerts(a_storm(12), START_NS)) == 12


@pytest.mark.parametrize("entities", [1, 12, 1000])
def test_slack_and_teams_stay_within_their_limits(entities: int) -> None:
    message = (
        a_storm(entities)
        if entities > 1
        else a_message(
            a_notice(
                parts=[a_part(f"input.{'x' * 200}{n}", evidence="y" * 3000) for n in range(50)],
                evidence="z" * 5000,
            )
        )
    )
    blocks: Any = slack_content(message)["blocks"]
    assert len(blocks) <= 50
    assert len(blocks[0]["text"]["text"]) <= 150
    assert all(len(one["text"]["text"]) <= 3000 for one in blocks if "text" in one)
    assert len(json.dumps(teams_content(message))) <= TEAMS_BYTES


def long_message(character: str, rows: int, entities: int, episodes: int) -> Message:
    """A message whose names, labels and texts have the largest size that the collector stores."""
    names = [f"{number:04}" + character * (252 // len(character.encode())) for number in range(32)]
    labels = [
        Labels.of({f"l{at:02}": f"{number:04}{name[4:]}" for at, name in enumerate(names)})
        for number in range(entities * episodes)
    ]
    evidence = character * 1000
    notices = [
        a_notice(
            number,
            alerter=an_alerter(entity=f"{number // episodes:04}" + "e" * 124),
            labels=labels[number],
            evidence=evidence,
            parts=[
                a_part(
                    f"input.{number:02}{row:04}{names[0][:238]}",
                    labels=labels[number],
                    evidence=evidence,
                )
                for row in range(rows)
            ],
        )
        for number in range(entities * episodes)
    ]
    return a_message(*notices)


@pytest.mark.parametrize(
    ("rows", "entities", "episodes"),
    [(0, 1, 1), (50, 1, 1), (0, 1, 5), (3, 1, 5), (3, 3, 1), (0, 200, 1)],
)
@pytest.mark.parametrize(
    "character", ["x", "\N{LATIN SMALL LETTER U WITH DIAERESIS}", "\u65e5", "*", "<"]
)
def test_the_longest_texts_stay_within_the_limits_of_the_receivers(
    character: str, rows: int, entities: int, episodes: int
) -> None:
    message = long_message(character, rows, entities, episodes)
    blocks: Any = slack_content(message)["blocks"]
    assert len(blocks[0]["text"]["text"]) <= 150
    assert all(len(one["text"]["text"]) <= 3000 for one in blocks if "text" in one)
    assert len(blocks) <= 50
    buttons = [one for block in blocks if block["type"] == "actions" for one in block["elements"]]
    assert len(buttons) == (1 + 3 * min(episodes, 3) if entities == 1 else 1)
    assert all(len(one["url"]) <= 3000 and len(one["text"]["text"]) <= 75 for one in buttons)
    teams: Any = teams_content(message)
    assert len(json.dumps(teams)) <= TEAMS_BYTES
    card = teams["attachments"][0]["content"]
    sets = [card["actions"], *(one["actions"] for one in card["body"] if "actions" in one)]
    assert all(len(some) <= 6 for some in sets)
    assert sum(map(len, sets)) == len(buttons)
    sending = Sending(
        channel=ChannelDefinition(name="c", kind="pagerduty", secrets={"routing_key": SECRET}),
        message=message,
        allowed=Allowed(),
        now_ns=START_NS,
    )
    event: Any = pagerduty_event(sending)
    assert len(json.dumps(event)) <= PAGERDUTY_BYTES
    assert len(event["payload"]["summary"]) <= 1024
    assert len(event["dedup_key"]) <= 255
    alert: Any = opsgenie_request(message)[1]
    assert len(alert["alias"]) <= 512
    assert sum(len(name) + len(text) for name, text in alert["details"].items()) <= 8000


def test_the_name_of_each_of_several_episodes_is_above_its_buttons() -> None:
    shared = {"region": "eu-west-1", "version": "2025-11-29-build-" + "0" * 60}
    labels = [Labels.of({**shared, "zone": zone}) for zone in "abc"]
    message = a_message(*(a_notice(n, labels=one) for n, one in enumerate(labels, start=1)))
    names = [f"input.amount [{one}], drift" for one in labels]
    content: Any = slack_content(message)
    blocks = content["blocks"][-7:]
    assert [one["text"]["text"] for one in blocks[:-1:2]] == [f"*{name}*" for name in names]
    card: Any = teams_content(message)["attachments"]
    body = card[0]["content"]["body"][-6:]
    assert [one["text"].replace("\\", "") for one in body[::2]] == names
    for told, slack, teams in zip(message.told, blocks[1:-1:2], body[1::2], strict=True):
        urls = [one.url for one in told.choices]
        assert [one["url"] for one in slack["elements"]] == urls
        assert [one["url"] for one in teams["actions"]] == urls
    assert len(blocks[-1]["elements"]) == 1


def test_a_card_with_too_large_a_link_is_cut_to_the_end() -> None:
    message = a_message(a_notice(1), a_notice(2, labels=Labels.of(version="v2")))
    large = replace(message, link="https://h.example/" + "x" * TEAMS_BYTES)
    card: Any = teams_content(large)["attachments"]
    assert {one["text"] for one in card[0]["content"]["body"] if "text" in one} == {
        "\N{HORIZONTAL ELLIPSIS}"
    }
    assert "ActionSet" not in json.dumps(card)


def test_episodes_whose_names_are_the_same_after_a_cut_have_no_buttons() -> None:
    same = {f"a{number}": "x" * 256 for number in range(7)}
    labels = [Labels.of({**same, "b": b}) for b in "12"]
    message = a_message(a_notice(1, labels=labels[0]), a_notice(2, labels=labels[1]))
    blocks: Any = slack_content(message)["blocks"]
    assert [len(one["elements"]) for one in blocks if one["type"] == "actions"] == [1]
    assert "ActionSet" not in json.dumps(teams_content(message))
    ended = a_message(a_notice(1, labels=labels[0]), a_notice(2, labels=labels[1], closed=True))
    assert [len(choices) for _, choices in ended.decided(most_characters=9)] == [3]


def test_no_label_replaces_what_an_alert_of_opsgenie_says() -> None:
    labels = Labels.of({"link": "http://evil.example", "summary": "x", "region": "eu"})
    message = a_message(a_notice(labels=labels))
    details: Any = opsgenie_request(message)[1]["details"]
    assert details == {"summary": "input.amount", "link": message.link, "region": "eu"}


def test_markup_and_control_characters_reach_no_receiver() -> None:
    alerter = an_alerter(name=HOSTILE, severity=Severity.CRITICAL)
    notice = a_notice(alerter=alerter, labels=Labels.of(version=HOSTILE), evidence=HOSTILE)
    message = a_message(notice)
    slack, teams = json.dumps(slack_content(message)), json.dumps(teams_content(message))
    blocks: Any = slack_content(message)["blocks"]
    header, *rest = blocks
    assert "<!channel>" not in json.dumps(rest)
    assert "](http" not in teams
    for text in (slack, teams):
        assert "\\u001b" not in text
        assert "\\r" not in text
    assert header["type"] == "header"


def test_a_webhook_is_signed_and_has_the_whole_message(webhook: Webhook) -> None:
    answer = send("webhook", webhook, a_message(), None, {"signing_key": SECRET})
    assert answer.outcome is Outcome.DELIVERED
    (posted,) = webhook.posted
    at = posted.headers["nilometer-timestamp"]
    assert int(at) == START_NS // NANOSECONDS
    assert posted.headers["nilometer-signature"] == f"v1={signature(SECRET, at, posted.body)}"
    assert posted.key == "key-1"
    assert posted.content["version"] == 1
    assert posted.content["episodes"][0]["labels"] == {}


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        (
            {"template": '{"m": {{ headline | json }}}'},
            b'{"m": "WARNING: fraud-scorer / input.amount"}',
        ),
        (
            {
                "template": "{% for one in episodes %}{{ one.entity }};{% end %}",
                "content_type": "text/plain",
            },
            b"fraud-scorer;",
        ),
    ],
)
def test_a_template_makes_the_body(webhook: Webhook, settings: dict[str, str], body: bytes) -> None:
    assert send("webhook", webhook, a_message(), settings).outcome is Outcome.DELIVERED
    assert [posted.body for posted in webhook.posted] == [body]


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ headline }}", "template: the result is not JSON"),
        ("{{ secrets }}", "template: there is no value 'secrets'"),
    ],
)
def test_what_a_stored_template_cannot_tell_is_told_without_it(
    webhook: Webhook, template: str, reason: str
) -> None:
    settings = {"template": template, "content_type": "application/json"}
    storm = send("webhook", webhook, a_storm(2), settings)  # is then sent in parts
    assert storm.outcome is Outcome.REFUSED
    assert storm.reason.startswith(reason)
    assert send("webhook", webhook, a_message(), settings).outcome is Outcome.DELIVERED
    (posted,) = webhook.posted
    assert posted.content["headline"] == "WARNING: fraud-scorer / input.amount"


def test_the_samples_of_a_template_have_the_values_of_a_real_message() -> None:
    real = {
        "an opening": webhook_content(a_message()),
        "a closing": webhook_content(a_message(a_notice(closed=True))),
        "a storm": webhook_content(a_storm(2)),
    }
    assert {name: _kinds(values) for name, values in SAMPLES.items()} == {
        name: _kinds(values) for name, values in real.items()
    }


def _kinds(value: object, name: str = "") -> object:
    """The names in *value*, with whether each is a text, a number or a list of such names."""
    if isinstance(value, dict) and name != "labels":
        return {key: _kinds(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_kinds(one) for one in value[:1]]
    return type(value).__name__


def test_no_secret_is_logged_or_returned(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    webhook.statuses = [500, 400, 403]
    answers = [
        send("pagerduty", webhook, a_message(), None, {"routing_key": SECRET}),
        send("opsgenie", webhook, a_message(), None, {"api_key": SECRET}),
        send("webhook", webhook, a_message(), None, {"signing_key": SECRET}),
    ]
    assert SECRET not in caplog.text + repr(answers)
    assert "s3cret" not in repr(answers)
