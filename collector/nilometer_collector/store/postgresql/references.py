"""Versions of references in PostgreSQL. A version never changes; each name has one current version."""

from nilometer.profile import Reference
from nilometer.wire.references import reference_from_bytes, reference_to_bytes
from nilometer_collector.errors import Unknown
from nilometer_collector.store.checksum import checksum, intact
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.records import ReferenceRecord
from nilometer_collector.store.rows import reference_of
from nilometer_collector.store.texts import storable

# Two collectors take turns, even if the name has no version yet.
_LOCK = """
SELECT pg_advisory_xact_lock(hashtextextended(%(entity)s || '/' || %(name)s, 0))
"""
_PUT = """
INSERT INTO reference_versions (entity, name, digest, created_ns, rows, source, current,
                                received_ns, payload, crc, expires_ns)
VALUES (%(entity)s, %(name)s, %(digest)s, %(created)s, %(rows)s, %(source)s, %(current)s, %(now)s,
        %(payload)s, %(crc)s, %(expires)s)
ON CONFLICT (entity, name, digest)
DO UPDATE SET current = reference_versions.current OR excluded.current,
  expires_ns = CASE WHEN excluded.current THEN excluded.expires_ns
               ELSE reference_versions.expires_ns END
RETURNING id
"""
_CHOOSE = """
UPDATE reference_versions SET current = true, expires_ns = %(expires)s
WHERE entity = %(entity)s AND name = %(name)s AND digest = %(digest)s RETURNING id
"""
NO_ID = 0  # ids begin with 1
_LEAVE = """
UPDATE reference_versions SET current = false
WHERE entity = %(entity)s AND name = %(name)s AND current AND id <> %(id)s
"""
_GENERATION = """
SELECT coalesce(sum(hashtextextended(id || current::text || coalesce(expires_ns, 0), 0)), 0)
FROM reference_versions
"""
_RECORDS = """
SELECT id, entity, name, digest, created_ns, rows, source, current, expires_ns
FROM reference_versions
WHERE (%(entity)s::text IS NULL OR entity = %(entity)s) AND (current OR NOT %(current)s)
ORDER BY entity, name, id
"""


class References:
    """Reads and adds references."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def generation(self) -> int:
        """Sum of a hash of each version, which also changes if other collectors choose one."""
        ((versions,),) = self._database.read(lambda session: session.rows(_GENERATION))
        return int(versions)

    def put(
        self,
        reference: Reference,
        now_ns: int,
        *,
        is_current: bool = True,
        expires_ns: int | None = None,
    ) -> None:
        """Add a version if the digest is new; make it the current one of its name if *is_current*."""
        self._database.write(
            lambda session: self.store(
                session, reference, now_ns, is_current=is_current, expires_ns=expires_ns
            )
        )

    def store(
        self,
        session: Session,
        reference: Reference,
        now_ns: int,
        *,
        is_current: bool,
        expires_ns: int | None,
    ) -> None:
        """Do what `put` does inside a transaction."""
        payload = reference_to_bytes(reference)
        values = {
            "entity": reference.entity,
            "name": reference.name,
            "digest": reference.digest,
            "created": reference.created_ns,
            "rows": reference.rows,
            "source": storable(reference.source),
            "current": is_current,
            "now": now_ns,
            "payload": payload,
            "crc": checksum(payload),
            "expires": expires_ns,
        }
        session.rows(_LOCK, values)
        ((identity,),) = session.rows(_PUT, values)
        if is_current:
            session.execute(_LEAVE, {**values, "id": identity})

    def choose(
        self,
        session: Session,
        entity: str,
        name: str,
        digest: str,
        expires_ns: int | None = None,
    ) -> None:
        """Make a stored version the current one inside a transaction.

        Raises:
            Unknown: If there is no such version.
        """
        values: dict[str, object] = {
            "entity": entity,
            "name": name,
            "digest": digest,
            "expires": expires_ns,
        }
        session.rows(_LOCK, values)
        found = session.row(_CHOOSE, values)
        if found is None:
            raise Unknown(f"reference {name!r} of {entity} has no version {digest!r}")
        session.execute(_LEAVE, {**values, "id": found[0]})

    def withdraw(self, session: Session, entity: str, name: str) -> None:
        """Leave the reference without a current version inside a transaction."""
        values = {"entity": entity, "name": name}
        session.rows(_LOCK, values)
        session.execute(_LEAVE, {**values, "id": NO_ID})

    def records(self, entity: str | None = None, *, current: bool = True) -> list[ReferenceRecord]:
        """List the references of all entities or of one."""
        asked = {"entity": entity, "current": current}
        return [
            reference_of(row)
            for row in self._database.read(lambda session: session.rows(_RECORDS, asked))
        ]

    def read(self, record: ReferenceRecord) -> Reference | None:
        """Read the whole reference; return None if its checksum does not match."""
        packed = self.packed(record)
        return None if packed is None else reference_from_bytes(packed)

    def packed(self, record: ReferenceRecord) -> bytes | None:
        """Return the whole reference as `reference_to_bytes` packs it, like `read`."""
        found = self._database.read(
            lambda session: session.row(
                "SELECT payload, crc FROM reference_versions "
                "WHERE entity = %(entity)s AND id = %(id)s",
                {"entity": record.entity, "id": record.id},
            )
        )
        if found is None or not intact("reference_versions", record.id, *found):
            return None
        return bytes(found[0])
