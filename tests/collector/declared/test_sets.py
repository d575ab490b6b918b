"""Documents of a set: objects that a later document does not have are removed on request."""

from typing import Any

import httpx
import msgspec
import pytest

from nilometer_collector.access.rights import Forbidden
from nilometer_collector.declared import applying, sets
from nilometer_collector.declared.applying import By, roll_back
from nilometer_collector.declared.applying import apply as apply_document
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.planning import Plan, plan_of
from nilometer_collector.declared.registered import document_of
from nilometer_collector.declared.sets import PartOf, Sets
from nilometer_collector.errors import Conflict
from nilometer_collector.store import (
    Change,
    ChangeQuestion,
    Command,
    Key,
    Origin,
    RemoveEntity,
    Revision,
    SetObject,
    Store,
)
from nilometer_collector.testing import Running

RISK = PartOf("risk", "ann")
BY = By("ann", Origin.APPLY)


def entities_document(*names: str) -> msgspec.Struct:
    return document_of({"version": 1, "entities": [{"name": name} for name in names]})


def apply(served: Running, *entities: str, **asked: str) -> httpx.Response:
    document = {"version": 1, "entities": [{"name": name} for name in entities]}
    return served.http.post("/api/v1/apply", json=document, params={"set": "risk", **asked})


def changes(answer: httpx.Response) -> list[tuple[str, str]]:
    """Return name and action of each changed object, without the set itself."""
    found: Any = answer.raise_for_status().json()["changes"]
    return [(one["name"], one["action"]) for one in found if one["kind"] != "set"]


def entities(served: Running) -> list[str]:
    return [one["name"] for one in served.get("objects", kind="entity")["objects"]]


def test_only_missing_objects_of_the_set_are_pruned(served: Running) -> None:
    apply(served, "of-others", set="others").raise_for_status()
    apply(served, "shared", set="others").raise_for_status()
    apply(served, "a", "b", "shared").raise_for_status()
    assert changes(apply(served, "a")) == []
    assert changes(apply(served, "a", prune="true", dry_run="true")) == [("b", "removed")]
    assert entities(served) == ["a", "b", "of-others", "shared"]
    assert changes(apply(served, "a", prune="true")) == [("b", "removed")]
    assert entities(served) == ["a", "of-others", "shared"]
    again = apply(served, "a", prune="true").json()
    assert (again["changes"], again["unchanged"], again["revision"]) == ([], 1, None)
    listed = served.get("objects", kind="set")["objects"]
    assert [one["definition"] for one in listed] == [
        {
            "name": "others",
            "owner": "local",
            "objects": {"entity": {"of-others": ["of-others"], "shared": ["shared"]}},
        },
        {"name": "risk", "owner": "local", "objects": {"entity": {"a": ["a"]}}},
    ]
    assert {one["kind"] for one in served.get("objects")["objects"]} == {"entity"}
    newest = served.get("changes", kind="set", name="risk")["revisions"][0]["changes"]
    fields = [[each[key] for key in ("field", "before", "after")] for each in newest[0]["fields"]]
    gone = [[f"objects.entity.{name}", f'["{name}"]', None] for name in ("b", "shared")]
    assert fields == gone


def test_a_wrong_document_prunes_nothing(served: Running) -> None:
    apply(served, "a").raise_for_status()
    assert apply(served, "<b>", prune="true").status_code == 422
    alone = served.http.post("/api/v1/apply", json={"version": 1}, params={"prune": "true"})
    assert alone.json()["field"] == "prune"
    assert apply(served, prune="true", set="no spaces").json()["field"] == "set"
    assert entities(served) == ["a"]


def test_pruning_needs_the_right_to_change_what_goes(store: Store) -> None:
    def refuse(key: Key) -> None:
        raise Forbidden(key.name)

    context, by = DeclareContext(store), BY
    both = document_of({"version": 1, "entities": [{"name": "a"}, {"name": "b"}]})
    one = document_of({"version": 1, "entities": [{"name": "a", "owner": "x"}]})
    apply_document(context, both, by, 1, part_of=RISK)
    with pytest.raises(Forbidden, match="b"):
        apply_document(context, one, by, 2, part_of=RISK, prunes=True, require=refuse)
    assert [each.declaration.owner for each in store.entities.all()] == ["", ""]


