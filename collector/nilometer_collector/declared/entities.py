"""Declared entities as users write them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from nilometer.values.entity import NAME
from nilometer.values.labels import KEY
from nilometer.values.nearest import did_you_mean
from nilometer.values.time_zone import zone_names
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.kind import (
    Kind,
    Misdeclared,
    Plain,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.errors import Conflict
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, NO_CONTROL
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import (
    Command,
    DeclareEntity,
    EntityDeclaration,
    EntityKind,
    Key,
    RemoveEntity,
    Store,
    cycle_in,
    cycle_sentence,
)

MAX_DESCRIPTION_CHARACTERS = 4000
MAX_ATTRIBUTES = 64
MAX_EDGES = 64  # most entities that one entity reads from
MAX_COLUMNS = 64  # most columns of one edge whose names differ
MAX_VERSION = 999_999_999

EntityWord: TypeAlias = Literal["model", "data", "pipeline", "endpoint"]
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
SummaryName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=MAX_NAME_CHARACTERS, pattern=NO_CONTROL)
]
Renamed: TypeAlias = Annotated[dict[SummaryName, SummaryName], Meta(max_length=MAX_COLUMNS)]
Columns: TypeAlias = Annotated[dict[Name, Renamed], Meta(max_length=MAX_EDGES)]
Version: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_VERSION)]


class _Entity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of a declaration. Fields that are left out get their defaults."""

    kind: EntityWord = "model"
    owner: ShortText = ""
    time_zone: str = "UTC"
    description: Lines = ""
    attributes: Attributes = {}
    reads_from: Edges = []
    columns: Columns = {}


class EntityDefinition(_Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The declaration of an entity. Fields that are left out get their defaults."""

    version: Version | UnsetType = UNSET  # version that this replaces, 0 for none; default any


class EntityObject(_Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The declaration of an entity in a document. Fields that are left out get their defaults."""

    name: Name


def declaration_of(definition: EntityDefinition | EntityObject) -> EntityDeclaration:
    """Return the declaration in *definition*.

    Raises:
        Misdeclared: If the time zone does not exist, a text has control characters, or an edge
            occurs twice.
    """
    zones = zone_names()
    if definition.time_zone not in zones:
        hint = did_you_mean(definition.time_zone[:MAX_NAME_CHARACTERS], zones)
        raise Misdeclared(
            f"time_zone: is not an IANA name that this collector knows{hint}", "time_zone"
        )
    one_line = definition.description.replace("\n", " ")
    refuse_controls(msgspec.structs.replace(definition, description=one_line))
    if len(set(definition.reads_from)) < len(definition.reads_from):
        raise Misdeclared("reads_from: names an entity twice", "reads_from")
    return EntityDeclaration(
        kind=EntityKind(definition.kind),
        owner=definition.owner,
        time_zone=definition.time_zone,
        description=definition.description,
        attributes=definition.attributes,
        reads_from=tuple(definition.reads_from),
        columns=definition.columns,
    )


def entity_object(name: str, declaration: EntityDeclaration) -> EntityObject:
    """Return a stored *declaration* as a user writes it in a document."""
    return EntityObject(
        name=name,
        kind=declaration.kind.value,
        owner=declaration.owner,
        time_zone=declaration.time_zone,
        description=declaration.description,
        attributes=dict(declaration.attributes),
        reads_from=list(declaration.reads_from),
        columns={source: dict(names) for source, names in declaration.columns.items()},
    )


class EntityObjects(Kind[EntityObject]):
    """Declarations of entities."""

    name = "entity"
    plural = "entities"
    definition = EntityObject

    def key(self, definition: EntityObject) -> Key:
        """Return the identity: an entity belongs to itself."""
        return entity_key(definition.name)

    def key_named(self, entity: str, name: str) -> Key:
        """Return the identity; an entity needs only its name."""
        del entity
        return entity_key(name)

    def checked(self, definition: EntityObject) -> Plain:
        """Return the declaration as JSON values."""
        declaration_of(definition)
        return without_defaults(definition)

    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return all declarations, or that of one entity."""
        one = None if entity is None else store.entities.read(entity)
        found = store.entities.all() if entity is None else [] if one is None else [one]
        return {
            entity_key(one.name): without_defaults(entity_object(one.name, one.declaration))
            for one in found
        }

    def put(self, definition: EntityObject) -> Command:
        """Return the command that declares the entity."""
        return DeclareEntity(definition.name, declaration_of(definition))

    def remove(self, key: Key) -> Command:
        """Return the command that removes the declaration."""
        return RemoveEntity(key.name)

    def check_together(
        self,
        definitions: Sequence[EntityObject],
        stored: Mapping[Key, Plain],
        context: DeclareContext,
    ) -> None:
        """Refuse edges that make a cycle."""
        del context
        edges = {key.name: _edges(plain) for key, plain in stored.items()}
        edges |= {one.name: one.reads_from for one in definitions}
        places = {one.name: at for at, one in enumerate(definitions)}
        found = cycle_in(places, edges)
        if found is not None:
            name, at = found
            place = f"[{places[name]}].reads_from[{at}]"
            raise Conflict(cycle_sentence(name, edges[name][at]), place)

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each entity in ``reads_from`` that does not exist."""
        return known.missing_entities(_edges(plain))


def entity_key(name: str) -> Key:
    """Return the identity of the declaration of the entity *name*."""
    return Key(EntityObjects.name, name, name)


def _edges(plain: Plain) -> list[str]:
    return cast("list[str]", plain.get("reads_from", []))
