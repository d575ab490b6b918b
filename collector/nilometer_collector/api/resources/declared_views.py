"""The views of declared objects and of their changes."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from nilometer_collector.api.fields import seconds
from nilometer_collector.declared.difference import fields_of
from nilometer_collector.declared.planning import Warned
from nilometer_collector.store import Change, ChangeRecord

Action: TypeAlias = Literal["created", "changed", "removed"]
OriginWord: TypeAlias = Literal["apply", "api", "settings", "upload", "rollback"]


class FieldView(msgspec.Struct, frozen=True, kw_only=True):
    """A field that a change sets, changes or removes."""

    field: str
    before: str | None  # JSON text; null if the field was not set
    after: str | None  # JSON text; null if the field is not set any more


class ChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one object."""

    kind: str
    entity: str  # entity of the object, or a pattern of entities
    name: str
    action: Action
    fields: list[FieldView]  # empty for callers who may not read the entity


class WarningView(msgspec.Struct, frozen=True, kw_only=True):
    """A name in an object that points nowhere."""

    kind: str
    entity: str
    name: str
    sentence: str


class AppliedView(msgspec.Struct, frozen=True, kw_only=True):
    """What a document or a rollback changed, or would change."""

    revision: int | None  # number of the revision; null if nothing was changed
    dry_run: bool
    based_on: int = 0  # newest revision before it; 0 before the first and from older collectors
    changes: list[ChangeView]
    unchanged: int  # number of objects that are stored as they are given
    warnings: list[WarningView]


class DeclaredObjectView(msgspec.Struct, frozen=True, kw_only=True):
    """A declared object."""

    kind: str
    entity: str
    name: str
    definition: dict[str, Any]  # definition without defaults, as in a document
    warnings: list[str]  # names in it that point nowhere


class Objects(msgspec.Struct, frozen=True, kw_only=True):
    """Declared objects by kind, entity and name."""

    objects: list[DeclaredObjectView]


class RevisionView(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that were made together."""

    revision: int
    author: str
    origin: OriginWord
    made: float
    reason: str = ""  # why it was made; empty without a reason, and from older collectors
    changes: list[ChangeView]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of declared objects, newest first."""

    revisions: list[RevisionView]
    next: int | None  # value of `before` for older changes; null on the last page


def warning_view(warned: Warned) -> WarningView:
    """Return a warning as the API shows it."""
    return WarningView(**warned.key._asdict(), sentence=warned.sentence)


def change_view(change: Change, *, may_read: bool = True) -> ChangeView:
    """Return a change as the API shows it; only its fields depend on *may_read*."""
    action: Action = "changed"
    if change.before is None:
        action = "created"
    elif change.after is None:
        action = "removed"
    fields = fields_of(change) if may_read else []
    return ChangeView(
        **change.key._asdict(),
        action=action,
        fields=[FieldView(**one._asdict()) for one in fields],
    )


def revisions_of(records: Sequence[ChangeRecord]) -> list[RevisionView]:
    """Return the records of each revision together."""
    found: dict[int, RevisionView] = {}
    for record in records:
        known = found.get(record.revision)
        if known is None:
            known = found[record.revision] = RevisionView(
                revision=record.revision,
                author=record.author,
                origin=record.origin.value,
                made=seconds(record.made_ns),
                reason=record.reason,
                changes=[],
            )
        known.changes.append(change_view(record.change))
    return list(found.values())
