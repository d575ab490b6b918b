"""No secret of a channel is found in what a collector writes: logs, answers, pages, metrics, tables.

Each secret is a canary, a text of its own. Only the table of channels has them.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nilometer.testing import eventually
from nilometer_collector.testing import Running, Webhook, an_evaluation, running

KINDS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "slack": ({}, {"url": "{at}/services/T0/{canary}"}),
    "teams": ({}, {"url": "{at}/workflows?sig={canary}"}),
    "webhook": ({}, {"url": "{at}/{canary}", "signing_key": "{canary}-signing-key"}),
    "pagerduty": ({"url": "{at}"}, {"routing_key": "{canary}"}),
    "opsgenie": ({"url": "{at}"}, {"api_key": "{canary}"}),
    "email": (
        {"server": "127.0.0.1:1", "from": "n@x.example", "to": "a@x.example", "username": "n"},
        {"password": "https://{canary}"},
    ),
}
# Addresses that are refused when they are saved; the answer may show their host.
WRONG = [
    "https://10.0.0.1/{canary}",
    "https://x.example:{canary}@127.0.0.1/",
    "https://x.example\\{canary}/",
    "http://x.example/{canary}",
    "https:{canary}",
    "{canary}",
    "https://x.example/{canary} {canary}",
    "https://x.example/" + "{canary}" * 200,
]
READ = [
    *("/", "/metrics", "/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/changes"),
    *("/api/v1/channels", "/api/v1/routes", "/api/v1/deliveries", "/api/v1/episodes"),
    *("/api/v1/entities", "/api/v1/objects", "/api/v1/storage", "/api/v1/nowhere"),
]


def canaries() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"canary{number:04}x7qz"


def filled(values: dict[str, str], at: str, canary: str) -> dict[str, str]:
    return {name: value.format(at=at, canary=canary) for name, value in values.items()}


def drive(served: Running, webhook: Webhook, new: Iterator[str]) -> list[str]:
    """Save, use, test and refuse channels of every kind; return all that was answered."""
    at = webhook.url.partition("/services")[0]
    answers = []

    def asked(method: str, path: str, **more: Any) -> None:
        answer = served.http.request(method, path, **more)
        answers.append(f"{answer.headers} {answer.text}")

    for kind, (settings, secrets) in KINDS.items():
        canary = next(new)
        body: dict[str, object] = {
            "name": f"a-{kind}",
            "kind": kind,
            "settings": filled(settings, at, canary),
            "secrets": filled(secrets, at, canary),
        }
        answer = served.http.put("/api/v1/channels", json=body).raise_for_status()
        answers.append(answer.text)
        asked("PUT", "/api/v1/channels", json={**body, "surprise": 1})
        asked("PUT", "/api/v1/channels", json={**body, "secrets": {**filled(secrets, at, "\x01")}})
    for wrong in WRONG:
        url = wrong.format(canary=next(new))
        for kind in ("slack", "pagerduty"):
            secrets = {"url": url} if kind == "slack" else {"routing_key": next(new), "url": url}
            asked("PUT", "/api/v1/channels", json={"name": "w", "kind": kind, "secrets": secrets})
    webhook.statuses = [500, 400, 302, 429, 503, 504]
    served.sender().ship(an_evaluation(0.5, 1))
    eventually(lambda: all(one["attempts"] for one in served.get("deliveries")["deliveries"]), 60)
    for kind in KINDS:
        asked("POST", "/api/v1/channels/test", params={"name": f"a-{kind}"})
    for path in READ:
        asked("GET", path)
    return answers


def test_no_secret_of_a_channel_is_found_in_what_a_collector_writes(
    database: Path,
    webhook: Webhook,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    new = canaries()
    own = f"http://127.0.0.1:1/{next(new)}"  # nobody listens
    heartbeat = f"{webhook.url}/{next(new)}"
    with running(
        database, webhook_allow=["127.0.0.0/8"], slack_webhook_url=own, heartbeat_url=heartbeat
    ) as served:
        answers = drive(served, webhook, new)
    written = {
        "answers": "\n".join(answers),
        "logs": caplog.text + "".join(str(vars(record)) for record in caplog.records),
        "terminal": "".join(capfd.readouterr()),
        "tables": "\n".join(_cells(database)),
    }
    assert {place for place, text in written.items() if "x7qz" in text} == set()
    assert len(written["answers"]) > 10_000
    assert "notification" in written["logs"]
    assert any("x7qz" in posted.path for posted in webhook.posted)  # they were in use


def _cells(database: Path) -> Iterator[str]:
    """Yield every cell of every table, except the definitions of channels."""
    with closing(sqlite3.connect(database)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                cells = row[:-1] if table == "channels" else row
                yield from (str(cell) for cell in cells)
