"""Documents of a set: objects that a later document does not have are removed on request."""

from typing import Any

import httpx
import pytest

from nilometer_collector.access.rights import Forbidden
from nilometer_collector.declared.applying import By
from nilometer_collector.declared.applying import apply as apply_document
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.registered import document_of
from nilometer_collector.store import Key, Origin, Store
from nilometer_collector.testing import Running


def apply(served: Running, *entities: str, **asked: str) -> httpx.Response:
    document = {"version": 1, "entities": [{"name": name} for name in entities]}
    return served.http.post("/api/v1/apply", json=document, params={"set": "risk", **asked})


def changes(answer: httpx.Response) -> list[tuple[str, str]]:
    found: Any = answer.raise_for_status().json()["changes"]
    return [(one["name"], one["action"]) for one in found]


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

    context, by = DeclareContext(store), By("tests", Origin.APPLY)
    both = document_of({"version": 1, "entities": [{"name": "a"}, {"name": "b"}]})
    one = document_of({"version": 1, "entities": [{"name": "a", "owner": "x"}]})
    apply_document(context, both, by, 1, part_of="risk")
    with pytest.raises(Forbidden, match="b"):
        apply_document(context, one, by, 2, part_of="risk", prunes=True, require=refuse)
    assert [each.declaration.owner for each in store.entities.all()] == ["", ""]
