"""Declared entities, and the types of logged summaries, in SQLite."""

from collections.abc import Mapping, Sequence

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
from nilometer_collector.store.rows import declaration_columns, declared_entity_of
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.forgetting import forget

_COLUMNS = "name, kind, owner, time_zone, description, attributes, reads_from, columns, version, updated_ns"
_PUT = """
INSERT INTO entities (name, kind, owner, time_zone, description, attributes, reads_from, columns,
                      version, updated_ns, deleted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, owner = excluded.owner,
  time_zone = excluded.time_zone, description = excluded.description,
  attributes = excluded.attributes, reads_from = excluded.reads_from, columns = excluded.columns,
  version = excluded.version, updated_ns = excluded.updated_ns, deleted = excluded.deleted
"""
_PUT_TYPE = """
INSERT INTO logged_summaries (entity, summary, data_type, aggregation, unit, shape)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (entity, summary) DO UPDATE SET shape = excluded.shape
"""


class Entities:
    """Reads and changes declarations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self, name: str, declaration: EntityDeclaration, now_ns: int, replaces: int | None = None
    ) -> int:
        """Declare the entity *name*, or replace its declaration, and return the new version."""
        with self._database.write():
            self.change([DeclareEntity(name, declaration, replaces)], now_ns)
            return self._versions(name)[0]

    def delete(self, name: str, now_ns: int, replaces: int | None = None) -> bool:
        """Remove the declaration of *name*; return False if there is none. Data and edges to it stay."""
        with self._database.write():
            is_declared = self._versions(name)[1] > 0
            self.change([RemoveEntity(name, replaces)], now_ns)
        return is_declared

    def change(self, commands: Sequence[DeclareEntity | RemoveEntity], now_ns: int) -> None:
        """Make all changes inside a transaction; only the edges of the result are checked."""
        edges = {one.name: one.declaration.reads_from for one in self.all()}
        for command in commands:
            last, stored = self._versions(command.name)
            check_version(command.name, stored, command.replaces)
            if isinstance(command, DeclareEntity):
                edges[command.name] = command.declaration.reads_from
                said = command.declaration
                self._save(command.name, said, last + 1, now_ns, is_deleted=False)
            elif stored:
                edges.pop(command.name, None)
                self._save(command.name, UNDECLARED, last + 1, now_ns, is_deleted=True)
        check_edges({command.name for command in commands}, edges)

    def read(self, name: str) -> DeclaredEntity | None:
        """Return the declaration of *name*; None if there is none."""
        found = self._database.row(
            f"SELECT {_COLUMNS} FROM entities WHERE name = ? AND NOT deleted",  # noqa: S608
            (name,),
        )
        return None if found is None else declared_entity_of(found)

    def all(self) -> list[DeclaredEntity]:
        """List all declared entities by name."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM entities WHERE NOT deleted ORDER BY name"  # noqa: S608
        )
        return [declared_entity_of(row) for row in rows]

    def settle(self, samples: Sequence[tuple[int, Key, LoggedType]]) -> Mapping[int, Conflict]:
        """Store the types of logged samples, inside a transaction; return the contradictions.

        Args:
            samples: Sequence, summary and type of each sample.
        """
        known: dict[Key, LoggedType] = {}
        for entity, summary in {key for _, key, _ in samples}:
            found = self._database.row(
                "SELECT data_type, aggregation, unit, shape FROM logged_summaries "
                "WHERE entity = ? AND summary = ?",
                (entity, summary),
            )
            if found is not None:
                known[entity, summary] = logged_type_of(found)
        types, refused = settled(known, samples)
        for key, one in types.items():
            self._database.execute(_PUT_TYPE, (*key, *logged_columns(one)))
        return refused

    def types(self, entity: str) -> dict[str, LoggedType]:
        """Return the types of the summaries of *entity* that users log, by summary."""
        rows = self._database.rows(
            "SELECT summary, data_type, aggregation, unit, shape FROM logged_summaries "
            "WHERE entity = ?",
            (entity,),
        )
        return {summary: logged_type_of(found) for summary, *found in rows}

    def forget(self, entity: str, summary: str) -> bool:
        """Remove a summary that users log, its type and its samples; return False if there is none."""
        return forget(self._database, entity, summary)

    def _versions(self, name: str) -> tuple[int, int]:
        """Return the last version of *name*, and the stored one: 0 without a declaration."""
        found = self._database.row("SELECT version, deleted FROM entities WHERE name = ?", (name,))
        last, is_deleted = found or (0, 1)
        return last, 0 if is_deleted else last

    def _save(
        self,
        name: str,
        declaration: EntityDeclaration,
        version: int,
        now_ns: int,
        *,
        is_deleted: bool,
    ) -> None:
        columns = declaration_columns(declaration)
        self._database.execute(_PUT, (name, *columns, version, now_ns, int(is_deleted)))
