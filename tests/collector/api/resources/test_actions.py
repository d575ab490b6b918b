"""Actions over HTTP, by the signed link of a message, and on the command line."""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from nilometer.commands.cli import main
from nilometer.testing import eventually
from nilometer.wire.services import ShipRequest
from nilometer_collector.testing import (
    ENTITY,
    Running,
    Webhook,
    a_row,
    an_evaluation,
    listening_webhook,
    running,
)

LOOPBACK = ["127.0.0.0/8"]
SIGNING_KEY = "canary-signing-key"
TOKENS = {"alice": "token-of-alice", "bob": "token-of-bob", "proxy": "token-of-the-proxy"}
PRINCIPALS = [
    {
        "name": name,
        "token_sha256": [hashlib.sha256(token.encode()).hexdigest()],
        "agents": ["*"] if name == "alice" else [],
        "read": ["*"],
        "write": ["*"],
        **({"author_header": "X-Forwarded-User"} if name == "proxy" else {}),
    }
    for name, token in TOKENS.items()
]


@pytest.fixture
def served(database: Path) -> Iterator[Running]:
    """A collector that may reach loopback addresses."""
    with running(database, webhook_allow=LOOPBACK) as it:
        yield it


@pytest.fixture
def target() -> Iterator[Webhook]:
    """The receiver of actions."""
    with listening_webhook() as it:
        yield it


def put_target(served: Running, target: Webhook, **changes: object) -> httpx.Response:
    secrets = {"url": target.url, "signing_key": SIGNING_KEY}
    body = {"name": "ci", "kind": "webhook", "secrets": secrets, **changes}
    return served.http.put("/api/v1/targets", json=body)


