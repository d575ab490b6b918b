"""Declared objects: apply a document, list and remove objects, their history, and roll back."""

import re
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access, Forbidden, Hidden
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.change_parameters import AnyRevision, Reason
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
from nilometer_collector.api.resources.declared_views import (
    AppliedView,
    Changes,
    DeclaredObjectView,
    Objects,
    change_view,
    revisions_of,
    warning_view,
)
from nilometer_collector.declared.applying import Applied, By, Part, apply, remove_one, roll_back
from nilometer_collector.declared.kind import Kind, title_of
from nilometer_collector.declared.listing import visible_changes
from nilometer_collector.declared.planning import keys_in
from nilometer_collector.declared.registered import (
    ALL_KINDS,
    KINDS,
    Document,
    document_of,
    kind_named,
)
from nilometer_collector.declared.sets import PartOf, SetDefinition, set_key
from nilometer_collector.errors import Conflict, Unknown
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import DECISION, ChangeQuestion, Key, Origin

MAX_DOCUMENT_BYTES = 16 << 20
MOST_LISTED = 10_000  # most changes in one answer
SET_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
LISTED = 200  # changes in one answer by default

KindWord: TypeAlias = Annotated[
    str,
    Meta(
        pattern=f"^({'|'.join(word for kind in ALL_KINDS for word in (kind.name, kind.plural))})$"
    ),
]


class Rollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The revision to go back to, and the part of all objects that goes back."""

    revision: Annotated[int, Meta(ge=0, le=LAST_ID)]  # 0 for the time before the first
    kind: KindWord | None = None  # kind of the objects; null for all kinds
    entity: str | None = None  # pattern of their entities; null for all objects
    name: str | None = None  # pattern of their names; null for all names


KIND = OneWord(
    "kind",
    "Kind of the objects; without it, all kinds that a document may have.",
    lambda: [kind.name for kind in ALL_KINDS],
)
CHANGED_KIND = OneWord(
    "kind", "Kind of what changed.", lambda: [*(kind.name for kind in ALL_KINDS), DECISION]
)
OBJECT_KIND = RequiredWord("kind", "Kind of the object.", lambda: [kind.name for kind in ALL_KINDS])
OBJECT_ENTITY = Text("entity", "Entity of the object; not needed for an entity.")
ANY_OWNER = Text("entity", "Entity of the objects, or their pattern of entities.")
ANY_NAME = Text("name", "Name of the object.")
NAME = RequiredText("name", "Name of the object.")
DRY_RUN = Flag("dry_run", "Whether to report the changes only.")
SET = Text("set", "Name of the set that the objects belong to.")
PRUNE = Flag("prune", "Whether to remove the objects of the set that the document does not have.")
REASON = Reason("reason", "Why the change is made, for the history.")
BASED_ON = AnyRevision(
    "based_on",
    "Newest revision that the author has read. If an object of the document, or the set, changed after "
    "it, nothing is changed and the status is 409. Without it, the document is applied in any case.",
)
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
    context, by = call.context, By(author_of(call), Origin.APPLY, call.parameters.value(REASON))
    dry_run = call.parameters.value(DRY_RUN) or False
    reads, prunes = _reads(call), call.parameters.value(PRUNE) or False
    part_of, based_on = _part_of(call), call.parameters.value(BASED_ON)
    if prunes and part_of is None:
        raise Conflict("prune: needs the name of a set", "prune")

    def make() -> Applied:
        document = document_of(raw)
        for key in keys_in(document):
            _require(call.access, key)
        now_ns = context.clock.now_ns()
        return apply(
            context.declaring(reads),
            document,
            by,
            now_ns,
            is_dry_run=dry_run,
            part_of=part_of,
            prunes=prunes,
            based_on=based_on,
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
    context, by = call.context, By(author_of(call), Origin.ROLLBACK, call.parameters.value(REASON))
    dry_run, reads = call.parameters.value(DRY_RUN) or False, _reads(call)
    applied = await context.ask(
        lambda: roll_back(
            context.declaring(reads),
            body.revision,
            by,
            context.clock.now_ns(),
            part=Part(kind=kind, entity=body.entity, name=body.name),
            is_dry_run=dry_run,
            sees=lambda key: _sees(call.access, key),
            require=lambda key: _require_known(call.access, reads, key),
            may_change=lambda known: _may_change(call.access, known),
        )
    )
    context.wake()
    return _applied_view(applied, reads, dry_run=dry_run)


async def list_objects(call: Call) -> Objects:
    """List the declared objects that the caller may read."""
    words, entity = call.parameters.value(KIND), call.parameters.value(ANY_OWNER)
    name, store, may = call.parameters.value(ANY_NAME), call.context.store, call.access.may

    def read() -> list[DeclaredObjectView]:
        now_ns = call.context.clock.now_ns()
        known = KnownNames(store, may, may_use=call.access.naming, now_ns=now_ns)
        found = []
        for kind in ALL_KINDS if words else KINDS:
            if words and kind.name not in words:
                continue
            stored, unread = kind.listed(store, entity)
            found += [
                DeclaredObjectView(
                    kind=kind.name,
                    entity=key.entity,
                    name=key.name,
                    definition=dict(plain),
                    warnings=[unread[key].warning]
                    if key in unread
                    else kind.warnings(plain, known),
                )
                for key, plain in stored.items()
                if name in {None, key.name} and _may(call.access, key)
            ]
        return found

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
    context, by = call.context, By(author_of(call), Origin.API, call.parameters.value(REASON))
    now_ns, command = context.clock.now_ns(), kind.remove(key)
    declaring = context.declaring()
    if not await context.ask(lambda: remove_one(declaring, kind, key, command, by, now_ns)):
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
    store, limit = call.context.store, value(LIMIT)

    def may(key: Key) -> bool:
        return _may(call.access, key)

    found, following = await call.context.ask(lambda: visible_changes(store, question, limit, may))
    return Changes(revisions=revisions_of(found), next=following)


def _part_of(call: Call) -> PartOf | None:
    """Return the set of a request, which belongs to the caller's workspace; None without one."""
    name, access = call.parameters.value(SET), call.access
    if not name:
        return None
    if not re.fullmatch(SET_NAME, name):
        raise Conflict(f"set = {name[:64]!r}: must match {SET_NAME}", "set")
    if access.workspace is not None:
        name = f"{access.workspace.name}/{name}"
    return PartOf(name, access.caller, access.may_use)


