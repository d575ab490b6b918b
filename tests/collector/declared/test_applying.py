"""Documents of objects over HTTP: changed together, recorded, and rolled back."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from support.problems import ALERTER, is_problem

from nilometer.batch.reference_upload import put_reference
from nilometer.testing import SteppedClock
from nilometer_collector.declared import applying
from nilometer_collector.declared.applying import By, apply
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.registered import document_of
from nilometer_collector.errors import Busy
from nilometer_collector.store import Origin, Store
from nilometer_collector.testing import (
    ENTITY,
    Running,
    a_reference,
    an_evaluation,
    feature_sample,
    running,
)

LATE: dict[str, Any] = {
    "entity": ENTITY,
    "name": "late",
    "summary": "service",
    "kind": "FIXED",
    "statistic": "p99",
    "comparison": ">",
    "threshold": 2.0,
}
REPORTED: dict[str, Any] = {
    "entity": ENTITY,
    "name": "own",
    "summary": "service",
    "kind": "REPORTED",
    "parameters": {"function": "os:abort"},
}
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "entities": [{"name": ENTITY, "owner": "risk", "attributes": {"tier": "1"}}],
    "alerters": [LATE],
}
WRITER = {"name": "writer", "write": ["fraud-*"], "agents": []}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A collector whose objects no test changes."""
    with running(tmp_path_factory.mktemp("untouched") / "collector.db") as served:
        yield served


def apply_over(served: Running, document: Any, **more: Any) -> httpx.Response:
    return served.http.post("/api/v1/apply", json=document, **more)


def applied(served: Running, document: Any, **parameters: Any) -> Any:
    return apply_over(served, document, params=parameters).raise_for_status().json()


def names(answer: Any) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["name"], one["action"]) for one in answer["changes"]]


def objects(served: Running, **asked: Any) -> dict[tuple[str, str], Any]:
    found = served.get("objects", **asked)["objects"]
    return {(one["kind"], one["name"]): one["definition"] for one in found}


def test_a_document_is_applied_once_and_a_second_time_changes_nothing(served: Running) -> None:
    first = applied(served, DOCUMENT)
    assert names(first) == [("entity", ENTITY, "created"), ("alerter", "late", "created")]
    assert (first["revision"], first["unchanged"], first["dry_run"]) == (1, 0, False)
    again = applied(served, DOCUMENT)
    assert (again["revision"], again["changes"], again["unchanged"]) == (None, [], 2)
    assert served.get("entity", entity=ENTITY)["version"] == 1
    assert [one["name"] for one in served.get("alerters")["alerters"]] == ["late"]


