"""Each name of a reference has one current version, and versions stay. In every store."""

from dataclasses import replace

import pytest
from support.stores import Place

from nilometer.profile import Reference
from nilometer.wire.references import with_digest
from nilometer_collector.declared.applying import By
from nilometer_collector.declared.arriving import add_reference
from nilometer_collector.store import (
    AddReference,
    ChooseReference,
    Command,
    Origin,
    Revision,
    Store,
    WithdrawReference,
)
from nilometer_collector.testing import ENTITY, a_reference

OLD = a_reference({"input.amount": [1.0, 2.0, 3.0]})
NEW = a_reference({"input.amount": [4.0, 5.0, 6.0]})


def commit(store: Store, command: Command) -> None:
    revision = Revision(author="ana", origin=Origin.API, commands=[command], changes=[])
    store.history.commit(revision, 1)


def current(store: Store) -> list[Reference | None]:
    return [store.references.read(record) for record in store.references.records()]


def digests(store: Store) -> list[str]:
    """Digests of the current versions, made anew from what was read."""
    return [with_digest(one).digest for one in current(store) if one is not None]


def test_the_newest_version_that_was_put_is_current(store: Store) -> None:
    for reference in (OLD, NEW):
        store.references.put(reference, 1)
        assert digests(store) == [reference.digest]
    versions = store.references.records(ENTITY, current=False)
    assert [(one.digest, one.current) for one in versions] == [
        (OLD.digest, False),
        (NEW.digest, True),
    ]


def test_an_older_version_that_is_put_again_is_current_again(store: Store) -> None:
    for reference in (OLD, NEW, OLD):
        store.references.put(reference, 1)
    assert digests(store) == [OLD.digest]
    assert len(store.references.records(current=False)) == 2


def test_an_older_version_that_is_uploaded_again_keeps_its_expiry(store: Store) -> None:
    by = By("ana", Origin.UPLOAD)
    assert add_reference(store, OLD, by, 1, 10**18) == 10**18
    assert add_reference(store, NEW, by, 2) is None
    assert add_reference(store, OLD, by, 3) == 10**18
    assert [one.expires_ns for one in store.references.records()] == [10**18]
    assert add_reference(store, OLD, by, 4, 2 * 10**18) == 2 * 10**18


def test_a_version_that_is_only_proposed_is_not_current(store: Store) -> None:
    store.references.put(OLD, 1)
    for reference in (NEW, OLD):  # a proposal of the current version changes nothing
        store.references.put(reference, 1, is_current=False)
    assert digests(store) == [OLD.digest]
    assert len(store.references.records(current=False)) == 2


def test_names_and_entities_have_versions_of_their_own(store: Store) -> None:
    others = [
        a_reference({"input.amount": [1.0]}, name="golden"),
        a_reference({"input.amount": [1.0]}, entity="churn"),
    ]
    for reference in (OLD, *others):
        store.references.put(reference, 1)
    listed = [(one.entity, one.name) for one in store.references.records()]
    assert listed == [("churn", "training"), (ENTITY, "golden"), (ENTITY, "training")]
    assert [one.name for one in store.references.records("churn")] == ["training"]
    assert store.references.records("missing") == []


def test_the_generation_differs_after_a_new_version(store: Store) -> None:
    seen = [store.references.generation]
    for reference in (OLD, NEW):
        store.references.put(reference, 1)
        seen.append(store.references.generation)
    assert len(set(seen)) == 3


def test_the_generation_differs_after_every_choice(store: Store) -> None:
    """A reader with a cache must not compare with a version that is not current any more."""
    for reference in (OLD, NEW):
        store.references.put(reference, 1)
    seen = [store.references.generation]
    for command in (
        AddReference(OLD),
        AddReference(a_reference({"input.amount": [7.0]}), is_current=False),
        ChooseReference(ENTITY, "training", NEW.digest),
        WithdrawReference(ENTITY, "training"),
    ):
        commit(store, command)
        assert store.references.generation != seen[-1]
        seen.append(store.references.generation)


def test_a_damaged_version_is_left_out_and_logged(
    store: Store, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    store.references.put(OLD, 1)
    place.change(
        sqlite="UPDATE reference_versions SET payload = zeroblob(9)",
        postgresql="UPDATE reference_versions SET payload = '\\x00'",
    )
    assert current(store) == [None]
    assert "its checksum does not match" in caplog.text


def test_a_source_with_nul_is_kept_with_a_mark_in_its_place(store: Store) -> None:
    store.references.put(replace(OLD, source="a\0b"), 1)
    (record,) = store.references.records()
    assert record.source == "a\ufffdb"


def expiries(store: Store) -> list[int | None]:
    return [one.expires_ns for one in store.references.records()]


def test_a_version_expires_when_it_is_chosen_with_an_expiry(store: Store) -> None:
    store.references.put(OLD, 1)
    before = store.references.generation
    commit(store, ChooseReference(ENTITY, "training", OLD.digest, expires_ns=5))
    assert expiries(store) == [5]
    assert [store.references.records()[0].has_expired(at) for at in (4, 5)] == [False, True]
    assert store.references.generation != before  # readers with a cache see it
    store.references.put(OLD, 1, is_current=False)  # a proposal of it changes nothing
    assert expiries(store) == [5]
    commit(store, AddReference(OLD, expires_ns=7))
    assert expiries(store) == [7]
    commit(store, ChooseReference(ENTITY, "training", OLD.digest))
    assert expiries(store) == [None]
