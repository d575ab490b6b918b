"""Declared objects: apply a document, list and remove objects, their history, and roll back."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access, Forbidden
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import (
    LAST_ID,
    AnyId,
    Count,
    Flag,
    OneWord,
    RequiredText,
    RequiredWord,
    Text,
)
from nilometer_collector.declared.applying import Applied, By, Part, apply, change_one, roll_back
from nilometer_collector.declared.difference import fields_of
from nilometer_collector.declared.kind import Kind, Misdeclared, title_of
from nilometer_collector.declared.listing import visible_changes
from nilometer_collector.declared.planning import Warned, keys_in
from nilometer_collector.declared.registered import KINDS, Document, document_of, kind_named
from nilometer_collector.errors import Unknown
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import DECISION, Change, ChangeQuestion, ChangeRecord, Key, Origin

MAX_DOCUMENT_BYTES = 16 << 20
MOST_LISTED = 10_000  # most changes in one answer
SET_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
LISTED = 200  # changes in one answer by default

Action: TypeAlias = Literal["created", "changed", "removed"]
KindWord: TypeAlias = Annotated[
    str,
    Meta(pattern=f"^({'|'.join(word for kind in KINDS for word in (kind.name, kind.plural))})$"),
]
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
    changes: list[ChangeView]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of declared objects, newest first."""

    revisions: list[RevisionView]
    next: int | None  # value of `before` for older changes; null on the last page


class Rollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The revision to go back to, and the part of all objects that goes back."""

    revision: Annotated[int, Meta(ge=0, le=LAST_ID)]  # 0 for the time before the first
    kind: KindWord | None = None  # kind of the objects; null for all kinds
    entity: str | None = None  # pattern of their entities; null for all objects
    name: str | None = None  # pattern of their names; null for all names


KIND = OneWord("kind", "Kind of the objects.", lambda: [kind.name for kind in KINDS])
CHANGED_KIND = OneWord(
    "kind", "Kind of what changed.", lambda: [*(kind.name for kind in KINDS), DECISION]
)
OBJECT_KIND = RequiredWord("kind", "Kind of the object.", lambda: [kind.name for kind in KINDS])
OBJECT_ENTITY = Text("entity", "Entity of the object; not needed for an entity.")
ANY_OWNER = Text("entity", "Entity of the objects, or their pattern of entities.")
ANY_NAME = Text("name", "Name of the object.")
NAME = RequiredText("name", "Name of the object.")
DRY_RUN = Flag("dry_run", "Whether to report the changes only.")
SET = Text("set", "Name of the set that the objects belong to.")
PRUNE = Flag("prune", "Whether to remove the objects of the set that the document does not have.")
LIMIT = Count("limit", "Largest number of changes in the answer.", LISTED, MOST_LISTED)
BEFORE = AnyId("before", "Value of `next` from the page before.")


async def apply_document(call: Call) -> AppliedView:
    """Create and change all objects of a document in one transaction.

    Raises:
        Misdeclared: If an object is not allowed; its field names the place in the document.
        Conflict: If two objects contradict each other, or what is stored.
        Forbidden: If the caller may not change one of the entities.
    """
    raw = await read_json(call.request, dict[str, object], MAX_DOCUMENT_BYTES)
    context, by = call.context, By(author_of(call), Origin.APPLY)
    dry_run = call.parameters.value(DRY_RUN) or False
    reads, prunes = _reads(call), call.parameters.value(PRUNE) or False
    part_of = call.parameters.value(SET) or ""
    if part_of and not re.fullmatch(SET_NAME, part_of):
        raise Misdeclared(f"set = {part_of[:64]!r}: must match {SET_NAME}", "set")
    if prunes and not part_of:
        raise Misdeclared("prune: needs the name of a set", "prune")

    def make() -> Applied:
        document = document_of(raw)
        for key in keys_in(document):
            _require(call.access, key)
        now_ns = context.clock.now_ns()
        return apply(
            context.declaring(reads.may),
            document,
            by,
            now_ns,
            is_dry_run=dry_run,
            part_of=part_of,
            prunes=prunes,
            require=lambda key: _require_known(call.access, reads, key),
        )

    applied = await context.ask(make)
    context.wake()
    return _applied_view(applied, reads, dry_run=dry_run)


async def roll_back_objects(call: Call) -> AppliedView:
    """Make all objects as they were after a revision.

    Raises:
        Unknown: If there is no such revision.
        Conflict: If an object cannot be as it was.
        Forbidden: If the caller may not change one of the entities.
    """
    body = await read_json(call.request, Rollback)
    kind = None if body.kind is None else kind_named(body.kind).name
    context, by = call.context, By(author_of(call), Origin.ROLLBACK)
    dry_run, reads = call.parameters.value(DRY_RUN) or False, _reads(call)
    applied = await context.ask(
        lambda: roll_back(
            context.declaring(reads.may),
            body.revision,
            by,
            context.clock.now_ns(),
            part=Part(kind=kind, entity=body.entity, name=body.name),
            is_dry_run=dry_run,
            require=lambda key: _require_known(call.access, reads, key),
        )
    )
    context.wake()
    return _applied_view(applied, reads, dry_run=dry_run)


async def list_objects(call: Call) -> Objects:
    """List the declared objects that the caller may read."""
    words, entity = call.parameters.value(KIND), call.parameters.value(ANY_OWNER)
    name, store, may = call.parameters.value(ANY_NAME), call.context.store, call.access.may

    def read() -> list[DeclaredObjectView]:
        known = KnownNames(store, may)
        return [
            DeclaredObjectView(
                kind=kind.name,
                entity=key.entity,
                name=key.name,
                definition=dict(plain),
                warnings=kind.warnings(plain, known),
            )
            for kind in KINDS
            if not words or kind.name in words
            for key, plain in kind.stored(store, entity).items()
            if name in {None, key.name} and may(key.entity)
        ]

    return Objects(objects=await call.context.ask(read))


async def remove_object(call: Call) -> None:
    """Remove a declared object.

    Raises:
        Unknown: If there is no such object.
        Conflict: If another object needs it.
        Forbidden: If the caller may not change the entity.
    """
    kind = kind_named(call.parameters.value(OBJECT_KIND)[0])
    name, entity = call.parameters.value(NAME), call.parameters.value(OBJECT_ENTITY)
    key = kind.key_named(entity or "", name)
    _require(call.access, key)
    context, by = call.context, By(author_of(call), Origin.API)
    now_ns, command = context.clock.now_ns(), kind.remove(key)
    declaring = context.declaring()
    if not await context.ask(lambda: change_one(declaring, kind, key, None, command, by, now_ns)):
        raise Unknown(f"there is no {title_of(key)}")
    context.wake()


async def list_changes(call: Call) -> Changes:
    """List the changes of objects that the caller may read."""
    value = call.parameters.value
    question = ChangeQuestion(
        kind=next(iter(value(CHANGED_KIND)), None),
        entity=value(ANY_OWNER),
        name=value(ANY_NAME),
        before=value(BEFORE),
    )
    store, limit, may = call.context.store, value(LIMIT), call.access.may
    found, following = await call.context.ask(lambda: visible_changes(store, question, limit, may))
    return Changes(revisions=_revisions(found), next=following)


def _reads(call: Call) -> Access:
    """Return the caller's right to read, which a right to write does not include."""
    return Access(call.access.principal, Need.READ)