def test_a_dry_run_shows_what_differs_and_changes_nothing(served: Running) -> None:
    applied(served, DOCUMENT)
    entity = {"name": ENTITY, "attributes": {"tier": "2", "team": "a"}}
    changed = {"version": 1, "entities": [entity], "alerters": [{**LATE, "threshold": 3}]}
    answer = applied(served, changed, dry_run="true")
    assert (answer["revision"], answer["dry_run"]) == (None, True)
    assert [one["fields"] for one in answer["changes"]] == [
        [
            {"field": "attributes.team", "before": None, "after": '"a"'},
            {"field": "attributes.tier", "before": '"1"', "after": '"2"'},
            {"field": "owner", "before": '"risk"', "after": None},
        ],
        [{"field": "threshold", "before": "2.0", "after": "3.0"}],
    ]
    assert objects(served)["alerter", "late"]["threshold"] == 2.0
    assert len(served.get("changes")["revisions"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"version": 2}, 422, "version"),
        ({"version": True}, 422, "version"),
        ({"alerter": []}, 422, "alerter"),
        (
            {"alerters": [LATE, {**LATE, "name": "b", "statistics": 1}]},
            422,
            "alerters[1].statistics",
        ),
        ({"alerters": [{**LATE, "statistic": "median"}]}, 422, "alerters[0].statistic"),
        ({"alerters": [{**LATE, "kind": "RANGE", "low": 1}]}, 422, "alerters[0].high"),
        ({"alerters": [{**LATE, "threshold": "2"}]}, 422, "alerters[0].threshold"),
        ({"alerters": [{**LATE, "severity": "bad"}]}, 422, "alerters[0].severity"),
        ({"alerters": [REPORTED]}, 422, "alerters[0].parameters.function"),
        ({"alerters": [{**LATE, "name": "<b>late</b>"}]}, 422, "alerters[0].name"),
        ({"alerters": [{**LATE, "name": "a\0"}]}, 422, "alerters[0].name"),
        ({"alerters": [{**LATE, "name": "a\u202eb"}]}, 422, "alerters[0].name"),
        ({"alerters": [LATE, LATE]}, 409, "alerters[1].name"),
        ({"entities": [{"name": "<b>"}]}, 422, "entities[0].name"),
        ({"watch": [{"entity": "<b>*"}]}, 422, "watch[0].entity"),
        ({"watch": [{"entity": "a\n"}]}, 422, "watch[0].entity"),
        ({"watch": [{"time_zone": "Mars"}]}, 422, "watch[0].time_zone"),
        ({"watch": [{"budget_days": 0}]}, 422, "watch[0].budget_days"),
        ({"entities": [{"name": "a", "time_zone": "Mars"}]}, 422, "entities[0].time_zone"),
        ({"entities": [{"name": "a", "reads_from": ["a"]}]}, 409, "entities[0].reads_from[0]"),
        (
            {
                "entities": [
                    {"name": "a", "reads_from": ["c", "b"]},
                    {"name": "b", "reads_from": ["a"]},
                ]
            },
            409,
            "entities[0].reads_from[1]",
        ),
        (
            {"references": [{"entity": ENTITY, "name": "t", "digest": "ab"}]},
            409,
            "references[0].digest",
        ),
    ],
)
def test_a_mistake_names_its_place_and_nothing_changes(
    untouched: Running, change: dict[str, Any], status: int, field: str
) -> None:
    problem = is_problem(apply_over(untouched, {**DOCUMENT, **change}), status)
    assert problem.field == field
    assert "\n" not in problem.detail
    assert field.partition(".")[0] in problem.detail
    assert (objects(untouched), untouched.get("changes")["revisions"]) == ({}, [])


def test_a_cycle_through_stored_edges_names_an_edge_of_the_document(served: Running) -> None:
    applied(served, {"version": 1, "entities": [{"name": "stored", "reads_from": ["b"]}]})
    entities = [{"name": name, "reads_from": ["stored"]} for name in ("a", "b")]
    answer = apply_over(served, {"version": 1, "entities": entities})
    assert is_problem(answer, 409).field == "entities[1].reads_from[0]"


def test_half_of_a_surrogate_pair_is_no_text(untouched: Running) -> None:
    body = b'{"version": 1, "entities": [{"name": "\\ud800"}]}'
    headers = {"content-type": "application/json"}
    is_problem(untouched.http.post("/api/v1/apply", content=body, headers=headers), 400)


REORDERED = "a\u202eb"  # is shown in another order than it is read by programs
FREE_TEXTS: list[tuple[str, dict[str, Any], str]] = [
    ("entities", {"name": "a", "owner": REORDERED}, "owner"),
    ("entities", {"name": "a", "description": f"one\n{REORDERED}"}, "description"),
    ("entities", {"name": "a", "attributes": {"team": REORDERED}}, "attributes.team"),
    ("summaries", {"entity": ENTITY, "name": "input.a", "unit": REORDERED}, "unit"),
    ("alerters", {**LATE, "name": REORDERED}, "name"),
    ("references", {"entity": ENTITY, "name": REORDERED, "digest": "ab"}, "name"),
    ("routes", {"name": "a", "channels": ["b"], "owners": [REORDERED]}, "owners[0]"),
    (
        "silences",
        {"entity": "a", "name": "b", "from": 1, "until": 2, "reason": REORDERED},
        "reason",
    ),
]


