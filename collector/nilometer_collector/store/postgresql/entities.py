"""Declared entities, and the types of logged summaries, in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import LiteralString

from nilometer_collector.errors import Conflict
from nilometer_collector.store.entity_records import (
    UNDECLARED,
    DeclaredEntity,
    EntityDeclaration,
    check_edges,
    check_version,
)
from nilometer_collector.store.history_records import DeclareEntity, RemoveEntity
from nilometer_collector.store.logged_types import (
    Key,
    LoggedType,
    logged_columns,
    logged_type_of,
    settled,
)
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.forgetting import forget
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.rows import declaration_columns, declared_entity_of

# Collectors take turns, because two changes may each be allowed and make a cycle together.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('nilometer entities', 0))"
_VERSIONS = "SELECT name, version, deleted FROM entities WHERE name = ANY(%(names)s::text[])"
_SELECT = """
SELECT name, kind, owner, time_zone, description, attributes, reads_from, columns, version,
       updated_ns
FROM entities WHERE NOT deleted AND (%(name)s::text IS NULL OR name = %(name)s) ORDER BY name
"""
_PUT = """
INSERT INTO entities (name, kind, owner, time_zone, description, attributes, reads_from, columns,
                      version, updated_ns, deleted)
VALUES (%(name)s, %(kind)s, %(owner)s, %(time_zone)s, %(description)s, %(attributes)s,
        %(reads_from)s, %(columns)s, %(version)s, %(now)s, %(deleted)s)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, owner = excluded.owner,
  time_zone = excluded.time_zone, description = excluded.description,
  attributes = excluded.attributes, reads_from = excluded.reads_from, columns = excluded.columns,
  version = excluded.version, updated_ns = excluded.updated_ns, deleted = excluded.deleted
"""

# A shipment holds the types that it relies on, so that a deletion waits for its samples.
_TYPES = """
SELECT entity, summary, data_type, aggregation, unit, shape FROM logged_summaries
JOIN unnest(%(entities)s::text[], %(summaries)s::text[]) AS asked (entity, summary)
     USING (entity, summary)
ORDER BY entity, summary FOR KEY SHARE OF logged_summaries
"""
# Rows are written in key order, so that two collectors never wait for each other.
_NEW_TYPES = """
INSERT INTO logged_summaries (entity, summary, data_type, aggregation, unit, shape)
SELECT * FROM unnest(%(entities)s::text[], %(summaries)s::text[], %(data_types)s::text[],
                     %(aggregations)s::text[], %(units)s::text[], %(shapes)s::text[])
     AS new (entity, summary, data_type, aggregation, unit, shape)
ORDER BY entity COLLATE "C", summary COLLATE "C"
ON CONFLICT (entity, summary) DO NOTHING
"""
_LOCK_TYPES = """
SELECT entity, summary, data_type, aggregation, unit, shape FROM logged_summaries
JOIN unnest(%(entities)s::text[], %(summaries)s::text[]) AS asked (entity, summary)
     USING (entity, summary)
ORDER BY entity, summary FOR NO KEY UPDATE OF logged_summaries
"""
_PUT_SHAPES = """
UPDATE logged_summaries SET shape = new.shape
FROM unnest(%(entities)s::text[], %(summaries)s::text[], %(shapes)s::text[])
     AS new (entity, summary, shape)