def test_two_applies_of_one_set_lose_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    context, planned, others = DeclareContext(store), plan_of, ["first"]

    def interrupted(*asked: Any) -> Plan:
        found = planned(*asked)
        if others:  # another apply is faster, between plan and commit
            apply_document(context, entities_document(others.pop()), BY, 1, part_of=RISK)
        return found

    monkeypatch.setattr(applying, "plan_of", interrupted)
    apply_document(context, entities_document("second"), BY, 2, part_of=RISK)
    assert {key.name for key in Sets(store).members("risk")} == {"first", "second"}


def test_what_an_apply_leaves_as_it_is_is_not_pruned_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, planned = DeclareContext(store), plan_of
    apply_document(context, entities_document("a", "b", "c"), BY, 1, part_of=RISK)
    apply_document(context, entities_document("c"), BY, 2)
    store.history.commit(
        Revision(
            author="ann",
            origin=Origin.API,
            commands=[RemoveEntity("c")],
            changes=[Change(key=Key("entity", "c", "c"), before="{}", after=None)],
        ),
        3,
    )
    prunes = [True]

    def interrupted(*asked: Any) -> Plan:
        found = planned(*asked)
        if prunes:
            prune = prunes.pop()
            only = entities_document("a")
            apply_document(context, only, BY, 4, part_of=RISK, prunes=prune)
        return found

    monkeypatch.setattr(applying, "plan_of", interrupted)
    apply_document(context, entities_document("a", "b", "c"), BY, 5, part_of=RISK)
    assert [one.name for one in store.entities.all()] == ["a", "b", "c"]
    assert {key.name for key in Sets(store).members("risk")} == {"a", "b", "c"}


def test_what_another_set_prunes_meanwhile_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, planned, only = DeclareContext(store), plan_of, [entities_document("a")]
    other = PartOf("other", "ann")
    apply_document(context, entities_document("a", "b"), BY, 1, part_of=other)

    def interrupted(*asked: Any) -> Plan:
        found = planned(*asked)
        if only:
            apply_document(context, only.pop(), BY, 2, part_of=other, prunes=True)
        return found

    monkeypatch.setattr(applying, "plan_of", interrupted)
    apply_document(context, entities_document("b"), BY, 3, part_of=RISK)
    assert [one.name for one in store.entities.all()] == ["a", "b"]


@pytest.mark.parametrize("part", [{}, {"entity": "b*"}])
def test_a_rollback_restores_what_was_pruned_and_its_place_in_the_set(
    served: Running, part: dict[str, str]
) -> None:
    apply(served, "a", "b").raise_for_status()
    assert changes(apply(served, "a", prune="true")) == [("b", "removed")]
    body = {"revision": 1, **part}
    served.http.post("/api/v1/rollback", json=body).raise_for_status()
    assert entities(served) == ["a", "b"]
    assert changes(apply(served, "a", prune="true")) == [("b", "removed")]


def test_a_rollback_of_everything_leaves_no_set(served: Running) -> None:
    apply(served, "a").raise_for_status()
    served.http.post("/api/v1/rollback", json={"revision": 0}).raise_for_status()
    assert served.get("objects", kind="set") == {"objects": []}


def test_a_set_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "MOST_MEMBERS", 2)
    monkeypatch.setattr(sets, "MOST_SETS", 1)
    context = DeclareContext(store)
    apply_document(context, entities_document("a", "b"), BY, 1, part_of=RISK)
    with pytest.raises(Conflict, match="would have 3 objects, at most 2") as told:
        apply_document(context, entities_document("c"), BY, 2, part_of=RISK)
    assert told.value.field == "set"
    apply_document(context, entities_document("c"), BY, 2, part_of=RISK, prunes=True)
    apply_document(context, entities_document("c"), BY, 3, part_of=PartOf("payments/risk"))
    with pytest.raises(Conflict, match="there are 1 sets already"):
        apply_document(context, entities_document("c"), BY, 4, part_of=PartOf("second"))


def test_only_its_owner_and_administrators_change_a_set(store: Store) -> None:
    context = DeclareContext(store)
    apply_document(context, entities_document("a"), BY, 1, part_of=RISK)
    other = PartOf("risk", "bob", lambda _: False)
    with pytest.raises(Forbidden, match="belongs to another principal"):
        apply_document(context, entities_document("b"), BY, 2, part_of=other)
    owner = PartOf("risk", "ann", lambda _: False)
    apply_document(context, entities_document("b"), BY, 3, part_of=owner)
    administrator = PartOf("risk", "bob", lambda _: True)
    apply_document(context, entities_document("c"), BY, 4, part_of=administrator)
    known = Sets(store).read("risk")
    assert known is not None
    assert known.owner == "ann"