def _may_change(access: Access, known: SetDefinition) -> bool:
    """Return whether the caller may change a set: its owner may, and who administers it."""
    is_own = known.owner == access.caller and _sees(access, set_key(known.name))
    return is_own or access.may_use(known.name)


def _reads(call: Call) -> Access:
    """Return the caller's right to read, which a right to write does not include."""
    return call.access.for_need(Need.READ)


def _may(access: Access, key: Key) -> bool:
    """Return whether the caller has access to an object; one without an entity has an owner."""
    if not key.entity:
        return access.may_use(key.name)
    return access.may_all(key.entity) if _is_for_pattern(key) else access.may(key.entity)


def _sees(access: Access, key: Key) -> bool:
    """Return whether an object is not hidden by the caller's workspace."""
    if access.workspace is None:
        return True
    if not key.entity:
        return access.workspace.owns(key.name)
    return access.sees_all(key.entity) if _is_for_pattern(key) else access.sees(key.entity)


def _is_for_pattern(key: Key) -> bool:
    return key.kind != DECISION and kind_named(key.kind).is_for_pattern


def _require(access: Access, key: Key) -> None:
    kind: Kind[Any] = kind_named(key.kind)
    if kind.is_for_all:
        access.require_named(key.name)
    elif kind.is_for_pattern:
        access.require_pattern(key.entity)
    else:
        access.require([key.entity])


def _require_known(access: Access, reads: Access, key: Key) -> None:
    """Like `_require`, but the error does not name an entity that the caller may not read."""
    try:
        _require(access, key)
    except Hidden:
        raise
    except Forbidden as error:
        if reads.may(key.entity):
            raise
        raise Forbidden("this would change objects that you may not read") from error


def _applied_view(applied: Applied, reads: Access, *, dry_run: bool) -> AppliedView:
    plan = applied.plan
    return AppliedView(
        revision=applied.revision,
        dry_run=dry_run,
        based_on=applied.based_on,
        changes=[change_view(one, may_read=_may(reads, one.key)) for one in plan.changes],
        unchanged=plan.unchanged,
        warnings=[warning_view(one) for one in plan.warnings],
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/apply",
        name="applyDocument",
        about="Create and change all objects of a document in one transaction.",
        handler=apply_document,
        answer=AppliedView,
        parameters=(DRY_RUN, SET, PRUNE, BASED_ON, REASON),
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
        parameters=(DRY_RUN, REASON),
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
        parameters=(OBJECT_KIND, OBJECT_ENTITY, NAME, REASON),
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