def apply(served: Running, **changes: object) -> dict[str, Any]:
    action = {
        "entity": ENTITY,
        "name": "retrain",
        "cure": "retrain",
        "target": "ci",
        "mode": "live",
        "approvers": ["local"],
        "parameters": {"branch": "main"},
        **changes,
    }
    answer = served.http.post("/api/v1/apply", json={"version": 1, "actions": [action]})
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def runs(served: Running, **asked: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.get("actions/runs", **asked)["runs"]
    return found


def state(served: Running) -> str:
    found = runs(served)
    return str(found[0]["state"]) if found else ""


def post(served: Running, verb: str, **asked: int) -> httpx.Response:
    return served.http.post(
        f"/api/v1/actions/{verb}",
        params={"entity": ENTITY, **asked},
        json={"reason": "the unit has changed"},
    )


def opened(served: Running, webhook: Webhook, target: Webhook, **changes: object) -> None:
    """Set up a channel, a target and an action, and open an episode."""
    channel = {"name": "team", "kind": "webhook", "secrets": {"url": webhook.url}}
    served.http.put("/api/v1/channels", json=channel).raise_for_status()
    put_target(served, target).raise_for_status()
    apply(served, **changes)
    served.sender().ship(an_evaluation(0.5, 1))


def test_the_loop_is_closed_over_http(
    served: Running, webhook: Webhook, target: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    opened(served, webhook, target)
    eventually(lambda: state(served) == "awaiting_approval")
    (run,) = runs(served, entity=ENTITY, open="true")
    assert post(served, "approve", run=99).status_code == 404
    post(served, "approve", run=run["run"]).raise_for_status()
    assert post(served, "approve", run=run["run"]).status_code == 409
    eventually(lambda: state(served) == "accepted")
    (order,) = target.posted
    assert (order.key, order.content["key"]) == (run["key"], run["key"])
    assert order.content["approved_by"] == "local"
    assert order.content["parameters"] == {"branch": "main"}
    assert order.content["episode"]["summary"] == "input.amount"
    served.sender().ship(an_evaluation(0.5, 1), an_evaluation(0.1, 2))
    eventually(lambda: state(served) == "worked")
    eventually(lambda: len(webhook.accepted) == 5)
    told = [
        (one.content["stage"], (one.content["action"] or {}).get("state"))
        for one in webhook.accepted
    ]
    assert told == [
        ("opened", None),
        ("action", "awaiting_approval"),
        ("action", "accepted"),
        ("closed", None),
        ("action", "worked"),
    ]
    assert runs(served, open="true") == []
    assert SIGNING_KEY not in caplog.text + json.dumps(served.get("targets"))


def test_a_wrong_target_is_refused_when_it_is_saved(served: Running, target: Webhook) -> None:
    shown = put_target(served, target).raise_for_status().json()
    assert shown["secrets"] == {"url": "http://127.0.0.1/...", "signing_key": "(set, not shown)"}
    assert served.http.put("/api/v1/targets", json=shown).raise_for_status().json() == shown
    for changes, status, reason in (
        ({"kind": "webhok"}, 422, "must be one of webhook"),
        ({"secrets": {"url": "https://10.0.0.1/canary", "signing_key": SIGNING_KEY}}, 409, "private"),
        ({"secrets": {"url": "https://x.example/canary"}}, 422, "needs 'signing_key'"),
        (
            {"kind": "python", "secrets": {}, "settings": {"entry_point": "os:system"}},
            409,
            "functions_allow",
        ),
        (
            {"kind": "github", "secrets": {"token": "canary"}, "settings": {"repository": "a/../b"}},
            409,
            "owner/name",
        ),
    ):  # fmt: skip
        answer = put_target(served, target, **changes)
        assert (answer.status_code, reason in answer.text) == (status, True), answer.text
        assert "canary" not in answer.text
    assert served.get("targets") == {"targets": [shown]}
    assert served.http.delete("/api/v1/targets", params={"name": "ci"}).status_code == 204
    assert served.http.delete("/api/v1/targets", params={"name": "ci"}).status_code == 404


def test_a_vanished_target_is_a_clear_state(
    served: Running, webhook: Webhook, target: Webhook
) -> None:
    opened(served, webhook, target)
    eventually(lambda: state(served) == "awaiting_approval")
    served.http.delete("/api/v1/targets", params={"name": "ci"}).raise_for_status()
    (run,) = runs(served)
    post(served, "approve", run=run["run"]).raise_for_status()
    eventually(lambda: state(served) == "failed")
    (run,) = runs(served)
    assert run["turns"][-1]["reason"] == (
        "the target refused it: the target 'ci' does not exist any more"
    )
    assert target.posted == []
    warned = apply(served)["warnings"]
    assert warned[0]["sentence"] == "target = 'ci': does not exist yet"


def link_in(webhook: Webhook) -> str:
    """Return path and query of the signed link in the message that asks for approval."""
    asked = [
        one.content for one in webhook.accepted if (one.content["action"] or {}).get("expires")
    ]
    parts = urlsplit(asked[0]["link"])
    return f"{parts.path}?{parts.query}"


def fields_of(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def test_a_link_shows_and_only_its_form_decides_once(
    served: Running, webhook: Webhook, target: Webhook
) -> None:
    opened(served, webhook, target)
    eventually(lambda: len(webhook.accepted) == 2)
    link = link_in(webhook)
    for _ in range(3):  # a chat's preview, and a person
        shown = served.http.get(link)
        assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
        assert '<form method="post" action="approve">' in shown.text
        assert served.http.head(link).status_code == 200
    assert state(served) == "awaiting_approval"
    fields = fields_of(link)
    wrong = [
        {**fields, "run": "99"},
        {**fields, "until": str(int(fields["until"]) + 1)},
        {**fields, "signature": "0" * 64},
        {**fields, "signature": "ü"},
        {"run": "x" * 30},
        {**fields, "run": "9" * 19},
    ]
    for each in wrong:
        assert served.http.get("/approve", params=each).status_code == 404
        sent = {**each, "decision": "approve", "reason": "r"}
        assert served.http.post("/approve", data=sent).status_code == 404
    for content in (b"a=" + b"x" * 9000, b"a=1&" * 20):
        assert served.http.post("/approve", content=content).status_code == 404
    elsewhere = {"sec-fetch-site": "cross-site"}
    forged = {**fields, "decision": "approve", "reason": "r"}
    assert served.http.post("/approve", data=forged, headers=elsewhere).status_code == 403
    for missing in ({"reason": "r"}, {"decision": "approve"}, {"decision": "no", "reason": "r"}):
        assert served.http.post("/approve", data={**fields, **missing}).status_code == 422
    assert state(served) == "awaiting_approval"
    decision = {**fields, "decision": "approve", "reason": "<b>the unit</b>"}
    made = served.http.post("/approve", data=decision)
    assert made.status_code == 200
    assert "&lt;b&gt;the unit&lt;/b&gt;" in made.text
    audited = served.get("audit", limit=1)["entries"][0]
    said = {key: audited[key] for key in ("operation", "entity", "name", "outcome")}
    assert said == {
        "operation": "POST /approve",
        "entity": ENTITY,
        "name": "retrain",
        "outcome": "done",
    }
    for method in ("GET", "POST"):
        again = served.http.request(method, link, data=decision if method == "POST" else None)
        assert again.status_code == 409
        assert "decided already" in again.text
    eventually(lambda: state(served) == "accepted")
    assert len(target.posted) == 1
    turns = [(turn["state"], turn["author"]) for turn in runs(served)[0]["turns"]]
    assert ("approved", "local") in turns


def test_an_expired_link_decides_nothing(
    served: Running, webhook: Webhook, target: Webhook
) -> None:
    opened(served, webhook, target, approval_seconds=1.0)
    eventually(lambda: len(webhook.accepted) >= 2)
    fields = {**fields_of(link_in(webhook)), "decision": "approve", "reason": "r"}
    eventually(lambda: state(served) == "expired")
    assert served.http.post("/approve", data=fields).status_code == 409
    assert state(served) == "expired"
    assert target.posted == []


def test_only_approvers_decide_with_or_without_a_link(
    database: Path, webhook: Webhook, target: Webhook
) -> None:
    with running(database, webhook_allow=LOOPBACK, principals=PRINCIPALS) as served:
        served.http.headers["authorization"] = f"Bearer {TOKENS['alice']}"
        opened_by_alice(served, webhook, target)
        (run,) = runs(served)
        link = link_in(webhook)
        fields = {**fields_of(link), "decision": "approve", "reason": "r"}
        for token in (None, TOKENS["bob"], "unknown"):
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            with httpx.Client(base_url=served.collector.http_url, trust_env=False) as other:
                shown = other.get(link, headers=headers)
                assert (shown.status_code, "<form" in shown.text) == (200, False)
                ours = {**headers, "origin": served.collector.http_url}
                assert other.post("/approve", data=fields, headers=ours).status_code == 403
                assert other.get("/api/v1/episodes", headers={}).status_code == 401
        as_bob = {"authorization": f"Bearer {TOKENS['bob']}"}
        asked = {"entity": ENTITY, "run": run["run"]}
        body = {"reason": "r"}
        refused = served.http.post(
            "/api/v1/actions/approve", params=asked, json=body, headers=as_bob
        )
        assert (refused.status_code, "may not approve" in refused.text) == (403, True)
        assert state(served) == "awaiting_approval"
        as_carol = {"authorization": f"Bearer {TOKENS['proxy']}", "x-forwarded-user": "carol"}
        made = served.http.post("/approve", data=fields, headers=as_carol)
        assert made.status_code == 200
        eventually(lambda: state(served) == "accepted")
        assert ("approved", "carol") in [
            (turn["state"], turn["author"]) for turn in runs(served)[0]["turns"]
        ]


def opened_by_alice(served: Running, webhook: Webhook, target: Webhook) -> None:
    channel = {"name": "team", "kind": "webhook", "secrets": {"url": webhook.url}}
    served.http.put("/api/v1/channels", json=channel).raise_for_status()
    put_target(served, target).raise_for_status()
    apply(served, approvers=["alice", "carol"])
    request = ShipRequest(
        agent="pod-1", epoch=b"e" * 16, oldest_held=0, rows=[a_row(1, an_evaluation(0.5, 1))]
    )
    metadata = (("authorization", f"Bearer {TOKENS['alice']}"),)
    served.stub.Ship(request, timeout=10, metadata=metadata)
    eventually(lambda: len(webhook.accepted) == 2)


def test_a_link_alone_decides_if_the_action_says_so(
    database: Path, webhook: Webhook, target: Webhook
) -> None:
    with running(database, webhook_allow=LOOPBACK, principals=PRINCIPALS) as served:
        served.http.headers["authorization"] = f"Bearer {TOKENS['alice']}"
        opened_by_alice(served, webhook, target)
        apply(served, name="other", approvers=[], approve_by_link=True, cool_down_seconds=0.0)
        (run,) = [one for one in runs(served) if one["action"] == "retrain"]
        post(served, "decline", run=run["run"]).raise_for_status()
        eventually(lambda: len(webhook.accepted) == 4)
        asked = [one.content for one in webhook.accepted if one.content["action"]]
        (link,) = [one["link"] for one in asked if one["action"]["name"] == "other"]
        fields = {**fields_of(link), "decision": "decline", "reason": "not now"}
        origin = {"origin": served.collector.http_url}
        with httpx.Client(base_url=served.collector.http_url, trust_env=False) as other:
            assert other.post("/approve", data=fields).status_code == 403  # from another site
            assert other.post("/approve", data=fields, headers=origin).status_code == 200
        (run,) = [one for one in runs(served) if one["action"] == "other"]
        assert (run["state"], run["turns"][-1]["author"]) == ("declined", "the link")
        assert target.posted == []


def test_the_command_line_lists_and_decides(
    served: Running, webhook: Webhook, target: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(served, webhook, target)
    eventually(lambda: state(served) == "awaiting_approval")

    def told(*words: str) -> str:
        assert main(["actions", *words, "--collector", served.collector.http_url]) == 0
        return capsys.readouterr().out

    listed = told("list", "--open", "--history")
    assert re.fullmatch(
        rf"1  {ENTITY}  retrain  awaiting_approval \S+ \S+Z: .*\n    .*waiting: .*\n    .*\n",
        listed,
    )
    assert "declined by local" in told("decline", "1", "--reason", "known")
    refused = post(served, "approve", run=1)
    assert (refused.status_code, "does not await approval" in refused.text) == (409, True)
    (episode,) = served.get("episodes")["episodes"]
    by_hand = served.http.post(
        "/api/v1/actions/run",
        params={"entity": ENTITY, "episode": episode["id"]},
        json={"action": "retrain", "reason": "now"},
    )
    assert (by_hand.status_code, "less than 1 day ago" in by_hand.text) == (409, True)
