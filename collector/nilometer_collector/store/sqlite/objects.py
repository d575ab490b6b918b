"""Channels, routes and targets in SQLite."""

from typing import Generic, Literal

from nilometer_collector.access.workspaces import owner_of
from nilometer_collector.errors import Refused
from nilometer_collector.store.named import (
    SETTINGS_ORIGIN,
    D,
    payload_of,
    unread_of,
)
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.written import Unread, readable_of


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
        self._table = table
        self._kind: type[D] = kind

    def put(self, definition: D, origin: str, now_ns: int, most: int) -> None:
        """Create or replace the object of this name; *most* is a limit for each workspace."""
        with self._database.write():
            ((others,),) = self._database.rows(
                f"SELECT count(*) FROM {self._table} "  # noqa: S608
                "WHERE name != ? AND substr(name, 1, max(instr(name, '/') - 1, 0)) = ?",
                (definition.name, owner_of(definition.name)),
            )
            if others >= most and origin != SETTINGS_ORIGIN:
                raise Refused(f"there are {others} {self._table} already, at most {most} may exist")
            self._save(definition, origin, now_ns)

    def named(self, origin: str) -> set[str]:
        """Return the names of the objects that were last put with this *origin*."""
        rows = self._database.rows(
            f"SELECT name FROM {self._table} WHERE origin = ?",  # noqa: S608
            (origin,),
        )
        return {name for (name,) in rows}

    def delete(self, name: str, now_ns: int) -> bool:
        """Delete an object; return False if it does not exist."""
        with self._database.write():
            named = (name,)
            if not self._database.rows(f"SELECT 1 FROM {self._table} WHERE name = ?", named):  # noqa: S608
                return False
            self._database.execute(f"DELETE FROM {self._table} WHERE name = ?", named)  # noqa: S608
            if self._table == "channels":
                self._database.execute(
                    "UPDATE deliveries SET withheld_ns = ? WHERE channel = ? AND delivered_ns IS NULL "
                    "AND refused_ns IS NULL AND withheld_ns IS NULL",
                    (now_ns, name),
                )
            return True

    def read(self, name: str) -> D | None:
        """Return the object of this name; None if it does not exist, or a newer version wrote it."""
        rows = self._database.rows(
            f"SELECT payload FROM {self._table} WHERE name = ?",  # noqa: S608
            (name,),
        )
        return next(iter(readable_of((payload for (payload,) in rows), self._kind)), None)

    def all(self) -> list[D]:
        """List all objects by name, without those that a newer version wrote."""
        return readable_of(self.contents().values(), self._kind)

    def contents(self) -> dict[str, str]:
        """Return the stored text of each object by name, also of those that a newer version wrote."""
        rows = self._database.rows(f"SELECT name, payload FROM {self._table} ORDER BY name")  # noqa: S608
        return dict(rows)

    def unread(self) -> dict[str, Unread]:
        """Return the reason of each object that this version cannot read, by name."""
        return unread_of(self.contents(), self._kind)

    def _save(self, definition: D, origin: str, now_ns: int) -> None:
        self._database.execute(
            f"INSERT OR REPLACE INTO {self._table} (name, origin, updated_ns, payload) "  # noqa: S608
            "VALUES (?, ?, ?, ?)",
            (definition.name, origin, now_ns, payload_of(definition)),
        )
