"""What a workspace holds, who may use it, and what the audit log says."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from nilometer.alert import Severity
from nilometer.settings.settings import checked
from nilometer.testing import SteppedClock, amounts
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer_collector.access.needs import Need
from nilometer_collector.access.principals import Principal
from nilometer_collector.access.rights import Access, Forbidden, Gate, Hidden
from nilometer_collector.access.workspaces import (
    Workspace,
    Workspaces,
    covers,
    owner_of,
    shared_name,
)
from nilometer_collector.actions.targets import is_for_entity
from nilometer_collector.alerting.actions import ActionDefinition
from nilometer_collector.alerting.routes import RouteDefinition, Subject
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.counters import Counter
from nilometer_collector.declared.apart import outside
from nilometer_collector.settings import CollectorSettings
from nilometer_collector.store.named import payload_of
from nilometer_collector.store.routing import due_by_channel
from nilometer_collector.testing import Running, feature_sample, running

PAYMENTS = Workspace(name="payments", entities=("fraud-*", "pricing"))
SEARCH = Workspace(name="search", entities=("ranking-*",))
BOTH = Workspaces([PAYMENTS, SEARCH])
DIGEST = ("0" * 64,)


def member(**rights: Any) -> Principal:
    return Principal(name="ada", token_sha256=DIGEST, workspace="payments", **rights)


def test_all_rights_end_at_the_workspace() -> None:
    access = Gate([member()], BOTH).enter(Need.READ, member(read=("*",)))
    assert [access.may(name) for name in ("fraud-eu", "pricing", "ranking-eu", "other")] == [
        True,
        True,
        False,
        False,
    ]
    assert not access.is_unlimited
    with pytest.raises(Hidden):
        access.require(["fraud-eu", "ranking-eu"])
    with pytest.raises(Hidden):
        access.require_pattern("*")
    access.require_pattern("fraud-eu-*")
    access.require_named("payments/pager")
    for name in ("pager", "search/pager"):
        with pytest.raises(Hidden):
            access.require_named(name)


def test_inside_the_workspace_the_patterns_of_the_principal_hold() -> None:
    access = Access(member(write=("fraud-*",)), Need.WRITE, PAYMENTS)
    with pytest.raises(Forbidden) as refused:
        access.require(["pricing"])
    assert refused.type is Forbidden
    with pytest.raises(Forbidden):  # a channel is for all entities of the workspace
        access.require_named("payments/pager")


def test_rights_without_their_workspace_cannot_be_made() -> None:
    for principal, workspace in ((member(), None), (Principal(name="x"), PAYMENTS)):
        with pytest.raises(ValueError, match="workspace"):
            Access(principal, Need.READ, workspace)


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ("fraud-*", "*-eu", "fraud-eu"),
        ("a?c", "ab*", "abc"),
        ("[!ac]x", "[a-c]x", "bx"),
        ("[ab]*", "[cd]*", None),
        ("fraud-*", "pricing-*", None),
        ("a-?", "a-??", None),
        ("[", "[[]", "["),
    ],
)
def test_a_name_that_two_patterns_share_is_found(one: str, other: str, name: str | None) -> None:
    assert shared_name(one, other) == shared_name(other, one) == name


@pytest.mark.parametrize(
    ("patterns", "pattern", "is_covered"),
    [
        (("fraud-*",), "fraud-eu-?", True),
        (("fraud-*",), "fraud-*", True),
        (("fraud-*",), "fraud*", False),
        (("*",), "[ab]", True),
        (("[ab]x",), "ax", True),
        (("*]c",), "[ab]c", False),
        (("a?",), "a*", False),
    ],
)
def test_a_pattern_is_covered_only_if_all_its_names_are(
    patterns: tuple[str, ...], pattern: str, *, is_covered: bool
) -> None:
    assert covers(patterns, pattern) is is_covered


@pytest.mark.parametrize(
    ("workspaces", "word"),
    [
        ([{"name": name, "entities": ["a"]}], "name = ")
        for name in ("", "A", "a/b", "../etc", "<b>", "a\0", "\ud800", "a.b", "x" * 33, "a\n")
    ]
    + [
        ([{"name": "a", "entities": entities}], word)
        for entities, word in (
            ([], "1 to 64"),
            (["*"], "kept apart"),
            ([""], "printable"),
            (["a\0"], "printable"),
            (["\ud800"], "printable"),
        )
    ]
    + [
        ([{"name": "a", "entities": ["x"]}] * 2, "same name"),
        (
            [{"name": "a", "entities": ["fraud-*"]}, {"name": "b", "entities": ["*-eu"]}],
            "both claim the entity 'fraud-eu'",
        ),
    ],
)
def test_a_wrong_workspace_is_refused_at_the_start(workspaces: object, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        checked(CollectorSettings, {"workspaces": workspaces})


def test_a_workspace_that_is_used_cannot_be_left_out() -> None:
    told = {"name": "ada", "token_sha256": [*DIGEST], "workspace": "payments", "agents": []}
    with pytest.raises(ConfigError, match="is not among the workspaces"):
        checked(CollectorSettings, {"principals": [told]})
    route = {"name": "payments/r", "channels": ["payments/pager"]}
    with pytest.raises(ConfigError, match="is not among the workspaces"):
        checked(CollectorSettings, {"routes": [route]})


def test_a_channel_of_a_workspace_hears_of_its_entities_only() -> None:
    channels = ["pager", "payments/pager", "search/pager", "gone/pager"]
    stray = RouteDefinition(name="search/r", channels=["payments/pager"])  # stored by an older file

    def told(entity: str, workspaces: Workspaces = BOTH) -> set[str]:
        subject = Subject(entity=entity, owner="", severity=Severity.INFO, labels=Labels())
        stored = {stray.name: payload_of(stray)}
        return {*due_by_channel(channels, stored, subject, 1, 0, workspaces)}

    assert told("fraud-eu") == {"pager", "payments/pager"}
    assert told("ranking-eu") == {"pager", "search/pager"}
    assert told("other") == {"pager"}
    assert told("fraud-eu", Workspaces()) == {"pager"}  # both workspaces were left out


def test_a_target_is_used_for_its_entities_only() -> None:
    target = TargetDefinition(name="ci", kind="webhook", entities=["fraud-*"])
    assert is_for_entity(target, "fraud-eu", BOTH)
    assert not is_for_entity(target, "ranking-eu", BOTH)
    owned = TargetDefinition(name="search/ci", kind="webhook")
    assert owner_of(owned.name) == "search"
    assert is_for_entity(owned, "ranking-eu", BOTH)
    assert not is_for_entity(owned, "fraud-eu", BOTH)


def test_an_action_may_escalate_to_a_channel_of_the_whole_collector() -> None:
    def places(channel: str) -> list[str]:
        action = ActionDefinition(
            entity="fraud-*", name="ask", cure="ask_human", escalate_to=channel
        )
        return [*outside(action, BOTH)]

    assert places("pager") == places("payments/pager") == []
    assert places("search/pager") == ["escalate_to"]


def told_principal(name: str, workspace: str = "", **rights: Any) -> dict[str, Any]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    rights = {"read": ["*"], "write": ["*"], "agents": [], **rights}
    return {"name": name, "token_sha256": [digest], "workspace": workspace, **rights}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    principals = [
        told_principal("chief"),
        told_principal("ada", "payments", agents=["pod-*"], ship=["*"]),
        told_principal("reader", "payments", write=[]),
        told_principal("bob", "search"),
    ]
    workspaces = [{"name": one.name, "entities": one.entities} for one in (PAYMENTS, SEARCH)]
    told: dict[str, Any] = {"principals": principals, "workspaces": workspaces}
    with running(tmp_path / "c.db", SteppedClock(), webhook_allow=["127.0.0.0/8"], **told) as it:
        yield it


def ask(served: Running, name: str, method: str, path: str, **told: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {name}"}
    return served.http.request(method, f"/api/v1/{path}", headers=headers, **told)


def audit(served: Running, name: str) -> list[tuple[str, str, str, str, int]]:
    found = ask(served, name, "GET", "audit").raise_for_status().json()["entries"]
    keys = ("author", "operation", "entity", "outcome", "times")
    return [tuple(one[key] for key in keys) for one in found]


def test_the_audit_log_has_changes_and_refusals_for_those_who_may_see_them(
    served: Running,
) -> None:
    for owner in ("risk", "ops"):
        told = {"params": {"entity": "fraud-eu"}, "json": {"owner": owner}}
        ask(served, "ada", "PUT", "entity", **told).raise_for_status()
    for _ in range(2):
        hidden = ask(served, "ada", "DELETE", "entity", params={"entity": "ranking-eu"})
        assert hidden.status_code == 404
    assert (
        ask(served, "reader", "DELETE", "entity", params={"entity": "pricing"}).status_code == 403
    )
    assert ask(served, "nobody", "GET", "entities").status_code == 401
    changes = [("ada", "PUT /api/v1/entity", "fraud-eu", "done", 1)] * 2
    refusals = [
        ("reader", "DELETE /api/v1/entity", "pricing", "refused", 1),
        ("ada", "DELETE /api/v1/entity", "ranking-eu", "refused", 2),
    ]
    assert audit(served, "ada") == [*refusals, *changes]
    assert audit(served, "reader") == changes
    assert audit(served, "bob") == []
    unknown = ("", "GET /api/v1/entities", "", "refused", 1)
    assert audit(served, "chief") == [unknown, *refusals, *changes]
    assert served.collector.counters.read()[Counter.CALLS_REFUSED] == 4


def test_an_action_cannot_use_a_target_that_is_for_other_entities(served: Running) -> None:
    secrets = {"url": "http://127.0.0.1:9/", "signing_key": "k" * 32}
    target = {"name": "ci", "kind": "webhook", "secrets": secrets, "entities": ["ranking-*"]}
    ask(served, "chief", "PUT", "targets", json=target).raise_for_status()
    action = {"entity": "fraud-*", "name": "retrain", "cure": "retrain", "target": "ci"}
    answer = ask(served, "ada", "POST", "apply", json={"version": 1, "actions": [action]})
    assert (answer.status_code, answer.json()["field"]) == (409, "actions[0].target")
    for name in ("search/ci", "search/nobodys"):  # whether or not it exists
        body = {"version": 1, "actions": [{**action, "target": name}]}
        answer = ask(served, "ada", "POST", "apply", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "actions[0].target")


def test_an_object_whose_pattern_reaches_outside_is_not_seen(tmp_path: Path) -> None:
    """The text of the pattern matches one of the workspace; what the pattern matches need not."""
    told: dict[str, Any] = {
        "principals": [told_principal("chief"), told_principal("ada", "one")],
        "workspaces": [{"name": "one", "entities": ["fraud-?"]}],
    }
    with running(tmp_path / "c.db", SteppedClock(), **told) as it:
        rules = [{"entity": name, "budget_days": 60} for name in ("fraud-*", "fraud-?")]
        document = {"version": 1, "watch": rules}
        ask(it, "chief", "POST", "apply", json=document).raise_for_status()
        found = ask(it, "ada", "GET", "objects").json()["objects"]
        assert [one["name"] for one in found] == ["fraud-?"]
        revisions = ask(it, "ada", "GET", "changes").json()["revisions"]
        assert [one["name"] for each in revisions for one in each["changes"]] == ["fraud-?"]
        back = ask(it, "ada", "POST", "rollback", json={"revision": 0}).raise_for_status().json()
        assert [one["name"] for one in back["changes"]] == ["fraud-?"]


def test_rows_for_another_workspace_are_refused_and_hold_nothing_up(served: Running) -> None:
    sender = served.sender()
    sender.stub = served.stub
    rows = [feature_sample(amounts(5), entity=name) for name in ("ranking-eu", "fraud-eu")]
    with pytest.MonkeyPatch.context() as patch:
        ship = served.stub.Ship
        as_ada = partial(ship, metadata=(("authorization", "Bearer ada"),))
        patch.setattr(served.stub, "Ship", as_ada)
        reply = sender.ship(*rows)
    assert [(one.sequence, one.forbidden) for one in reply.rejected] == [(1, True)]
    assert "not in the workspace 'payments'" in reply.rejected[0].reason
    counts = served.collector.counters.read()
    assert (counts[Counter.ROWS_STORED], counts[Counter.ROWS_REJECTED]) == (1, 1)
    assert audit(served, "ada") == [("ada", "Ship", "ranking-eu", "refused", 1)]
