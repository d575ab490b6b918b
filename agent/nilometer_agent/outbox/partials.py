"""Partial profiles of open windows: the table ``partials``.

The ids of each window's partial profiles are also kept in memory, but their payloads are not.
"""

from collections.abc import Iterable, Sequence

from nilometer_agent.outbox.database import Database
from nilometer_agent.outbox.rows import (
    Closing,
    Columns,
    Delta,
    Partial,
    WindowKey,
    columns_of_window,
    window_of_columns,
)


class Partials:
    """Deltas of open windows, until their window is closed.

    ``put``, ``delete`` and ``take_in`` work inside the caller's transaction. The caller calls
    ``keep`` and ``forget`` once the transaction is stored.

    Attributes:
        observations: Number of observations in all partial profiles.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[WindowKey, list[int]] = {}
        self._bytes: dict[WindowKey, int] = {}
        self.observations = 0

    def load(self) -> None:
        """Read ids, sizes and counts into memory."""
        self._ids, self._bytes = {}, {}
        self.observations = 0
        for identity, *columns in self._database.rows("partials"):
            key = window_of_columns(columns)
            self._ids.setdefault(key, []).append(identity)
            self._bytes[key] = self._bytes.get(key, 0) + len(columns[-1])
            self.observations += columns[4]

    @property
    def next_id(self) -> int:
        """The id that the next partial profile will get."""
        return self._database.next_id("partials")

    @property
    def ids(self) -> set[int]:
        """Ids of all partial profiles."""
        return {identity for ids in self._ids.values() for identity in ids}

    def windows(self) -> list[WindowKey]:
        """Windows that have partial profiles."""
        return list(self._ids)

    def ids_of(self, key: WindowKey) -> list[int]:
        """Return the ids of a window's partial profiles, oldest first."""
        return list(self._ids.get(key, ()))

    def bytes_of(self, key: WindowKey) -> int:
        """Return a lower bound of the size of a window's partial profiles, in bytes."""
        return self._bytes.get(key, 0)

    def read(self, identity: int) -> Partial:
        """Return a partial profile; without its payload if it fails its checksum or is gone."""
        found = self._database.read("partials", "WHERE id = ?", [identity])
        _, columns = next(found, (identity, None))
        if columns is None:
            return Partial(identity, None, 0)
        *_, observations, payload = columns
        return Partial(identity, payload, observations)

    def put(self, deltas: Sequence[Delta]) -> range:
        """Store new partial profiles; return their ids."""
        return self._database.put_all(
            "partials",
            [
                (*columns_of_window(delta.key), delta.observations, delta.payload)
                for delta in deltas
            ],
        )

    def keep(self, deltas: Sequence[Delta], ids: range) -> None:
        """Remember that *deltas* are stored with *ids*."""
        for delta, identity in zip(deltas, ids, strict=True):
            self._ids.setdefault(delta.key, []).append(identity)
            self._bytes[delta.key] = self._bytes.get(delta.key, 0) + len(delta.payload)
            self.observations += delta.observations

    def delete(self, ids: set[int]) -> int:
        """Delete partial profiles; return the number of observations in them."""
        observations = 0
        for identity in ids:
            found = self._database.connection.execute(
                "SELECT observations FROM partials WHERE id = ?", [identity]
            ).fetchone()
            observations += found[0] if found and isinstance(found[0], int) else 0
        self._database.delete("partials", ids)
        return observations

    def forget(self, closings: Iterable[Closing], ids: set[int], observations: int) -> None:
        """Forget the *ids* that were deleted when the windows of *closings* were closed."""
        self.observations -= observations
        for closing in closings:
            rest = [i for i in self._ids.get(closing.key, ()) if i not in ids]
            if rest:
                self._ids[closing.key] = rest
            else:
                self._ids.pop(closing.key, None)
                self._bytes.pop(closing.key, None)

    def take_in(self, columns: Columns) -> None:
        """Add a row of another ledger; the caller then calls `load`."""
        self._database.put("partials", *columns)
