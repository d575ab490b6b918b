"""Declared references: which stored version of a reference is the current one."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from nilometer.profile.reference import LEARNED
from nilometer_collector.alerting.definitions import alerter_of
from nilometer_collector.declared.alerters import AlerterObjects, alerter_key
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.entities import Name
from nilometer_collector.declared.kind import Kind, Misdeclared, Plain
from nilometer_collector.errors import Conflict
from nilometer_collector.limits.bounds import NO_CONTROL
from nilometer_collector.limits.references import MAX_REFERENCE_NAME_BYTES
from nilometer_collector.store import ChooseReference, Command, Key, Store, WithdrawReference

MOST_SHOWN = 3  # versions or alerters that an error names


class ReferenceObject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The current version of a reference. Programs upload versions; a digest names one."""

    entity: Name
    name: Annotated[
        str, Meta(min_length=1, max_length=MAX_REFERENCE_NAME_BYTES, pattern=NO_CONTROL)
    ]
    digest: Annotated[str, Meta(min_length=1, max_length=128, pattern="^[0-9a-f]*$")]


class ReferenceObjects(Kind[ReferenceObject]):
    """Current versions of references."""

    name = "reference"
    plural = "references"
    definition = ReferenceObject

    def key(self, definition: ReferenceObject) -> Key:
        """Return the identity of the reference."""
        return reference_key(definition.entity, definition.name)

    def checked(self, definition: ReferenceObject) -> Plain:
        """Return the definition as JSON values."""
        if definition.name == LEARNED:
            raise Misdeclared(
                f"name = {LEARNED!r}: is reserved for the reference that the collector learns",
                "name",
            )
        return msgspec.structs.asdict(definition)

    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return the current versions, except those that the collector learned itself."""
        return {
            reference_key(one.entity, one.name): {
                "entity": one.entity,
                "name": one.name,
                "digest": one.digest,
            }
            for one in store.references.records(entity)
            if one.name != LEARNED
        }

    def put(self, definition: ReferenceObject) -> Command:
        """Return the command that makes the version the current one."""
        return ChooseReference(definition.entity, definition.name, definition.digest)

    def remove(self, key: Key) -> Command:
        """Return the command that leaves the reference without a current version."""
        return WithdrawReference(key.entity, key.name)

    def check_removal(self, key: Key, context: DeclareContext) -> None:
        """Refuse to remove a reference with which an alerter compares, stored or planned."""
        planned = {
            alerter_key(one.entity, one.name): alerter_of(one)
            for one in context.planned.definitions.get(AlerterObjects.name, ())
            if one.entity == key.entity
        }
        stored = {
            alerter_key(one.entity, one.name): one
            for one in context.store.alerts.alerters(key.entity)
        }
        users = sorted(
            one.name
            for other, one in {**stored, **planned}.items()
            if one.condition.reference == key.name and other not in context.planned.gone
        )
        if users:
            shown = ", ".join(map(repr, users[:MOST_SHOWN]))
            more = len(users) - MOST_SHOWN
            raise Conflict(
                f"reference {key.name!r} of {key.entity} is needed by alerter {shown}"
                + (f" and {more} more" if more > 0 else "")
                + ": remove the alerter, or let it compare with another reference"
            )

    def check_together(
        self,
        definitions: Sequence[ReferenceObject],
        stored: Mapping[Key, Plain],
        context: DeclareContext,
    ) -> None:
        """Refuse a version that nobody has uploaded."""
        del stored
        versions: dict[tuple[str, str], list[str]] = {}
        for one in context.store.references.records(current=False) if definitions else ():
            versions.setdefault((one.entity, one.name), []).append(one.digest)
        for at, definition in enumerate(definitions):
            known = versions.get((definition.entity, definition.name), [])
            if definition.digest not in known:
                shown = ", ".join(reversed(known[-MOST_SHOWN:])) or "none"
                raise Conflict(
                    f"reference {definition.name!r} of {definition.entity} has no version "
                    f"{definition.digest!r} (newest versions: {shown}): upload it first",
                    f"[{at}].digest",
                )


def reference_key(entity: str, name: str) -> Key:
    """Return the identity of a reference."""
    return Key(ReferenceObjects.name, entity, name)