def _require(access: Access, key: Key) -> None:
    kind: Kind[Any] = kind_named(key.kind)
    if kind.is_for_all:
        access.require_all()
    elif kind.is_for_pattern:
        access.require_pattern(key.entity)
    else:
        access.require([key.entity])


def _require_known(access: Access, reads: Access, key: Key) -> None:
    """Like `_require`, but the error does not name an entity that the caller may not read."""
    try:
        _require(access, key)
    except Forbidden as error:
        if reads.may(key.entity):
            raise
        raise Forbidden("this would change objects that you may not read") from error


def _applied_view(applied: Applied, reads: Access, *, dry_run: bool) -> AppliedView:
    plan = applied.plan
    return AppliedView(
        revision=applied.revision,
        dry_run=dry_run,
        changes=[_change_view(one, may_read=reads.may(one.key.entity)) for one in plan.changes],
        unchanged=plan.unchanged,
        warnings=[_warning_view(one) for one in plan.warnings],
    )


def _warning_view(warned: Warned) -> WarningView:
    return WarningView(**warned.key._asdict(), sentence=warned.sentence)


def _change_view(change: Change, *, may_read: bool = True) -> ChangeView:
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


def _revisions(records: Sequence[ChangeRecord]) -> list[RevisionView]:
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
                changes=[],
            )
        known.changes.append(_change_view(record.change))
    return list(found.values())


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/apply",
        name="applyDocument",
        about="Create and change all objects of a document in one transaction.",
        handler=apply_document,
        answer=AppliedView,
        parameters=(DRY_RUN, SET, PRUNE),
        body=Document,
        errors=(400, 409, 413, 415, 422),
    ),
    Operation(
        method="POST",
        path="/api/v1/rollback",
        name="rollBack",
        about="Make all declared objects as they were after a revision, as a new revision.",
        handler=roll_back_objects,
        answer=AppliedView,
        parameters=(DRY_RUN,),
        body=Rollback,
        errors=(400, 404, 409, 413, 415, 422),
    ),
    Operation(
        method="GET",
        path="/api/v1/objects",
        name="listObjects",
        about="List the declared objects, with names in them that point nowhere.",
        handler=list_objects,
        answer=Objects,
        parameters=(KIND, ANY_OWNER, ANY_NAME),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/objects",
        name="removeObject",
        about="Remove a declared object.",
        handler=remove_object,
        answer=None,
        parameters=(OBJECT_KIND, OBJECT_ENTITY, NAME),
        errors=(404, 409, 422),
    ),
    Operation(
        method="GET",
        path="/api/v1/changes",
        name="listChanges",
        about="List who changed which declared objects, and when.",
        handler=list_changes,
        answer=Changes,
        parameters=(CHANGED_KIND, ANY_OWNER, ANY_NAME, BEFORE, LIMIT),
    ),
)
