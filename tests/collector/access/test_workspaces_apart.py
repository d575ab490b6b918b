"""A principal of a workspace gets the same answers whether or not other workspaces have anything.

Two collectors have the same objects of the workspace alpha; one has objects of beta besides. Every
operation of the OpenAPI document is asked of both, by a principal of alpha, also with names of beta.
"""

import hashlib
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.problems import ALERTER

from nilometer.batch.reference_upload import put_reference
from nilometer.testing import SteppedClock, amounts, eventually
from nilometer_collector.api.openapi import document
from nilometer_collector.api.resources.registered import OPERATIONS
from nilometer_collector.testing import (
    Running,
    a_reference,
    an_alerter,
    an_evaluation,
    feature_sample,
    running,
)

ALPHA, BETA = "alpha-model", "beta-zanzibar-model"
CANARY = "zanzibar"  # in every name and text of beta
WORKSPACES = [
    {"name": "alpha", "entities": ["alpha-*"]},
    {"name": "beta", "entities": ["beta-*"]},
]
PRINCIPALS: list[dict[str, Any]] = [
    {
        "name": name,
        "token_sha256": [hashlib.sha256(name.encode()).hexdigest()],
        "agents": [],
        "read": ["*"],
        "write": ["*"],
        "workspace": workspace,
    }
    for name, workspace in (("member", "alpha"), ("other", "beta"), ("chief", ""))
]
HEADERS = {"authorization": "Bearer member"}
CHIEF = {"authorization": "Bearer chief"}
OBJECTS = ("channels", "routes", "targets")
LOOPBACK = ["127.0.0.0/8"]


def fill(served: Running, workspace: str, entity: str, word: str) -> None:
    """Give *workspace* one of everything, with *word* in every name."""
    put_reference(
        a_reference({f"input.{word}": amounts(200)}, name=word, entity=entity),
        served.collector.grpc_target,
    )
    http = served.http
    channel = {"name": f"{workspace}/{word}", "kind": "webhook"}
    channel |= {"secrets": {"url": f"http://127.0.0.1:9/{word}"}}  # type: ignore[dict-item]
    signed = {"url": f"http://127.0.0.1:9/{word}", "signing_key": "k" * 32}
    if word == CANARY:
        http.put("/api/v1/channels", json=channel).raise_for_status()
    served.sender(word).ship(
        feature_sample(amounts(50), entity=entity, summary=f"input.{word}"),
        an_evaluation(
            0.5, 1, summary=f"input.{word}", alerter=an_alerter(entity=entity, name=word)
        ),
    )
    applied = {
        "version": 1,
        "entities": [{"name": entity, "owner": word, "reads_from": [f"{entity}-source"]}],
        "alerters": [{**ALERTER, "entity": entity, "name": word, "reference": word}],
        "routes": [{"name": f"{workspace}/{word}", "channels": [f"{workspace}/{word}"]}],
        "actions": [
            {
                "entity": entity,
                "name": word,
                "cure": "retrain",
                "target": f"{workspace}/{word}",
                "parameters": {"why": word},
            }
        ],
    }
    http.post("/api/v1/apply", json=applied).raise_for_status()
    if word != CANARY:  # no delivery, whose attempts are made at random times
        http.put("/api/v1/channels", json=channel).raise_for_status()
    target = {"name": f"{workspace}/{word}", "kind": "webhook", "secrets": signed}
    http.put("/api/v1/targets", json=target).raise_for_status()
    row = {"entity": entity, "summary": f"logged.{word}", "start": 0, "seconds": 60}
    content = {"type": "number", "value": 1}
    http.post("/api/v1/samples", json={"samples": [{**row, "content": content}]}).raise_for_status()
    asked = {"entity": entity, "episode": "1" if word != CANARY else "2"}
    said = {"reason": word}
    http.post("/api/v1/episodes/acknowledge", params=asked, json=said).raise_for_status()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Running]]:
    """A collector with both workspaces, and one with alpha only."""
    both, alone = (tmp_path_factory.mktemp(name) / "collector.db" for name in ("both", "alone"))
    told: dict[str, Any] = {"workspaces": WORKSPACES, "webhook_allow": LOOPBACK}
    with running(both, SteppedClock(), **told) as served:
        fill(served, "alpha", ALPHA, "open")
    shutil.copy(both, alone)
    with running(both, SteppedClock(), **told) as served:
        fill(served, "beta", BETA, CANARY)
    with (
        running(both, SteppedClock(), principals=PRINCIPALS, **told) as first,
        running(alone, SteppedClock(), principals=PRINCIPALS, **told) as second,
    ):
        yield first, second