@pytest.mark.parametrize(("kind", "definition", "place"), FREE_TEXTS)
def test_a_text_that_reorders_the_text_around_it_is_refused(
    untouched: Running, kind: str, definition: dict[str, Any], place: str
) -> None:
    for sign in "\u202e\u2066":
        text = msgspec.json.encode(definition).decode().replace("\u202e", sign)
        document = {"version": 1, kind: [msgspec.json.decode(text)]}
        problem = is_problem(apply_over(untouched, document), 422)
        assert problem.field == f"{kind}[0].{place}"
        assert (
            f"must not contain bidirectional controls, and has U+{ord(sign):04X}" in problem.detail
        )
    assert untouched.get("changes")["revisions"] == []


def test_a_pattern_of_data_may_reorder_text_as_data_may(served: Running) -> None:
    silence = {"entity": ENTITY, "name": "s", "from": 1, "until": 2, "reason": "r"}
    matching = {"summaries": [REORDERED], "labels": {"region": REORDERED}}
    document = {
        "version": 1,
        "summaries": [{"entity": ENTITY, "name": f"input.{REORDERED}"}],
        "alerters": [{**ALERTER, "summary": f"input.{REORDERED}"}],
        "routes": [{"name": "a", "channels": ["b"], "labels": matching["labels"]}],
        "silences": [{**silence, **matching}],
        "performance": [{"entity": ENTITY, "task": "binary", "score": "s", "positive": REORDERED}],
    }
    assert len(applied(served, document)["changes"]) == 5


def test_a_mark_of_direction_is_a_part_of_text(served: Running) -> None:
    """Texts in Arabic or Hebrew need the marks, which do not reorder other text."""
    owner = "\u05d0\u200f(b)"
    applied(served, {"version": 1, "entities": [{"name": "a", "owner": owner}]})
    assert objects(served)["entity", "a"]["owner"] == owner


def test_names_that_point_nowhere_are_warnings_also_without_a_change(served: Running) -> None:
    served.sender().ship(feature_sample([1.0]))
    document = {
        "version": 1,
        "entities": [{"name": "b", "reads_from": [ENTITY, "nowhere"]}, {"name": "c"}],
        "alerters": [{**LATE, "summary": "input.amuont"}],
    }
    told = [one["sentence"] for one in applied(served, document)["warnings"]]
    assert told[0] == "reads_from = 'nowhere': does not exist yet"
    assert "did you mean 'input.amount'?" in told[1]
    assert [one["sentence"] for one in applied(served, document)["warnings"]] == told
    listed = served.get("objects")["objects"]
    assert [sentence for one in listed for sentence in one["warnings"]] == told


def test_names_that_the_caller_may_not_read_are_told_alike(store: Store) -> None:
    by = By("ann", Origin.APPLY)
    apply(
        DeclareContext(store), document_of({"version": 1, "entities": [{"name": "secret"}]}), by, 1
    )
    entity = {"name": "mine", "reads_from": ["secret", "nowhere"]}
    document = document_of({"version": 1, "entities": [entity]})
    told = apply(
        DeclareContext(store, may_name=lambda name: name == "mine"), document, by, 2
    ).plan.warnings
    assert [one.sentence for one in told] == [
        f"reads_from = {name!r}: cannot be checked: you may not read this entity"
        for name in ("secret", "nowhere")
    ]


def test_a_performance_of_an_entity_without_data_is_a_warning(served: Running) -> None:
    performance = {"entity": "fraud-scorer", "task": "binary", "score": "p", "threshold": 0.5}
    applied(served, {"version": 1, "performance": [performance]})
    (listed,) = served.get("objects")["objects"]
    assert listed["warnings"] == ["entity = 'fraud-scorer': does not exist yet"]


def test_every_change_is_recorded_with_its_author_and_way(served: Running) -> None:
    applied(served, DOCUMENT)
    served.put_alerter(ALERTER).raise_for_status()
    served.put_alerter(ALERTER).raise_for_status()  # changes nothing
    put_reference(a_reference({"input.amount": [1.0]}), served.collector.grpc_target)
    body = {"owner": "pay"}
    served.http.put("/api/v1/entity", params={"entity": ENTITY}, json=body).raise_for_status()
    removed = {"entity": ENTITY, "name": "late"}
    served.http.delete("/api/v1/alerters", params=removed).raise_for_status()
    revisions = served.get("changes")["revisions"]
    assert [(one["origin"], names(one)) for one in reversed(revisions)] == [
        ("apply", [("alerter", "late", "created"), ("entity", ENTITY, "created")]),
        ("api", [("alerter", ALERTER["name"], "created")]),
        ("upload", [("reference", "training", "created")]),
        ("api", [("entity", ENTITY, "changed")]),
        ("api", [("alerter", "late", "removed")]),
    ]
    assert {one["author"] for one in revisions} == {"local"}


