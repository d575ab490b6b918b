"""Declared entities: versions that never repeat, and edges without cycles. In every store."""

import threading

import pytest
from support.stores import Place

from nilometer_collector.errors import Conflict, Refused
from nilometer_collector.store import EntityDeclaration, EntityKind, Store

SAID = EntityDeclaration(
    kind=EntityKind.PIPELINE,
    owner="risk@example.com",
    time_zone="Europe/Berlin",
    description="Joins payments\nwith accounts — nightly",
    attributes={"tier": "1", "repository": "git/π"},
    reads_from=("payments", "accounts"),
    columns={"payments": {"input.amount": "output.eur"}},
)


def reading(*sources: str) -> EntityDeclaration:
    return EntityDeclaration(reads_from=sources)


def test_a_declaration_is_read_as_it_was_put_also_after_a_restart(place: Place) -> None:
    store = place.open()
    assert store.entities.put("features", SAID, 7) == 1
    store.close()
    entities = place.open().entities
    found = entities.read("features")
    assert found is not None
    assert (found.name, found.declaration, found.version, found.updated_ns) == (
        "features",
        SAID,
        1,
        7,
    )
    assert entities.read("payments") is None


def test_a_list_is_in_order_of_names(store: Store) -> None:
    for name in ("b", "a", "C"):
        store.entities.put(name, EntityDeclaration(), 1)
    assert [one.name for one in store.entities.all()] == ["C", "a", "b"]


def test_a_change_of_another_version_is_refused_and_changes_nothing(store: Store) -> None:
    entities = store.entities
    assert entities.put("a", EntityDeclaration(owner="x"), 1, replaces=0) == 1
    for stale in (0, 2):
        with pytest.raises(Conflict, match="the stored one is 1") as caught:
            entities.put("a", EntityDeclaration(owner="y"), 2, replaces=stale)
        assert caught.value.field == "version"
        with pytest.raises(Conflict):
            entities.delete("a", 2, replaces=stale)
    assert [(one.declaration.owner, one.version) for one in entities.all()] == [("x", 1)]
    assert entities.put("a", EntityDeclaration(owner="y"), 2, replaces=1) == 2
    assert entities.put("a", EntityDeclaration(owner="z"), 3) == 3


def test_a_version_is_not_given_twice_even_after_a_deletion(store: Store) -> None:
    entities = store.entities
    entities.put("a", SAID, 1)
    assert entities.delete("a", 2, replaces=1)
    assert not entities.delete("a", 3)
    assert (entities.read("a"), entities.all()) == (None, [])
    with pytest.raises(Conflict, match="the stored one is 0"):
        entities.put("a", SAID, 4, replaces=2)
    assert entities.put("a", EntityDeclaration(), 5, replaces=0) == 3


@pytest.mark.parametrize(
    ("edges", "name", "sources", "field"),
    [
        ({}, "a", ("b", "a"), "reads_from[1]"),
        ({"b": ("a",)}, "a", ("b",), "reads_from[0]"),
        ({"b": ("c",), "c": ("d",), "d": ("x", "a")}, "a", ("y", "b"), "reads_from[1]"),
    ],
)
def test_an_edge_that_makes_a_cycle_is_named(
    store: Store, edges: dict[str, tuple[str, ...]], name: str, sources: tuple[str, ...], field: str
) -> None:
    for reader, read in edges.items():
        store.entities.put(reader, reading(*read), 1)
    with pytest.raises(Conflict) as caught:
        store.entities.put(name, reading(*sources), 2)
    assert caught.value.field == field
    assert sources[int(field[-2])] in str(caught.value)
    assert store.entities.read(name) is None


def test_a_diamond_is_no_cycle_and_a_deleted_edge_counts_no_more(store: Store) -> None:
    entities = store.entities
    for name, sources in {"b": ("d",), "c": ("d",), "a": ("b", "c")}.items():
        entities.put(name, reading(*sources), 1)
    with pytest.raises(Conflict):
        entities.put("d", reading("a"), 2)
    entities.delete("a", 3)
    assert entities.put("d", reading("a"), 4) == 1
    entities.put("d", EntityDeclaration(), 5)
    assert entities.put("a", reading("b"), 6) == 3


def test_two_changes_at_once_make_no_cycle_together(store: Store) -> None:
    together = threading.Barrier(2)
    refused: list[str] = []

    def put(name: str, source: str) -> None:
        together.wait()
        try:
            store.entities.put(name, reading(source), 1)
        except Conflict:
            refused.append(name)

    threads = [threading.Thread(target=put, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert len(store.entities.all()) == 1


@pytest.mark.parametrize(
    "said", [EntityDeclaration(owner="a\0"), EntityDeclaration(description="\ud800")]
)
def test_a_text_that_not_every_store_can_keep_is_refused(
    store: Store, said: EntityDeclaration
) -> None:
    with pytest.raises(Refused):
        store.entities.put("a", said, 1)
    assert store.entities.all() == []
