"""Channels, routes and targets in PostgreSQL."""

from typing import Generic, Literal

from psycopg import sql

from nilometer_collector.access.workspaces import owner_of
from nilometer_collector.errors import Refused
from nilometer_collector.store.named import (
    SETTINGS_ORIGIN,
    D,
    payload_of,
    unread_of,
)
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.written import Unread, readable_of

# Collectors take turns, so that two of them cannot create the last object that may exist.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('nilometer objects', 0))"
_OTHERS = sql.SQL("""
SELECT count(*) FROM {} WHERE name <> %(name)s
  AND left(name, greatest(position('/' IN name) - 1, 0)) = %(owner)s
""")
_NAMES = sql.SQL("SELECT name FROM {} WHERE origin = %(origin)s")
_PUT = sql.SQL("""
INSERT INTO {} (name, origin, updated_ns, payload)
VALUES (%(name)s, %(origin)s, %(now)s, %(payload)s)
ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, updated_ns = excluded.updated_ns,
  payload = excluded.payload
""")
_DELETE = sql.SQL("DELETE FROM {} WHERE name = %(name)s")
_WITHHOLD = """
UPDATE deliveries SET withheld_ns = %(now)s WHERE channel = %(name)s AND delivered_ns IS NULL
  AND refused_ns IS NULL AND withheld_ns IS NULL
"""
_READ = sql.SQL("""
SELECT name, payload FROM {} WHERE %(name)s::text IS NULL OR name = %(name)s ORDER BY name
""")


class Objects(Generic[D]):
    """Reads and changes the objects of one table.

    Args:
        database: Database that holds them.
        table: Name of the table.
        kind: Type of the objects.
    """

    def __init__(
        self, database: Database, table: Literal["channels", "routes", "targets"], kind: type[D]
    ) -> None:
        self._database = database
        self._name = table
        self._table = sql.Identifier(table)
        self._kind: type[D] = kind

    def put(self, definition: D, origin: str, now_ns: int, most: int) -> None:
        """Create or replace the object of this name; *most* is a limit for each workspace."""
        self._database.write(lambda session: self.store(session, definition, origin, now_ns, most))

    def named(self, origin: str) -> set[str]:
        """Return the names of the objects that were last put with this *origin*."""
        statement, asked = _NAMES.format(self._table), {"origin": origin}
        rows = self._database.read(lambda session: session.rows(statement, asked))
        return {name for (name,) in rows}

    def delete(self, name: str, now_ns: int) -> bool:
        """Delete an object; return False if it does not exist."""
        return self._database.write(lambda session: self.remove(session, name, now_ns))

    def read(self, name: str) -> D | None:
        """Return the object of this name; None if it does not exist, or a newer version wrote it."""
        found = self._database.read(lambda session: self.contents_in(session, name))
        return next(iter(readable_of(found.values(), self._kind)), None)

    def all(self) -> list[D]:
        """List all objects by name, without those that a newer version wrote."""
        return readable_of(self.contents().values(), self._kind)

    def contents(self) -> dict[str, str]:
        """Return the stored text of each object by name, also of those that a newer version wrote."""
        return self._database.read(self.contents_in)

    def contents_in(self, session: Session, name: str | None = None) -> dict[str, str]:
        """Return the stored text of each object, or of the one of this *name*, in a transaction."""
        return dict(session.rows(_READ.format(self._table), {"name": name}))

    def unread(self) -> dict[str, Unread]:
        """Return the reason of each object that this version cannot read, by name."""
        return unread_of(self.contents(), self._kind)

    def store(self, session: Session, definition: D, origin: str, now_ns: int, most: int) -> None:
        """Create or replace the object of this name, in a transaction.

        Raises:
            Refused: If the workspace would have more than *most* objects.
        """
        session.rows(_LOCK)
        ((others,),) = session.rows(
            _OTHERS.format(self._table),
            {"name": definition.name, "owner": owner_of(definition.name)},
        )
        if others >= most and origin != SETTINGS_ORIGIN:
            raise Refused(f"there are {others} {self._name} already, at most {most} may exist")
        self._save(session, definition, origin, now_ns)

    def remove(self, session: Session, name: str, now_ns: int) -> bool:
        """Delete an object, in a transaction; return False if it does not exist."""
        if not session.execute(_DELETE.format(self._table), {"name": name}):
            return False
        if self._name == "channels":
            session.execute(_WITHHOLD, {"name": name, "now": now_ns})
        return True

    def _save(self, session: Session, definition: D, origin: str, now_ns: int) -> None:
        session.execute(
            _PUT.format(self._table),
            {
                "name": definition.name,
                "origin": origin,
                "now": now_ns,
                "payload": payload_of(definition),
            },
        )