def test_alerters_of_the_settings_are_recorded_when_they_change(
    database: Path, clock: SteppedClock
) -> None:
    for threshold in (2.0, 2.0, 3.0):
        with running(database, clock, alerters=[{**LATE, "threshold": threshold}]):
            pass
    with running(database, clock) as served:
        revisions = served.get("changes")["revisions"]
        assert objects(served) == {}
    told = [(one["author"], one["origin"], one["changes"][0]["action"]) for one in revisions]
    actions = ("removed", "changed", "created")
    assert told == [("settings", "settings", action) for action in actions]


def test_a_rollback_is_a_revision_that_can_be_rolled_back(served: Running) -> None:
    applied(served, DOCUMENT)
    first, second = (a_reference({"input.amount": [number]}) for number in (1.0, 2.0))
    for reference in (first, second):
        put_reference(reference, served.collector.grpc_target)
    applied(served, {"version": 1, "entities": [{"name": ENTITY}, {"name": "new"}]})
    removed = {"kind": "alerter", "entity": ENTITY, "name": "late"}
    served.http.delete("/api/v1/objects", params=removed).raise_for_status()
    now = objects(served)

    def back(revision: int, **parameters: str) -> Any:
        answer = served.http.post(
            "/api/v1/rollback", json={"revision": revision}, params=parameters
        )
        return answer.raise_for_status().json()

    assert sorted(names(back(2, dry_run="true"))) == [
        ("alerter", "late", "created"),
        ("entity", ENTITY, "changed"),
        ("entity", "new", "removed"),
        ("reference", "training", "changed"),
    ]
    assert objects(served) == now
    assert back(2)["revision"] == 6
    restored = objects(served)
    assert restored["reference", "training"]["digest"] == first.digest
    assert restored["entity", ENTITY]["owner"] == "risk"
    assert ("entity", "new") not in restored
    assert back(5)["revision"] == 7
    assert objects(served) == now
    is_problem(served.http.post("/api/v1/rollback", json={"revision": 99}), 404)


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ({"kind": "alerters"}, ["late"]),
        ({"entity": "fr*"}, [ENTITY, "late"]),
        ({"name": "n*"}, ["new"]),
        ({"entity": "new", "kind": "alerter"}, []),
    ],
)
def test_a_rollback_of_a_part_leaves_other_objects(
    served: Running, part: dict[str, str], changed: list[str]
) -> None:
    applied(served, DOCUMENT)
    applied(served, {"version": 1, "entities": [{"name": "new"}]})
    answer = served.http.post("/api/v1/rollback", json={"revision": 0, **part})
    assert sorted(name for _, name, _ in names(answer.raise_for_status().json())) == changed
    is_problem(served.http.post("/api/v1/rollback", json={"revision": 0, "kind": "x"}), 422)


def test_a_route_is_declared_changed_over_http_and_rolled_back(served: Running) -> None:
    night = {"name": "night", "channels": ["pager"], "hours": "22:00-06:00"}
    document = {"version": 1, "routes": [night]}
    answer = apply_over(served, document).raise_for_status().json()
    assert names(answer) == [("route", "night", "created")]
    assert [one["sentence"] for one in answer["warnings"]] == [
        "channels: 'pager' does not exist yet"
    ]
    assert apply_over(served, document).raise_for_status().json()["changes"] == []
    day = {**night, "hours": "06:00-22:00"}
    assert served.http.put("/api/v1/routes", json=day).raise_for_status().json()["warnings"]
    (newest, _) = served.get("changes")["revisions"]
    assert [one["field"] for one in newest["changes"][0]["fields"]] == ["hours"]
    back = served.http.post("/api/v1/rollback", json={"revision": 1}).raise_for_status().json()
    assert names(back) == [("route", "night", "changed")]
    assert served.get("routes")["routes"][0]["hours"] == "22:00-06:00"
    served.http.delete("/api/v1/routes", params={"name": "night"}).raise_for_status()
    assert not served.get("objects", kind="route")["objects"]