def test_a_set_of_an_older_version_is_read() -> None:
    found = sets.read_set("risk", '[["entity","a","a"]]')
    assert isinstance(found, sets.SetDefinition)
    assert found.members == {Key("entity", "a", "a")}


def test_an_owner_has_a_bound_of_its_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "MOST_OWNED", 1)
    context = DeclareContext(store)
    apply_document(context, entities_document("a"), BY, 1, part_of=RISK)
    with pytest.raises(Conflict, match="ann owns 1 sets already, at most 1") as told:
        apply_document(context, entities_document("b"), BY, 2, part_of=PartOf("second", "ann"))
    assert told.value.field == "set"
    apply_document(context, entities_document("b"), BY, 3, part_of=PartOf("second", "bob"))
    apply_document(context, entities_document("c"), BY, 4, part_of=PartOf("payments/x", "ann"))


@pytest.mark.parametrize("owner", ["local", ""])
def test_without_principals_only_the_bound_of_all_sets_holds(
    store: Store, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    monkeypatch.setattr(sets, "MOST_OWNED", 1)
    monkeypatch.setattr(sets, "MOST_SETS", 2)
    context = DeclareContext(store)
    for number in (1, 2):
        part = PartOf(f"s{number}", owner)
        apply_document(context, entities_document(f"e{number}"), BY, number, part_of=part)
    with pytest.raises(Conflict, match="there are 2 sets already, at most 2"):
        apply_document(context, entities_document("c"), BY, 3, part_of=PartOf("s3", owner))


def test_the_history_of_a_set_has_only_what_leaves_and_what_comes(store: Store) -> None:
    context = DeclareContext(store)
    apply_document(context, entities_document("a", "b", "c"), BY, 1, part_of=RISK)
    apply_document(context, entities_document("a", "b", "d"), BY, 2, part_of=RISK, prunes=True)
    apply_document(context, entities_document(), BY, 3, part_of=RISK, prunes=True)
    found = store.history.changes(ChangeQuestion(kind="set"), 10)
    shown = [(one.change.before, one.change.after) for one in reversed(found)]
    members = [
        tuple(None if text is None else set(names_in(text)) for text in sides) for sides in shown
    ]
    assert members == [(None, {"a", "b", "c"}), ({"c"}, {"d"}), ({"a", "b", "d"}, None)]
    for revision, then in ((0, set()), (1, {"a", "b", "c"}), (2, {"a", "b", "d"})):
        roll_back(context, revision, BY, 4)
        assert {key.name for key in Sets(store).members("risk")} == then


def names_in(text: str) -> list[str]:
    found = sets.read_set("risk", text)
    assert isinstance(found, sets.SetDefinition)
    return [key.name for key in found.members]


def test_changes_of_an_older_version_are_undone_too() -> None:
    """It has stored all objects on both sides of a change."""
    a, b, c = (Key("entity", name, name) for name in "abc")

    def text(*members: Key) -> str:
        return msgspec.json.encode(members).decode()

    changes = [(text(a, b), text(a, c)), (text(a), text(a, b)), (None, text(a))]
    then = [sets.members_before("risk", frozenset((a, c)), changes[:count]) for count in range(4)]
    assert then == [{a, c}, {a, b}, {a}, set()]


def test_a_set_of_a_newer_version_is_refused_and_others_go_on(store: Store) -> None:
    newer = SetObject(Key("set", "", "risk"), '{"name":"risk","owner":"ann","objects":"all"}')
    write(store, newer)
    context = DeclareContext(store)
    other = PartOf("other", "ann")
    apply_document(context, entities_document("a", "b"), BY, 2, part_of=other)
    with pytest.raises(Conflict, match="'risk': is set aside"):
        apply_document(context, entities_document("a"), BY, 2, part_of=RISK)
    with pytest.raises(Conflict, match="'other': cannot be pruned, because a newer collector"):
        apply_document(context, entities_document("a"), BY, 2, part_of=other, prunes=True)


def write(store: Store, *commands: Command) -> None:
    """Write what a newer version would write."""
    store.history.commit(
        Revision(author="ann", origin=Origin.API, commands=[*commands], changes=[]), 1
    )
