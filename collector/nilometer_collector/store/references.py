"""Versions of references: none is ever changed, one of a name is current."""

from nilometer.profile import Reference
from nilometer.wire.references import reference_from_bytes, reference_to_bytes
from nilometer_collector.store.database import Database, checksum, intact
from nilometer_collector.store.records import ReferenceRecord

_COLUMNS = "id, entity, name, digest, created_ns, rows, source, current"


class References:
    """Reading and adding references.

    Attributes:
        generation: Moves with every change, so that a reader can keep what it decoded.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.generation = 0

    def put(self, reference: Reference, now_ns: int) -> None:
        """Make *reference* the current one of its name; the same digest again is no new version."""
        payload = reference_to_bytes(reference)
        with self._database.write():
            self._database.execute(
                "UPDATE reference_versions SET current = 0 WHERE entity = ? AND name = ?",
                (reference.entity, reference.name),
            )
            self._database.execute(
                "INSERT INTO reference_versions (entity, name, digest, created_ns, rows, source, "
                "current, received_ns, payload, crc) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?) "
                "ON CONFLICT (entity, name, digest) DO UPDATE SET current = 1",
                (
                    reference.entity,
                    reference.name,
                    reference.digest,
                    reference.created_ns,
                    reference.rows,
                    reference.source,
                    now_ns,
                    payload,
                    checksum(payload),
                ),
            )
        self.generation += 1

    def records(self, entity: str | None = None, *, current: bool = True) -> list[ReferenceRecord]:
        """References of all or one entity: the current ones, or every version, oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM reference_versions WHERE (?1 IS NULL OR entity = ?1) "  # noqa: S608
            "AND current >= ?2 ORDER BY entity, name, id",
            (entity, int(current)),
        )
        return [
            ReferenceRecord(
                id=row[0],
                entity=row[1],
                name=row[2],
                digest=row[3],
                created_ns=row[4],
                rows=row[5],
                source=row[6],
                current=bool(row[7]),
            )
            for row in rows
        ]

    def read(self, record: ReferenceRecord) -> Reference | None:
        """The whole reference; None where its bytes fail their checksum."""
        found = self._database.row(
            "SELECT payload, crc FROM reference_versions WHERE id = ?", (record.id,)
        )
        if found is None or not intact("reference_versions", record.id, *found):
            return None
        return reference_from_bytes(found[0])
