"""One monitored entity: read, declare, and remove its declaration."""

from collections.abc import Callable

import msgspec
from msgspec import UNSET

from nilometer.values.store_name import store_name
from nilometer_collector.access.needs import Need
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, Count, EntityName
from nilometer_collector.api.resources.entities import EntityView, entity_view
from nilometer_collector.declared.apart import check_apart
from nilometer_collector.declared.applying import By, change_one, remove_one
from nilometer_collector.declared.entities import (
    MAX_VERSION,
    EntityDefinition,
    EntityObjects,
    declaration_of,
    entity_key,
    entity_object,
)
from nilometer_collector.errors import Conflict, Unknown
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.query.records import EntityRecord
from nilometer_collector.store import DeclareEntity, EntityDeclaration, Origin, RemoveEntity, Store

OBJECTS = EntityObjects()
NEW_NAME = EntityName("entity", "Name of the monitored entity.")
ANY_VERSION = 0
VERSION = Count(
    "version", "Version that is removed; by default any version.", ANY_VERSION, MAX_VERSION
)


class DeclaredEntityView(EntityView, frozen=True, kw_only=True):
    """A monitored entity with its declaration."""

    time_zone: str  # IANA name of the time zone
    attributes: dict[str, str]
    columns: dict[str, dict[str, str]]  # by source: its summary by the entity's own summary
    updated: float | None  # last change of the declaration; null without one
    store: str  # name of the collector's store, which its backups keep


class PutEntity(DeclaredEntityView, frozen=True, kw_only=True):
    """The declared entity, with warnings of likely mistakes."""

    warnings: list[str]  # entities in `reads_from` that do not exist yet, with similar known names


async def read_entity(call: Call) -> DeclaredEntityView:
    """Read one entity.

    Raises:
        Unknown: If it does not exist.
    """
    name, query, may = call.parameters.value(ENTITY), call.context.query, call.access.may
    store, sees = call.context.store, call.access.sees
    return await call.context.ask(lambda: _view(query.entity(name, may), store, sees))


async def put_entity(call: Call) -> PutEntity:
    """Declare an entity, or replace its declaration.

    Raises:
        Conflict: If another version is stored, or an edge would make a cycle.
    """
    name, context = call.parameters.value(NEW_NAME), call.context
    definition = await read_json(call.request, EntityDefinition)
    # The first one reads the time zones of the host.
    declaration = await context.ask(lambda: declaration_of(definition))
    check_apart(entity_object(name, declaration), context.store.workspaces)
    by = By(author_of(call), Origin.API)
    replaces = None if definition.version is UNSET else definition.version
    now_ns = context.clock.now_ns()
    may_read = call.access.for_need(Need.READ).may

    def put() -> PutEntity:
        command = DeclareEntity(name, declaration, replaces)
        plain = OBJECTS.checked(entity_object(name, declaration))
        try:
            change_one(
                context.declaring(), OBJECTS, entity_key(name), lambda: (plain, command), by, now_ns
            )
        except Conflict as error:
            raise _without_edges_of_others(error, name, declaration, may_read) from error
        view = _view(context.query.entity(name, may_read), context.store, call.access.sees)
        warnings = OBJECTS.warnings(plain, KnownNames(context.store, may_read))
        return PutEntity(**msgspec.structs.asdict(view), warnings=warnings)

    return await context.ask(put)


async def delete_entity(call: Call) -> None:
    """Remove the declaration of an entity; its data and the edges to it stay.

    Raises:
        Unknown: If it has no declaration.
        Conflict: If another version is stored.
    """
    name, version = call.parameters.value(ENTITY), call.parameters.value(VERSION)
    declaring, now_ns = call.context.declaring(), call.context.clock.now_ns()
    command = RemoveEntity(name, None if version == ANY_VERSION else version)
    key, by = entity_key(name), By(author_of(call), Origin.API)
    if not await call.context.ask(lambda: remove_one(declaring, OBJECTS, key, command, by, now_ns)):
        raise Unknown(f"entity {name!r} has no declaration")


def _without_edges_of_others(
    error: Conflict, name: str, declaration: EntityDeclaration, may_read: Callable[[str], bool]
) -> Conflict:
    """Return *error*; if it reveals an edge of an entity that the caller may not read, a neutral one."""
    for at, source in enumerate(declaration.reads_from):
        if error.field == f"reads_from[{at}]" and source != name and not may_read(source):
            return Conflict(f"{error.field}: the edge to {source!r} is not possible", error.field)
    return error


def _view(entity: EntityRecord, store: Store, sees: Callable[[str], bool]) -> DeclaredEntityView:
    said = entity.declaration
    return DeclaredEntityView(
        **msgspec.structs.asdict(entity_view(entity, sees)),
        time_zone=said.time_zone,
        attributes=dict(said.attributes),
        columns={source: dict(names) for source, names in said.columns.items() if sees(source)},
        updated=None if entity.updated_ns is None else seconds(entity.updated_ns),
        store=store_name(store.names_key),
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/entity",
        name="readEntity",
        about="Read one monitored entity with its declaration.",
        handler=read_entity,
        answer=DeclaredEntityView,
        parameters=(ENTITY,),
        errors=(404, 422),
    ),
    Operation(
        method="PUT",
        path="/api/v1/entity",
        name="putEntity",
        about="Declare an entity, or replace its declaration.",
        handler=put_entity,
        answer=PutEntity,
        parameters=(NEW_NAME,),
        body=EntityDefinition,
        errors=(400, 409, 413, 415, 422),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/entity",
        name="deleteEntity",
        about="Remove the declaration of an entity. Its data and the edges to it stay.",
        handler=delete_entity,
        answer=None,
        parameters=(ENTITY, VERSION),
        errors=(404, 409, 422),
    ),
)