def values(path: str, entity: str, word: str) -> dict[str, str]:
    """A value for each parameter that may name something."""
    is_object = path.split("/")[3].startswith(OBJECTS)
    return {
        "entity": entity,
        "summary": f"input.{word}",
        "name": f"beta/{word}" if is_object else word,
        "reference": word,
        "other": word,
        "ground_truth": f"logged.{word}",
        "other_entity": entity,
        "candidate_entity": entity,
        "candidate": "version=1",
        "channel": f"beta/{word}",
        "episode": "2" if word == CANARY else "1",
        "run": "2" if word == CANARY else "1",
        "kind": "alerter",
        "id": word,
        "subject": word,
    }


def bodies(entity: str, word: str) -> dict[str, list[dict[str, Any]]]:
    """Bodies that name things of beta, by operation."""
    sample = {"entity": entity, "summary": "logged.x", "start": 0, "seconds": 60}
    alerter = {**ALERTER, "entity": entity, "name": word}
    towards = {
        "kind": "OTHER",
        "entity": ALPHA,
        "name": "towards",
        "summary": "input.*",
        "threshold": 0.2,
        "parameters": {"other_entity": entity},
    }
    channel = {"kind": "webhook", "secrets": {"url": "http://127.0.0.1:9/x"}}
    signed = {"url": "http://127.0.0.1:9/x", "signing_key": "k" * 32}
    action = {"entity": ALPHA, "name": "cure", "cure": "retrain", "target": f"beta/{word}"}
    named = f"beta/{word}"
    return {
        "putEntity": [{"owner": "x"}, {"reads_from": [entity]}],
        "logSamples": [{"samples": [{**sample, "content": {"type": "number", "value": 1}}]}],
        "putGroundTruth": [{"entity": entity, "rows": []}],
        "makeReference": [{"entity": entity, "name": "week", "end": 1}],
        "putAlerter": [alerter, towards],
        "putReports": [
            {"entity": entity, "name": word, "reports": [{"status": "OK", "evidence": "fine"}]}
        ],
        "applyDocument": [
            {"version": 1, "alerters": [alerter]},
            {"version": 1, "alerters": [towards]},
            {"version": 1, "entities": [{"name": ALPHA, "reads_from": [entity]}]},
            {"version": 1, "routes": [{"name": named, "channels": ["alpha/open"]}]},
            {"version": 1, "routes": [{"name": "alpha/r", "channels": [named]}]},
            {"version": 1, "actions": [action]},
            {"version": 1, "actions": [{**action, "target": "alpha/open", "escalate_to": named}]},
            {"version": 1, "actions": [{**action, "target": "alpha/open", "entity": "*"}]},
        ],
        "rollBack": [{"revision": 0}, {"revision": 1}, {"revision": 0, "entity": entity}],
        "runBacktest": [{"entity": entity}, {}, {"alerters": [alerter]}, {"alerters": [towards]}],
        "acknowledgeEpisode": [{"reason": "x"}],
        "silenceEpisode": [{"reason": "x", "seconds": 60}],
        "unsilenceEpisode": [{"reason": "x"}],
        "acceptNewNormal": [{"reason": "x"}],
        "putChannel": [{**channel, "name": named}],
        "putRoute": [
            {"name": named, "channels": [named]},
            {"name": "alpha/r", "channels": [named]},
        ],
        "putTarget": [{"name": named, "kind": "webhook", "secrets": signed}],
        "approveRun": [{"reason": "x"}],
        "declineRun": [{"reason": "x"}],
        "startRun": [{"action": word, "reason": "x"}],
    }


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation of the OpenAPI document."""
    paths: Any = document(OPERATIONS)["paths"]
    return [
        (method.upper(), path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def questions(
    method: str, path: str, operation: dict[str, Any]
) -> Iterator[tuple[dict[str, str], Any]]:
    """Parameters and bodies that reach for beta, and for alpha with names of beta.

    None of them changes alpha, because the numbers of its revisions would then differ.
    """
    asked = operation.get("parameters", [])
    always = {"dry_run": "true"} if any(one["name"] == "dry_run" for one in asked) else {}
    if not path.startswith("/api/"):
        yield {}, None
        return
    reaching = values(path, BETA, CANARY)
    own = values(path, ALPHA, "open") if method == "GET" else {**reaching, "entity": ALPHA}
    for known in (reaching, own):
        needed = {one["name"]: known[one["name"]] for one in asked if one.get("required")} | always
        extra = [{one["name"]: reaching[one["name"]]} for one in asked if one["name"] in reaching]
        for added in ({}, *extra):
            for body in bodies(BETA, CANARY).get(operation["operationId"], [None]):
                parameters = {**needed, **added}
                is_change = operation["operationId"] == "deleteEntity" or body == {"owner": "x"}
                if not (is_change and parameters["entity"] == ALPHA):
                    yield parameters, body


def plain(served: Running, answer: httpx.Response) -> tuple[int, bytes]:
    """Status and body, with a word for the newest revision: its number counts for all workspaces."""
    content = answer.content
    if b'"based_on":' in content:
        stored = served.http.get("/api/v1/changes", params={"limit": 1}, headers=CHIEF).json()
        newest = stored["revisions"][0]["revision"]
        content = content.replace(b'"based_on":%d,' % newest, b'"based_on":"newest",')
    return answer.status_code, content


def test_every_operation_with_a_body_is_asked_with_names_of_another_workspace() -> None:
    with_body = {one["operationId"] for _, _, one in operations() if "requestBody" in one}
    assert with_body == set(bodies(BETA, CANARY))


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    operations(),
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_no_operation_tells_a_member_anything_of_another_workspace(
    pair: tuple[Running, Running], method: str, path: str, operation: dict[str, Any]
) -> None:
    both, alone = pair
    for parameters, body in questions(method, path, operation):

        def ask(served: Running, sent: dict[str, str] = parameters, json: Any = body) -> Any:
            told = {"params": sent, "headers": HEADERS, **({} if json is None else {"json": json})}
            return plain(served, served.http.request(method, path, **told))

        def same() -> Any:
            found = ask(both)
            return found if found == ask(alone) else None

        status, content = eventually(same, timeout=5.0)
        assert status < 500
        is_own_words = CANARY in repr((parameters, body)) or path == "/api/v1/audit"
        if not is_own_words:  # the audit log has what the member itself tried
            assert CANARY.encode() not in content


def test_both_workspaces_are_there_and_stay_whole(pair: tuple[Running, Running]) -> None:
    both, _ = pair
    for name in ("entities", "alerters", "references", "episodes", *OBJECTS, "objects", "changes"):
        text = both.http.get(f"/api/v1/{name}", headers=CHIEF).raise_for_status().text
        assert CANARY in text, name
        other = both.http.get(f"/api/v1/{name}", headers={"authorization": "Bearer other"})
        assert CANARY in other.raise_for_status().text, name
        assert "alpha" not in other.text.replace(CANARY, ""), name
        own = both.http.get(f"/api/v1/{name}", headers=HEADERS).raise_for_status().text
        assert "open" in own, name
    stored = both.http.get("/api/v1/changes", headers=CHIEF).json()["revisions"]
    assert {one["author"] for one in stored} <= {"local", "settings"}  # no member changed anything
