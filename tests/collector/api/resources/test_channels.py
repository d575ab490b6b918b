"""Channels, routes and deliveries over HTTP and on the command line."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nilometer.commands.cli import main
from nilometer.testing import eventually
from nilometer_collector.testing import Running, Webhook, an_evaluation, running

LOOPBACK = ["127.0.0.0/8"]


@pytest.fixture
def served(database: Path) -> Iterator[Running]:
    """A collector that may reach loopback addresses."""
    with running(database, webhook_allow=LOOPBACK) as it:
        yield it


def put(served: Running, path: str, **body: object) -> httpx.Response:
    return served.http.put(f"/api/v1/{path}", json=body)


def test_a_channel_is_stored_shown_without_its_secret_and_used(
    served: Running, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body: dict[str, Any] = {"name": "team", "kind": "slack", "secrets": {"url": webhook.url}}
    answer = put(served, "channels", **body).raise_for_status()
    shown = {
        "name": "team",
        "kind": "slack",
        "settings": {},
        "secrets": {"url": "http://127.0.0.1/..."},
    }
    assert answer.json() == shown
    assert served.get("channels") == {"channels": [shown]}
    assert put(served, "channels", **shown).raise_for_status().json() == shown  # the secret stays
    route = {"name": "all", "channels": ["team", "nobody"]}
    warned = put(served, "routes", **route).raise_for_status().json()
    assert warned["warnings"] == ["channels: 'nobody' does not exist yet"]
    assert [one["channels"] for one in served.get("routes")["routes"]] == [["team", "nobody"]]
    served.sender().ship(an_evaluation(0.5, 1))
    eventually(lambda: len(webhook.accepted) == 1)
    eventually(
        lambda: served.get("deliveries", channel="team")["deliveries"][0]["outcome"] == "delivered"
    )
    (delivery,) = served.get("deliveries")["deliveries"]
    assert [one["outcome"] for one in delivery["attempts"]] == ["delivered"]
    for path, name in (("channels", "team"), ("routes", "all")):
        removed = served.http.delete(f"/api/v1/{path}", params={"name": name})
        assert removed.status_code == 204
        assert served.http.delete(f"/api/v1/{path}", params={"name": name}).status_code == 404
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"kind": "slak"}, 422, "must be one of slack"),
        ({"secrets": {}}, 422, "needs 'url'"),
        ({"name": "no spaces"}, 422, "name"),
        ({"secrets": {"url": "https://10.0.0.1/s3cret"}}, 409, "a private address"),
        ({"secrets": {"url_file": "/etc/passwd"}}, 422, "slack has no 'url_file'"),
    ],
)
def test_a_wrong_channel_is_refused_when_it_is_saved(
    served: Running, changes: dict[str, object], status: int, reason: str
) -> None:
    body = {"name": "c", "kind": "slack", "secrets": {"url": "https://x.example/s3cret"}, **changes}
    answer = put(served, "channels", **body)
    assert (answer.status_code, reason in answer.text) == (status, True)
    assert "s3cret" not in answer.text
    (changed,) = changes
    assert answer.json()["field"].startswith(changed)
    assert served.get("channels") == {"channels": []}


def test_the_command_sends_a_test_message(
    served: Running, webhook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"name": "team", "kind": "webhook", "secrets": {"url": webhook.url}}
    put(served, "channels", **body).raise_for_status()

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["channels", *arguments, "--collector", served.collector.http_url])
        return status, *capsys.readouterr()

    assert run("list") == (0, "team  webhook\n", "")
    accepted = "channel 'team' accepted the test message and its closing\n"
    assert run("test", "team") == (0, accepted, "")
    opened, closed = (posted.content for posted in webhook.posted)
    assert (opened["stage"], closed["stage"]) == ("opened", "closed")
    assert opened["entity"] == "nilometer-test"
    assert served.get("deliveries") == {"deliveries": []}
    webhook.statuses = [500]
    status, _, told = run("test", "team")
    assert status == 1
    assert "did not accept the test: status 500" in told
    assert run("test", "other")[0] == 1