def test_a_reference_without_a_version_is_not_sent_and_comes_back(served: Running) -> None:
    reference = a_reference({"input.amount": [1.0]})
    put_reference(reference, served.collector.grpc_target)
    asked = {"kind": "reference", "entity": ENTITY, "name": "training"}
    assert served.http.delete("/api/v1/objects", params=asked).status_code == 204
    assert served.get("references") == {"references": []}
    is_problem(served.http.delete("/api/v1/objects", params=asked), 404)
    chosen = {"entity": ENTITY, "name": "training", "digest": reference.digest}
    applied(served, {"version": 1, "references": [chosen]})
    assert served.get("references")["references"][0]["digest"] == reference.digest


def test_a_caller_changes_only_its_entities_and_sees_only_what_it_may_read(
    database: Path, clock: SteppedClock
) -> None:
    principals = [
        {**WRITER, "token_sha256": [hashlib.sha256(b"writer").hexdigest()]},
        {
            "name": "admin",
            "read": ["*"],
            "write": ["*"],
            "agents": [],
            "token_sha256": [hashlib.sha256(b"admin").hexdigest()],
        },
    ]
    with running(database, clock, principals=principals) as served:

        def headers(name: str) -> dict[str, str]:
            return {"authorization": f"Bearer {name}"}

        other = {**DOCUMENT, "alerters": [{**LATE, "entity": "pricing"}]}
        refused = is_problem(apply_over(served, other, headers=headers("writer")), 403)
        assert refused.detail == "principal 'writer' may not write entity 'pricing'"
        apply_over(served, other, headers=headers("admin")).raise_for_status()
        answer = apply_over(served, DOCUMENT, headers=headers("writer")).raise_for_status().json()
        assert names(answer) == [("alerter", "late", "created")]
        assert answer["changes"][0]["fields"] == []
        back = served.http.post("/api/v1/rollback", json={"revision": 0}, headers=headers("writer"))
        told = "this would change objects that you may not read"
        assert is_problem(back, 403).detail == told
        own = {"revision": 0, "entity": "fraud-*"}
        back = served.http.post("/api/v1/rollback", json=own, headers=headers("writer"))
        assert {one[:2] for one in names(back.raise_for_status().json())} == {
            ("alerter", "late"),
            ("entity", ENTITY),
        }
        listed = served.http.get("/api/v1/changes", headers=headers("admin")).json()["revisions"]
        assert [one["author"] for one in listed] == ["writer", "writer", "admin"]


def test_a_rollback_leaves_decisions_about_episodes(served: Running) -> None:
    applied(served, DOCUMENT)
    served.sender().ship(an_evaluation(0.5, 1))
    (episode,) = served.get("episodes")["episodes"]
    served.http.post(
        "/api/v1/episodes/acknowledge",
        params={"entity": ENTITY, "episode": episode["id"]},
        json={"reason": "a sale"},
    ).raise_for_status()
    (revision,) = served.get("changes", kind="decision")["revisions"]
    assert revision["changes"][0]["name"] == f"episode {episode['id']}"
    back = served.http.post("/api/v1/rollback", json={"revision": 0}).raise_for_status().json()
    assert {one["kind"] for one in back["changes"]} == {"entity", "alerter"}
    (episode,) = served.get("episodes")["episodes"]
    assert len(episode["decisions"]) == 1


def test_pages_of_changes_hold_whole_revisions(served: Running) -> None:
    for owner in ("a", "b", "c"):
        entities = [{"name": name, "owner": owner} for name in ("x", "y")]
        applied(served, {"version": 1, "entities": entities})
    first = served.get("changes", limit=3)
    assert [one["revision"] for one in first["revisions"]] == [3]
    second = served.get("changes", limit=4, before=first["next"])
    assert ([one["revision"] for one in second["revisions"]], second["next"]) == ([2, 1], None)
    assert [len(one["changes"]) for one in served.get("changes", limit=1)["revisions"]] == [1]


