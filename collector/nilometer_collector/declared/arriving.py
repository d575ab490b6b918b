"""Objects that arrive without a document: uploaded references, and alerters of the settings."""

from collections.abc import Sequence

from nilometer.alert import Alerter
from nilometer.profile import Reference
from nilometer_collector.declared.alerters import AlerterObjects, alerter_key, plain_alerter
from nilometer_collector.declared.applying import By, change_one, commit_plan
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.planning import Plan, change_of
from nilometer_collector.declared.references import ReferenceObjects, plain_reference, reference_key
from nilometer_collector.store import (
    SETTINGS_ORIGIN,
    AddReference,
    Origin,
    RemoveAlerter,
    SetAlerter,
    Store,
)

SETTINGS_AUTHOR = "settings"


def add_reference(
    store: Store, reference: Reference, by: By, now_ns: int, expires_ns: int | None = None
) -> None:
    """Make *reference* the current version of its name; record who uploaded it.

    If it is current already, it keeps its expiry unless there is a new one.

    Args:
        store: Store of all references.
        reference: Version with its digest.
        by: Who uploads it.
        now_ns: Wall time.
        expires_ns: Wall time at which it expires, Unix nanoseconds; None for never.
    """
    entity, name, digest = reference.entity, reference.name, reference.digest
    for record in store.references.records(entity) if expires_ns is None else ():
        if (record.name, record.digest) == (name, digest):
            expires_ns = record.expires_ns
    plain = plain_reference(entity, name, digest, expires_ns)
    key, command = reference_key(entity, name), AddReference(reference, expires_ns=expires_ns)
    change_one(DeclareContext(store), ReferenceObjects(), key, plain, command, by, now_ns)


def propose_reference(store: Store, reference: Reference, by: By, now_ns: int) -> None:
    """Store a version of *reference* that becomes current only when somebody chooses it."""
    command = AddReference(reference, is_current=False)
    commit_plan(store, lambda: Plan(commands=[command]), by, now_ns)


def take_settings(store: Store, alerters: Sequence[Alerter], now_ns: int) -> None:
    """Make *alerters* the only alerters of the settings; record what that changes."""
    wanted = {alerter_key(one.entity, one.name): one for one in alerters}

    def plan() -> Plan:
        found = Plan()
        ours = {alerter_key(*names) for names in store.alerts.named(SETTINGS_ORIGIN)}
        stored = AlerterObjects().stored(store) if wanted or ours else {}
        for key, alerter in sorted(wanted.items()):
            before, after = stored.get(key), plain_alerter(alerter)
            if before != after or key not in ours:
                found.commands.append(SetAlerter(alerter, SETTINGS_ORIGIN))
                found.depends_on.append(key)
            if before != after:
                found.changes.append(change_of(key, before, after))
        for key in sorted(ours - wanted.keys()):
            found.commands.append(RemoveAlerter(key.entity, key.name))
            found.changes.append(change_of(key, stored.get(key), None))
        return found

    commit_plan(store, plan, By(SETTINGS_AUTHOR, Origin.SETTINGS), now_ns)