WHERE logged_summaries.entity = new.entity AND logged_summaries.summary = new.summary
"""
_ALL_TYPES = """
SELECT summary, data_type, aggregation, unit, shape FROM logged_summaries WHERE entity = %(entity)s
"""


class Entities:
    """Reads and changes declarations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self, name: str, declaration: EntityDeclaration, now_ns: int, replaces: int | None = None
    ) -> int:
        """Declare the entity *name*, or replace its declaration, and return the new version."""

        def put(session: Session) -> int:
            self.change(session, [DeclareEntity(name, declaration, replaces)], now_ns)
            return _versions(session, [name])[name][0]

        return self._database.write(put)

    def delete(self, name: str, now_ns: int, replaces: int | None = None) -> bool:
        """Remove the declaration of *name*; return False if there is none. Data and edges to it stay."""

        def delete(session: Session) -> bool:
            session.rows(_LOCK)
            is_declared = _versions(session, [name])[name][1] > 0
            self.change(session, [RemoveEntity(name, replaces)], now_ns)
            return is_declared

        return self._database.write(delete)

    def change(
        self, session: Session, commands: Sequence[DeclareEntity | RemoveEntity], now_ns: int
    ) -> None:
        """Make all changes inside a transaction; only the edges of the result are checked."""
        session.rows(_LOCK)
        versions = _versions(session, [command.name for command in commands])
        edges = {one.name: one.declaration.reads_from for one in _read(session, None)}
        for command in commands:
            last, stored = versions[command.name]
            check_version(command.name, stored, command.replaces)
            if isinstance(command, DeclareEntity):
                edges[command.name] = command.declaration.reads_from
                said = command.declaration
                _save(session, command.name, said, last + 1, now_ns, is_deleted=False)
            elif stored:
                edges.pop(command.name, None)
                _save(session, command.name, UNDECLARED, last + 1, now_ns, is_deleted=True)
        check_edges({command.name for command in commands}, edges)

    def read(self, name: str) -> DeclaredEntity | None:
        """Return the declaration of *name*; None if there is none."""
        found = self._database.read(lambda session: _read(session, name))
        return found[0] if found else None

    def all(self) -> list[DeclaredEntity]:
        """List all declared entities by name."""
        return self._database.read(lambda session: _read(session, None))

    def settle(
        self, session: Session, samples: Sequence[tuple[int, Key, LoggedType]]
    ) -> Mapping[int, Conflict]:
        """Store the types of logged samples, inside a transaction; return the contradictions.

        Args:
            session: Session of the transaction.
            samples: Sequence, summary and type of each sample.
        """
        if not samples:
            return {}
        types, refused = settled(_known(session, _TYPES, (key for _, key, _ in samples)), samples)
        if not types:
            return refused
        columns = [logged_columns(one) for one in types.values()]
        data_types, aggregations, units, shapes = map(list, zip(*columns, strict=True))
        texts = {"data_types": data_types, "aggregations": aggregations, "units": units}
        session.execute(_NEW_TYPES, {**_names(types), **texts, "shapes": shapes})
        # Another collector may have settled a type in the meantime.
        known = _known(session, _LOCK_TYPES, (key for _, key, _ in samples))
        types, refused = settled(known, samples)
        shapes = [logged_columns(one)[-1] for one in types.values()]
        session.execute(_PUT_SHAPES, {**_names(types), "shapes": shapes})
        return refused

    def types(self, entity: str) -> dict[str, LoggedType]:
        """Return the types of the summaries of *entity* that users log, by summary."""
        rows = self._database.read(lambda session: session.rows(_ALL_TYPES, {"entity": entity}))
        return {summary: logged_type_of(found) for summary, *found in rows}

    def forget(self, entity: str, summary: str) -> bool:
        """Remove a summary that users log, its type and its samples; return False if there is none."""
        return forget(self._database, entity, summary)


def _known(
    session: Session, statement: LiteralString, keys: Iterable[Key]
) -> dict[Key, LoggedType]:
    """Return the stored types of *keys*, which *statement* locks."""
    rows = session.rows(statement, _names(set(keys)))
    return {(entity, summary): logged_type_of(found) for entity, summary, *found in rows}


def _names(keys: Iterable[Key]) -> dict[str, object]:
    ordered = list(keys)
    return {
        "entities": [entity for entity, _ in ordered],
        "summaries": [summary for _, summary in ordered],
    }


def _read(session: Session, name: str | None) -> list[DeclaredEntity]:
    return [declared_entity_of(row) for row in session.rows(_SELECT, {"name": name})]


def _versions(session: Session, names: list[str]) -> dict[str, tuple[int, int]]:
    """Return the last version of each name, and the stored one: 0 without a declaration."""
    found = dict.fromkeys(names, (0, 0))
    for name, last, is_deleted in session.rows(_VERSIONS, {"names": names}):
        found[name] = last, 0 if is_deleted else last
    return found


def _save(
    session: Session,
    name: str,
    declaration: EntityDeclaration,
    version: int,
    now_ns: int,
    *,
    is_deleted: bool,
) -> None:
    kind, owner, time_zone, description, attributes, reads_from, columns = declaration_columns(
        declaration
    )
    session.execute(
        _PUT,
        {
            "name": name,
            "kind": kind,
            "owner": owner,
            "time_zone": time_zone,
            "description": description,
            "attributes": attributes,
            "reads_from": reads_from,
            "columns": columns,
            "version": version,
            "now": now_ns,
            "deleted": is_deleted,
        },
    )
