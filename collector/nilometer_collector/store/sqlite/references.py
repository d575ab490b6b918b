"""Versions of references. A version never changes; each name has one current version."""

from nilometer.profile import Reference
from nilometer.wire.references import reference_from_bytes, reference_to_bytes
from nilometer_collector.errors import Unknown
from nilometer_collector.store.checksum import checksum, intact
from nilometer_collector.store.records import ReferenceRecord
from nilometer_collector.store.rows import reference_of
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.texts import storable

_COLUMNS = "id, entity, name, digest, created_ns, rows, source, current, expires_ns"


class References:
    """Reads and adds references.

    Attributes:
        generation: Number of changes, so that a reader can clear its cache.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.generation = 0

    def put(
        self,
        reference: Reference,
        now_ns: int,
        *,
        is_current: bool = True,
        expires_ns: int | None = None,
    ) -> None:
        """Add a version if the digest is new; make it the current one of its name if *is_current*."""
        payload = reference_to_bytes(reference)
        with self._database.write():
            if is_current:
                self.withdraw(reference.entity, reference.name)
            self._database.execute(
                "INSERT INTO reference_versions (entity, name, digest, created_ns, rows, source, "
                "current, received_ns, payload, crc, expires_ns) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entity, name, digest) "
                "DO UPDATE SET current = max(current, excluded.current), expires_ns = "
                "CASE WHEN excluded.current THEN excluded.expires_ns ELSE expires_ns END",
                (
                    reference.entity,
                    reference.name,
                    reference.digest,
                    reference.created_ns,
                    reference.rows,
                    storable(reference.source),
                    int(is_current),
                    now_ns,
                    payload,
                    checksum(payload),
                    expires_ns,
                ),
            )
            self.generation += 1

    def choose(self, entity: str, name: str, digest: str, expires_ns: int | None = None) -> None:
        """Make a stored version the current one inside a transaction.

        Raises:
            Unknown: If there is no such version.
        """
        self.withdraw(entity, name)
        found = self._database.row(
            "UPDATE reference_versions SET current = 1, expires_ns = ? "
            "WHERE entity = ? AND name = ? AND digest = ? RETURNING id",
            (expires_ns, entity, name, digest),
        )
        if found is None:
            raise Unknown(f"reference {name!r} of {entity} has no version {digest!r}")

    def withdraw(self, entity: str, name: str) -> None:
        """Leave the reference without a current version inside a transaction."""
        self._database.execute(
            "UPDATE reference_versions SET current = 0 WHERE entity = ? AND name = ?",
            (entity, name),
        )
        self.generation += 1

    def records(self, entity: str | None = None, *, current: bool = True) -> list[ReferenceRecord]:
        """List the references of all entities or of one.

        Args:
            entity: Name of the entity; None for all entities.
            current: Whether to list only current versions; otherwise all versions, oldest first.
        """
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM reference_versions WHERE (?1 IS NULL OR entity = ?1) "  # noqa: S608
            "AND current >= ?2 ORDER BY entity, name, id",
            (entity, int(current)),
        )
        return [reference_of(row) for row in rows]

    def read(self, record: ReferenceRecord) -> Reference | None:
        """Read the whole reference; return None if its checksum does not match."""
        packed = self.packed(record)
        return None if packed is None else reference_from_bytes(packed)

    def packed(self, record: ReferenceRecord) -> bytes | None:
        """Return the whole reference as `reference_to_bytes` packs it, like `read`."""
        found = self._database.row(
            "SELECT payload, crc FROM reference_versions WHERE id = ?", (record.id,)
        )
        if found is None or not intact("reference_versions", record.id, *found):
            return None
        return bytes(found[0])
