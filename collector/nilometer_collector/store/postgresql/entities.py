"""Declared entities in PostgreSQL."""

from collections.abc import Sequence

from nilometer_collector.store.entity_records import (
    UNDECLARED,
    DeclaredEntity,
    EntityDeclaration,
    LoggedType,
    check_edges,
    check_version,
)
from nilometer_collector.store.history_records import DeclareEntity, RemoveEntity
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.rows import declaration_columns, declared_entity_of

# Collectors take turns, because two changes may each be allowed and make a cycle together.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('nilometer entities', 0))"
_VERSIONS = "SELECT name, version, deleted FROM entities WHERE name = ANY(%(names)s::text[])"
_SELECT = """
SELECT name, kind, owner, time_zone, description, attributes, reads_from, version, updated_ns
FROM entities WHERE NOT deleted AND (%(name)s::text IS NULL OR name = %(name)s) ORDER BY name
"""
_PUT = """
INSERT INTO entities (name, kind, owner, time_zone, description, attributes, reads_from, version,
                      updated_ns, deleted)
VALUES (%(name)s, %(kind)s, %(owner)s, %(time_zone)s, %(description)s, %(attributes)s,
        %(reads_from)s, %(version)s, %(now)s, %(deleted)s)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, owner = excluded.owner,
  time_zone = excluded.time_zone, description = excluded.description,
  attributes = excluded.attributes, reads_from = excluded.reads_from,
  version = excluded.version, updated_ns = excluded.updated_ns, deleted = excluded.deleted
"""

_SETTLE = """
INSERT INTO logged_summaries (entity, summary, data_type, aggregation, unit)
VALUES (%(entity)s, %(summary)s, %(data_type)s, %(aggregation)s, %(unit)s) ON CONFLICT DO NOTHING
"""
_TYPE = """
SELECT data_type, aggregation, unit FROM logged_summaries
WHERE entity = %(entity)s AND summary = %(summary)s
"""
_TYPES = """
SELECT summary, data_type, aggregation, unit FROM logged_summaries WHERE entity = %(entity)s
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

    def settle_type(self, entity: str, summary: str, of_sample: LoggedType) -> LoggedType:
        """Return the type of a summary that users log; without one, it becomes that *of_sample*."""
        names = {"entity": entity, "summary": summary}

        def settle(session: Session) -> LoggedType:
            session.execute(_SETTLE, {**names, **of_sample._asdict()})
            (found,) = session.rows(_TYPE, names)
            return LoggedType(*found)

        return self._database.write(settle)

    def types(self, entity: str) -> dict[str, LoggedType]:
        """Return the types of the summaries of *entity* that users log, by summary."""
        rows = self._database.read(lambda session: session.rows(_TYPES, {"entity": entity}))
        return {summary: LoggedType(*found) for summary, *found in rows}


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
    kind, owner, time_zone, description, attributes, reads_from = declaration_columns(declaration)
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
            "version": version,
            "now": now_ns,
            "deleted": is_deleted,
        },
    )
