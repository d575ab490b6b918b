"""The audit log keeps changes, counts equal refusals of an hour, and is bounded."""

from dataclasses import replace

import pytest

from nilometer_collector.store import AuditEntry, Outcome, Store, auditing

HOUR_NS = auditing.HOUR_NS
DAY_NS = 24 * HOUR_NS
CHANGE = AuditEntry(
    at_ns=1000 * DAY_NS,
    principal="ada",
    author="Ada",
    workspace="payments",
    address="127.0.0.1",
    operation="PUT /api/v1/alerters",
    entity="fraud",
    name="drift",
    outcome=Outcome.DONE,
    status=200,
)


def test_a_change_is_an_entry_of_its_own(store: Store) -> None:
    for name in ("first", "second"):
        store.audit.add(replace(CHANGE, name=name))
    assert [one.entry for one in store.audit.entries(None, 10)] == [
        replace(CHANGE, name="second"),
        replace(CHANGE, name="first"),
    ]
    newest, oldest = store.audit.entries(None, 10)
    assert store.audit.entries(newest.id, 10) == [oldest]
    assert store.audit.entries(None, 1) == [newest]


def test_equal_refusals_of_an_hour_are_counted_in_one_entry(store: Store) -> None:
    refused = replace(CHANGE, outcome=Outcome.REFUSED, status=403)
    later = replace(refused, at_ns=refused.at_ns + 1, times=4)
    for entry in (refused, later, replace(refused, at_ns=refused.at_ns + HOUR_NS)):
        store.audit.add(entry)
    times = [(one.entry.at_ns, one.entry.times) for one in store.audit.entries(None, 10)]
    assert times == [(refused.at_ns + HOUR_NS, 1), (later.at_ns, 5)]


def test_old_entries_go_and_refusals_displace_no_change(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(auditing.MOST_ENTRIES, Outcome.REFUSED, 2)
    store.audit.add(replace(CHANGE, at_ns=0))
    store.audit.add(CHANGE)
    for number in range(4):
        refused = replace(CHANGE, outcome=Outcome.REFUSED, status=403, entity=f"e{number}")
        store.audit.add(refused)
    found = [(one.entry.outcome.value, one.entry.entity) for one in store.audit.entries(None, 10)]
    assert found == [("refused", "e3"), ("refused", "e2"), ("done", "fraud")]


@pytest.mark.parametrize("name", ["\0", "\ud800", "<script>", "x" * 10_000])
def test_a_hostile_name_is_kept_as_a_harmless_text(store: Store, name: str) -> None:
    store.audit.add(replace(CHANGE, entity=name, outcome=Outcome.REFUSED))
    (kept,) = store.audit.entries(None, 10)
    assert len(kept.entry.entity) <= auditing.MOST_AUDIT_CHARACTERS
    assert not {"\0", "\ud800"} & {*kept.entry.entity}


def kept(store: Store) -> list[tuple[str, str]]:
    return [(one.entry.workspace, one.entry.name) for one in store.audit.entries(None, 99)]


def test_one_workspace_displaces_no_entry_of_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(auditing.MOST_ENTRIES, Outcome.DONE, 2)
    for workspace, names in (("quiet", "a"), ("", "b"), ("busy", "cdef")):
        for name in names:
            store.audit.add(replace(CHANGE, workspace=workspace, name=name))
    assert kept(store) == [("busy", "f"), ("busy", "e"), ("", "b"), ("quiet", "a")]


def test_callers_without_a_token_displace_no_refusal_of_a_principal(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "MOST_ANONYMOUS", 2)
    known = replace(CHANGE, workspace="", outcome=Outcome.REFUSED, status=403, name="known")
    store.audit.add(known)
    for name in "abcd":
        store.audit.add(replace(known, principal="", author="", status=401, name=name))
    assert kept(store) == [("", "d"), ("", "c"), ("", "known")]


def test_an_entry_replaces_the_one_that_was_begun(store: Store) -> None:
    started = replace(CHANGE, outcome=Outcome.STARTED, status=0)
    first, second = (store.audit.add(started) for _ in range(2))
    assert first != second  # each is an entry of its own
    store.audit.add(CHANGE, first)
    assert [one.entry.outcome for one in store.audit.entries(None, 9)] == [
        Outcome.DONE,
        Outcome.STARTED,
    ]
    store.audit.withdraw(second)
    assert [one.entry for one in store.audit.entries(None, 9)] == [CHANGE]


def test_equal_refusals_with_long_texts_are_counted(store: Store) -> None:
    """Texts that no database compresses are longer than an entry of PostgreSQL's index."""
    texts = [
        "".join(chr(0x4E00 + (step * 7919 + shift * 104_729) % 20_000) for step in range(256))
        for shift in range(4)
    ]
    refused = replace(CHANGE, outcome=Outcome.REFUSED, principal=texts[0], operation=texts[1])
    refused = replace(refused, entity=texts[2], name=texts[3])
    for _ in range(2):
        store.audit.add(refused)
    assert [one.entry for one in store.audit.entries(None, 9)] == [replace(refused, times=2)]
