"""Decisions about episodes over HTTP: who made them, what they change, and what is refused."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.problems import is_problem

from nilometer.testing import SteppedClock
from nilometer_collector.testing import ENTITY, Running, an_evaluation, running

NOW = 1_700_000_000.0  # Unix seconds
TOKENS = {"on-call": "canary-on-call", "proxy": "canary-proxy"}
PRINCIPALS = [
    {
        "name": name,
        "token_sha256": [hashlib.sha256(token.encode()).hexdigest()],
        "read": ["*"],
        "write": ["*"],
        "author_header": "X-Forwarded-User" if name == "proxy" else "",
    }
    for name, token in TOKENS.items()
]


@pytest.fixture
def alerting(tmp_path: Path) -> Iterator[Running]:
    """A collector with an open episode."""
    clock = SteppedClock(wall_ns=round(NOW * 1e9))
    with running(tmp_path / "collector.db", clock) as served:
        served.sender().ship(an_evaluation(0.5, 1))
        yield served


def episode_of(served: Running) -> dict[str, Any]:
    """Return the newest episode."""
    newest: dict[str, Any] = served.get("episodes", entity=ENTITY)["episodes"][0]
    return newest


def decide(
    served: Running,
    kind: str,
    body: dict[str, Any],
    *,
    episode: int | None = None,
    author: str | None = None,
) -> httpx.Response:
    """Make a decision about the newest episode, or about *episode*."""
    chosen = episode_of(served)["id"] if episode is None else episode
    return served.http.post(
        f"/api/v1/episodes/{kind}",
        params={"entity": ENTITY, "episode": chosen},
        json=body,
        headers={} if author is None else {"X-Forwarded-User": author},
    )


def test_an_episode_shows_its_decisions(alerting: Running) -> None:
    answer = decide(alerting, "acknowledge", {"reason": "I look into it"})
    made = answer.raise_for_status().json()
    assert made == {
        "kind": "acknowledged",
        "author": "local",
        "reason": "I look into it",
        "made": NOW,
        "until": None,
        "summary": "",
        "labels": {},
        "pending": False,
        "lapsed": False,
    }
    silence = {"reason": "a known sale", "until": NOW + 60}
    decide(alerting, "silence", silence).raise_for_status()
    episode = episode_of(alerting)
    assert [one["kind"] for one in episode["decisions"]] == ["acknowledged", "silenced"]
    assert (episode["acknowledged_by"], episode["silenced_until"]) == ("local", NOW + 60)
    decide(alerting, "unsilence", {"reason": "it is over"}).raise_for_status()
    assert episode_of(alerting)["silenced_until"] is None


def test_a_new_normal_closes_the_episode_of_a_set_alerter(alerting: Running) -> None:
    made = decide(alerting, "new-normal", {"reason": "prices rose"}).raise_for_status().json()
    assert (made["summary"], made["pending"]) == ("input.amount", False)
    episode = episode_of(alerting)
    assert [turn["status"] for turn in episode["history"]] == ["ALERTING", "PAUSED"]
    problem = is_problem(decide(alerting, "acknowledge", {"reason": "late"}), 409)
    assert problem.detail.startswith(f"episode {episode['id']} is closed since ")


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("acknowledge", {}, "reason"),
        ("acknowledge", {"reason": " "}, "reason"),
        ("acknowledge", {"reason": "a\nb"}, "reason"),
        ("acknowledge", {"reason": "x" * 501}, "reason"),
        ("acknowledge", {"reason": "x", "until": NOW - 1}, "until"),
        ("silence", {"reason": "x"}, "until"),
        ("silence", {"reason": "x", "until": NOW + 367 * 86_400}, "until"),
        ("unsilence", {"reason": "x", "until": NOW + 60}, "until"),
        ("new-normal", {"reason": "x", "labels": {"Version": "7"}}, "labels"),
    ],
)
def test_a_body_that_is_not_allowed_names_its_field(
    alerting: Running, kind: str, body: dict[str, Any], field: str
) -> None:
    assert is_problem(decide(alerting, kind, body), 422).field == field
    assert episode_of(alerting)["decisions"] == []


def test_what_does_not_exist_is_404(alerting: Running) -> None:
    is_problem(decide(alerting, "acknowledge", {"reason": "x"}, episode=999), 404)
    is_problem(decide(alerting, "new-normal", {"reason": "x", "summary": "input.age"}), 404)
    is_problem(decide(alerting, "unsilence", {"reason": "x"}), 409)


def test_the_author_is_the_principal_or_whom_a_trusted_proxy_names(tmp_path: Path) -> None:
    database = tmp_path / "collector.db"
    with running(database, SteppedClock()) as served:
        served.sender().ship(an_evaluation(0.5, 1))
    with running(database, SteppedClock(), principals=PRINCIPALS) as served:
        authors = []
        body = {"reason": "I look into it"}
        for token in TOKENS.values():
            served.http.headers["authorization"] = f"Bearer {token}"
            answer = decide(served, "acknowledge", body, author="alice")
            authors.append(answer.raise_for_status().json()["author"])
        assert authors == ["on-call", "alice"]
        for name in ("", "x" * 129):
            is_problem(decide(served, "acknowledge", body, author=name), 422)
        is_problem(decide(served, "acknowledge", body), 422)
