"""One monitored entity: read, declare, and remove its declaration."""

from collections.abc import Callable
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nilometer.values.entity import NAME
from nilometer.values.labels import KEY
from nilometer.values.nearest import did_you_mean
from nilometer.values.time_zone import zone_names
from nilometer_collector.access.needs import Need
from nilometer_collector.access.rights import Access
from nilometer_collector.api.body import read_json, refuse_controls
from nilometer_collector.api.fields import seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, Count, EntityName
from nilometer_collector.api.problems import ApiError
from nilometer_collector.api.resources.entities import EntityView, Kind, entity_view
from nilometer_collector.errors import Conflict, Unknown
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, NO_CONTROL
from nilometer_collector.query.records import EntityRecord
from nilometer_collector.store import EntityDeclaration, EntityKind

MAX_DESCRIPTION_CHARACTERS = 4000
MAX_ATTRIBUTES = 64
MAX_EDGES = 64  # most entities that one entity reads from
MAX_VERSION = 999_999_999

NEW_NAME = EntityName("entity", "Name of the monitored entity.")
ANY_VERSION = 0
VERSION = Count(
    "version", "Version that is removed; by default any version.", ANY_VERSION, MAX_VERSION
)

ShortText: TypeAlias = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)]
Lines: TypeAlias = Annotated[
    str,
    Meta(
        max_length=MAX_DESCRIPTION_CHARACTERS,
        pattern=r"^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$",
    ),
]
AttributeKey: TypeAlias = Annotated[str, Meta(pattern=f"^{KEY.pattern}$")]
Name: TypeAlias = Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]
Attributes: TypeAlias = Annotated[dict[AttributeKey, ShortText], Meta(max_length=MAX_ATTRIBUTES)]
Edges: TypeAlias = Annotated[list[Name], Meta(max_length=MAX_EDGES)]
Version: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_VERSION)]


class EntityDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The declaration of an entity. Fields that are left out get their defaults."""

    kind: Kind = "model"
    owner: ShortText = ""
    time_zone: str = "UTC"
    description: Lines = ""
    attributes: Attributes = {}
    reads_from: Edges = []
    version: Version | UnsetType = UNSET  # version that this replaces, 0 for none; default any


class DeclaredEntityView(EntityView, frozen=True, kw_only=True):
    """A monitored entity with its declaration."""

    time_zone: str  # IANA name of the time zone
    attributes: dict[str, str]
    updated: float | None  # last change of the declaration; null without one


class PutEntity(DeclaredEntityView, frozen=True, kw_only=True):
    """The declared entity, with warnings of likely mistakes."""

    warnings: list[str]  # entities in `reads_from` that do not exist yet, with similar known names


async def read_entity(call: Call) -> DeclaredEntityView:
    """Read one entity.

    Raises:
        Unknown: If it does not exist.
    """
    name, query, may = call.parameters.value(ENTITY), call.context.query, call.access.may
    return _view(await call.context.ask(lambda: query.entity(name, may)))


async def put_entity(call: Call) -> PutEntity:
    """Declare an entity, or replace its declaration.

    Raises:
        Conflict: If another version is stored, or an edge would make a cycle.
    """
    name, context = call.parameters.value(NEW_NAME), call.context
    definition = await read_json(call.request, EntityDefinition)
    declaration = _declaration_of(definition)
    replaces = None if definition.version is UNSET else definition.version
    now_ns = context.clock.now_ns()
    may_read = Access(call.access.principal, Need.READ).may

    def put() -> PutEntity:
        try:
            context.store.entities.put(name, declaration, now_ns, replaces)
        except Conflict as error:
            raise _without_edges_of_others(error, name, declaration, may_read) from error
        view = _view(context.query.entity(name, may_read))
        known = context.query.names(may_read)
        warnings = [
            f"reads_from = {source!r}: does not exist yet{did_you_mean(source, known)}"
            for source in declaration.reads_from
            if may_read(source) and source not in known  # a warning reveals which names exist
        ]
        return PutEntity(**msgspec.structs.asdict(view), warnings=warnings)

    return await context.ask(put)


async def delete_entity(call: Call) -> None:
    """Remove the declaration of an entity; its data and the edges to it stay.

    Raises:
        Unknown: If it has no declaration.
        Conflict: If another version is stored.
    """
    name, version = call.parameters.value(ENTITY), call.parameters.value(VERSION)
    entities, now_ns = call.context.store.entities, call.context.clock.now_ns()
    replaces = None if version == ANY_VERSION else version
    if not await call.context.ask(lambda: entities.delete(name, now_ns, replaces)):
        raise Unknown(f"entity {name!r} has no declaration")


def _without_edges_of_others(
    error: Conflict, name: str, declaration: EntityDeclaration, may_read: Callable[[str], bool]
) -> Conflict:
    """Return *error*; if it reveals an edge of an entity that the caller may not read, a neutral one."""
    for at, source in enumerate(declaration.reads_from):
        if error.field == f"reads_from[{at}]" and source != name and not may_read(source):
            return Conflict(f"{error.field}: the edge to {source!r} is not possible", error.field)
    return error


def _declaration_of(definition: EntityDefinition) -> EntityDeclaration:
    """Return the declaration in *definition*.

    Raises:
        ApiError: 422 if the time zone does not exist, a text has control characters, or an edge
            occurs twice.
    """
    zones = zone_names()
    if definition.time_zone not in zones:
        hint = did_you_mean(definition.time_zone[:MAX_NAME_CHARACTERS], zones)
        raise ApiError(
            422, f"time_zone: is not an IANA name that this collector knows{hint}", "time_zone"
        )
    one_line = definition.description.replace("\n", " ")
    refuse_controls(msgspec.structs.replace(definition, description=one_line))
    if len(set(definition.reads_from)) < len(definition.reads_from):
        raise ApiError(422, "reads_from: names an entity twice", "reads_from")
    return EntityDeclaration(
        kind=EntityKind(definition.kind),
        owner=definition.owner,
        time_zone=definition.time_zone,
        description=definition.description,
        attributes=definition.attributes,
        reads_from=tuple(definition.reads_from),
    )


def _view(entity: EntityRecord) -> DeclaredEntityView:
    said = entity.declaration
    return DeclaredEntityView(
        **msgspec.structs.asdict(entity_view(entity)),
        time_zone=said.time_zone,
        attributes=dict(said.attributes),
        updated=None if entity.updated_ns is None else seconds(entity.updated_ns),
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