class Rival:
    """Someone who changes the owner of an entity each time that a document is planned."""

    def __init__(self, store: Store, entity: str, times: int) -> None:
        self._store, self._entity, self._left = store, entity, times

    def may_name(self, _: str) -> bool:
        if self._left:
            self._left -= 1
            entity = {"name": self._entity, "owner": f"rival {self._left}"}
            document = document_of({"version": 1, "entities": [entity]})
            apply(DeclareContext(self._store), document, By("rival", Origin.APPLY), 1)
        return True


def apply_beside(store: Store, rival: Rival) -> int | None:
    document = document_of({"version": 1, "entities": [{"name": "mine", "owner": "me"}]})
    by = By("me", Origin.APPLY)
    return apply(DeclareContext(store, may_name=rival.may_name), document, by, 2).revision


def test_a_change_of_another_object_does_not_disturb(store: Store) -> None:
    assert apply_beside(store, Rival(store, "other", 1)) == 2
    assert [one.author for one in store.history.changes()] == ["me", "rival"]


def test_a_change_of_the_same_object_is_planned_again(store: Store) -> None:
    assert apply_beside(store, Rival(store, "mine", 2)) == 3
    newest = store.history.changes()[0].change
    assert (newest.before, newest.after) == (
        '{"name":"mine","owner":"rival 0"}',
        '{"name":"mine","owner":"me"}',
    )


def test_steady_changes_of_the_same_object_are_busy(store: Store) -> None:
    with pytest.raises(Busy):
        apply_beside(store, Rival(store, "mine", applying.ATTEMPTS))
    assert {one.author for one in store.history.changes()} == {"rival"}


def test_the_same_in_python(store: Store) -> None:
    document, by = document_of(DOCUMENT), By("ann", Origin.APPLY)
    assert apply(DeclareContext(store), document, by, 1, is_dry_run=True).revision is None
    assert store.entities.all() == []
    assert apply(DeclareContext(store), document, by, 1).revision == 1
    assert apply(DeclareContext(store), document, by, 2).plan.unchanged == 2
    assert [one.author for one in store.history.changes()] == ["ann", "ann"]


def test_a_reference_stays_while_an_alerter_of_the_same_document_needs_it(served: Running) -> None:
    training = a_reference({"input.amount": [1.0]})
    put_reference(training, served.collector.grpc_target)
    reference = {"entity": ENTITY, "name": "training", "digest": training.digest}
    apply_set = {"set": "team"}
    first = {"version": 1, "references": [reference]}
    served.http.post("/api/v1/apply", json=first, params=apply_set).raise_for_status()
    using = {"version": 1, "alerters": [ALERTER]}
    pruned = {**apply_set, "prune": "true"}
    refused = served.http.post("/api/v1/apply", json=using, params=pruned)
    assert "is needed by alerter 'drift'" in is_problem(refused, 409).detail
    assert list(objects(served)) == [("reference", "training")]
    served.put_alerter(ALERTER).raise_for_status()
    elsewhere = {"version": 1, "alerters": [{**ALERTER, "reference": "golden"}]}
    served.http.post("/api/v1/apply", json=elsewhere, params=pruned).raise_for_status()
    assert list(objects(served)) == [("alerter", "drift")]


def test_a_rollback_does_not_remove_a_reference_that_is_needed(served: Running) -> None:
    put_reference(a_reference({"input.amount": [1.0]}), served.collector.grpc_target)
    served.put_alerter(ALERTER).raise_for_status()
    back = {"revision": 0, "kind": "reference"}
    refused = served.http.post("/api/v1/rollback", json=back)
    assert "is needed by alerter 'drift'" in is_problem(refused, 409).detail
    served.http.post("/api/v1/rollback", json={"revision": 0}).raise_for_status()
    assert objects(served) == {}


