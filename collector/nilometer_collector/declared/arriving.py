"""Objects that arrive without a document: references, receivers, and those of the settings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from nilometer.alert import Alerter
from nilometer.profile import Reference
from nilometer_collector.alerting.receivers import ChannelDefinition, with_stored_secrets
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.declared.alerters import AlerterObjects, alerter_key, plain_alerter
from nilometer_collector.declared.applying import By, change_one, commit_plan
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.kind import Kind, Misdeclared, Plain, without_defaults
from nilometer_collector.declared.planning import Plan, change_of
from nilometer_collector.declared.receivers import (
    ChannelObjects,
    ReceiverObjects,
    TargetObjects,
    object_of,
    plain_receiver,
)
from nilometer_collector.declared.references import ReferenceObjects, plain_reference, reference_key
from nilometer_collector.declared.routes import RouteObjects
from nilometer_collector.errors import Conflict
from nilometer_collector.store import (
    SETTINGS_ORIGIN,
    AddReference,
    Command,
    Key,
    Origin,
    SetAlerter,
    SetReceiver,
    SetRoute,
    Store,
)

SETTINGS_AUTHOR = "settings"


def add_reference(
    store: Store, reference: Reference, by: By, now_ns: int, expires_ns: int | None = None
) -> int | None:
    """Make *reference* the current version of its name, and return when it expires.

    A version that is stored already keeps its expiry unless there is a new one.

    Args:
        store: Store of all references.
        reference: Version with its digest.
        by: Who uploads it.
        now_ns: Wall time.
        expires_ns: Wall time at which it expires, Unix nanoseconds; None for that of the stored
            version, or never.

    Returns:
        Unix nanoseconds of its expiry; None for never.
    """
    entity, name, digest = reference.entity, reference.name, reference.digest
    kind, key = ReferenceObjects(), reference_key(entity, name)

    def plan() -> Plan:
        until_ns = _stored_expiry_ns(store, reference) if expires_ns is None else expires_ns
        before = kind.stored(store, entity).get(key)
        after = plain_reference(entity, name, digest, until_ns)
        return Plan(
            changes=[change_of(key, before, after)] if before != after else [],
            commands=[AddReference(reference, expires_ns=until_ns)],
            depends_on=[key],
        )

    made = commit_plan(store, plan, by, now_ns).plan.commands
    return next(one.expires_ns for one in made if isinstance(one, AddReference))


def _stored_expiry_ns(store: Store, reference: Reference) -> int | None:
    """Return when this version of *reference* expires as it is stored, also if it is not current."""
    found = None
    for record in store.references.records(reference.entity, current=False):
        if (record.name, record.digest) == (reference.name, reference.digest):
            found = record.expires_ns
    return found


def put_receiver(
    context: DeclareContext,
    kind: ReceiverObjects,
    definition: ChannelDefinition,
    by: By,
    now_ns: int,
) -> ChannelDefinition:
    """Create or replace a receiver; return it without its secrets.

    A secret in its public form keeps its value, as long as nothing changes about where messages go.
    The value is the one that the transaction finds, so a new one is not overwritten.

    Raises:
        Conflict: If this collector does not accept a value, such as a forbidden address.
    """
    kept = definition

    def make() -> tuple[Plain, Command]:
        nonlocal kept
        kept = with_stored_secrets(definition, kind.read(context.store, definition.name))
        try:
            completed = kind.completed(object_of(kept, {**kept.secrets}), context)
        except Misdeclared as error:  # its names are checked, so a value is not allowed here
            raise Conflict(str(error), error.field) from error
        return kind.checked(completed), kind.put(completed)

    change_one(context, kind, kind.key_named("", definition.name), make, by, now_ns)
    return kept.shown()


def propose_reference(store: Store, reference: Reference, by: By, now_ns: int) -> None:
    """Store a version of *reference* that becomes current only when somebody chooses it."""
    command = AddReference(reference, is_current=False)
    commit_plan(store, lambda: Plan(commands=[command]), by, now_ns)


@dataclass(frozen=True, slots=True)
class OfSettings:
    """The objects that the collector's own settings define."""

    alerters: Sequence[Alerter] = ()
    channels: Sequence[ChannelDefinition] = ()
    targets: Sequence[TargetDefinition] = ()
    routes: Sequence[RouteDefinition] = ()


def take_settings(store: Store, defined: OfSettings, now_ns: int) -> None:
    """Make the *defined* objects the only ones of the settings; record what that changes."""

    def plan() -> Plan:
        found = Plan()
        for kind, (ours, wanted) in _by_kind(store, defined).items():
            stored = kind.stored(store) if wanted or ours else {}
            for key, (after, command) in sorted(wanted.items(), key=itemgetter(0)):
                before = stored.get(key)
                if before != after or key not in ours:
                    found.commands.append(command)
                    found.depends_on.append(key)
                if before != after:
                    found.changes.append(change_of(key, before, after))
            for key in sorted(ours - wanted.keys()):
                found.commands.append(kind.remove(key))
                found.changes.append(change_of(key, stored.get(key), None))
        return found

    commit_plan(store, plan, By(SETTINGS_AUTHOR, Origin.SETTINGS), now_ns)


_Wanted: TypeAlias = dict[Key, tuple[Plain, Command]]


def _by_kind(
    store: Store, defined: OfSettings
) -> Mapping[Kind[Any], tuple[Collection[Key], _Wanted]]:
    """Return the stored objects of the settings and the defined ones, by kind."""
    origin, key = SETTINGS_ORIGIN, store.links_key
    alerters: _Wanted = {
        alerter_key(one.entity, one.name): (plain_alerter(one), SetAlerter(one, origin))
        for one in defined.alerters
    }
    found: dict[Kind[Any], tuple[set[Key], _Wanted]] = {
        AlerterObjects(): ({alerter_key(*one) for one in store.alerts.named(origin)}, alerters)
    }
    for receivers, named, wanted in (
        (ChannelObjects(), store.channels.named(origin), defined.channels),
        (TargetObjects(), store.targets.named(origin), defined.targets),
    ):
        found[receivers] = (
            {receivers.key_named("", name) for name in named},
            {
                receivers.key_named("", one.name): (
                    plain_receiver(one, key),
                    SetReceiver(one, origin),
                )
                for one in wanted
            },
        )
    routes = RouteObjects()
    found[routes] = (
        {routes.key_named("", name) for name in store.routes.named(origin)},
        {routes.key(one): (without_defaults(one), SetRoute(one, origin)) for one in defined.routes},
    )
    return found