def test_an_action_is_checked_against_the_target_of_the_same_document(served: Running) -> None:
    secrets = {"url": "https://ci.example/hook", "signing_key": "k" * 32}
    target = {"name": "ci", "kind": "webhook", "secrets": secrets, "entities": ["ranking-*"]}
    action = {"entity": "fraud-*", "name": "retrain", "cure": "retrain", "target": "ci"}
    document = {"version": 1, "targets": [target], "actions": [action]}
    refused = apply_over(served, document)
    assert is_problem(refused, 409).field == "actions[0].target"
    apply_over(served, {"version": 1, "targets": [target]}).raise_for_status()
    wider = [{**target, "entities": ["fraud-*", "ranking-*"]}]
    apply_over(served, {**document, "targets": wider}).raise_for_status()


def test_an_apply_based_on_an_old_revision_is_told_to_read_again(served: Running) -> None:
    """Two people apply one set: the second one does not undo what the first one did."""
    first = applied(served, DOCUMENT, set="risk")
    assert (first["based_on"], first["revision"]) == (0, 1)
    planned = [applied(served, DOCUMENT, set="risk", dry_run=True)["based_on"] for _ in range(2)]
    mine, theirs = ({**DOCUMENT, "alerters": [{**LATE, "threshold": each}]} for each in (3.0, 4.0))
    applied(served, mine, set="risk", prune=True, based_on=planned[0])
    refused = apply_over(served, theirs, params={"set": "risk", "based_on": planned[1]})
    problem = is_problem(refused, 409)
    assert problem.field == "based_on"
    assert (
        "alerter 'late' of fraud-scorer changed in revision 2, after revision 1" in problem.detail
    )
    assert objects(served)["alerter", "late"]["threshold"] == 3.0
    again = applied(served, theirs, set="risk", based_on=2)
    assert objects(served)["alerter", "late"]["threshold"] == 4.0
    assert again["revision"] == 3


def test_an_apply_to_a_set_that_others_changed_is_told_to_read_again(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if all objects of the document are as they were; no text of the history is read for it."""
    both, added = (
        {"version": 1, "entities": [{"name": one} for one in names]} for names in ("az", "b")
    )
    applied(served, both, set="s")
    applied(served, added, set="s")
    applied(served, {"version": 1, "entities": [{"name": "c"}]}, set="other")
    monkeypatch.setattr(applying, "MOST_UNDONE", 0)  # history that a rollback would refuse to read
    mine = {"version": 1, "entities": [{"name": "a", "owner": "ann"}]}
    problem = is_problem(apply_over(served, mine, params={"set": "s", "based_on": 1}), 409)
    assert problem.field == "based_on"
    assert "set 's' changed in revision 2, after revision 1" in problem.detail
    assert applied(served, mine, set="s", based_on=2)["revision"] == 4


@pytest.mark.parametrize(
    ("based_on", "status"), [("4", 409), ("-1", 422), ("x", 422), ("9" * 20, 422), ("0", 200)]
)
def test_a_revision_to_base_on_exists(untouched: Running, based_on: str, status: int) -> None:
    params = {"based_on": based_on, "dry_run": True}
    assert apply_over(untouched, DOCUMENT, params=params).status_code == status


def test_a_change_of_another_object_does_not_disturb_an_apply_based_on_it(served: Running) -> None:
    applied(served, DOCUMENT)
    applied(served, {"version": 1, "entities": [{"name": "other"}]})
    changed = {**DOCUMENT, "alerters": [{**LATE, "threshold": 3.0}]}
    assert applied(served, changed, based_on=1)["revision"] == 3


def test_a_change_has_a_reason(served: Running) -> None:
    """The reason of an apply, of a removal and of a rollback are in the history."""
    applied(served, DOCUMENT, reason=" first rules ")
    asked = {"kind": "alerter", "entity": ENTITY, "name": "late", "reason": "too loud"}
    served.http.delete("/api/v1/objects", params=asked).raise_for_status()
    back = served.http.post("/api/v1/rollback", json={"revision": 1}, params={"reason": "π"})
    back.raise_for_status()
    reasons = [one["reason"] for one in served.get("changes")["revisions"]]
    assert reasons == ["π", "too loud", "first rules"]
    for wrong in ("", "  ", "a\u202eb", "a\nb", "x" * 501):
        answer = served.http.delete("/api/v1/objects", params={**asked, "reason": wrong})
        assert is_problem(answer, 422).field == "reason"
    assert ("alerter", "late") in objects(served)
