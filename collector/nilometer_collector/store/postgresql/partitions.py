"""Partitions of a table, one for each day of arrival, UTC; those of `samples` wait for roll-ups."""

from datetime import UTC, datetime
from typing import LiteralString

from psycopg import sql

from nilometer_collector.store.levels import DAY_NS, arrival_day
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session

_LOCK = 0x6E696C70  # key of the advisory lock that the creation of a partition holds
_SAMPLES: LiteralString = "samples"
_PARTITIONS = """
SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = %(table)s::regclass
"""
_WAITING = """
SELECT true FROM stale_parts WHERE level_ns = 300000000000 AND arrival_day <= %(day)s
UNION ALL SELECT true FROM additions WHERE arrival_day <= %(day)s
UNION ALL SELECT true FROM shipped_additions WHERE arrival_day <= %(day)s
"""
_ARRIVED = "DELETE FROM arrivals WHERE arrival_day <= %(day)s RETURNING rows"


class Partitions:
    """Creates a day's partition before its first sample, and drops old partitions. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._day = -1  # day of the newest shipment; its partition exists

    def ensure(self, now_ns: int) -> int:
        """Create the partition for data that arrives at *now_ns*, if it does not exist.

        Returns:
            Time of arrival; it is later than *now_ns* if that day was already removed.

        Raises:
            StoreUnavailable: If the partition cannot be created.
        """
        day = arrival_day(now_ns)
        if day != self._day:
            made = self._database.write(lambda session: _create(session, day))
            if made != day:
                return made * DAY_NS
            self._day = day
        return now_ns

    def drop_before(self, session: Session, day: int) -> int:
        """Drop the oldest partition if it is before *day* and all of it is rolled up.

        If a collector with a slow clock has added a shipment to it, it is dropped later.

        Returns:
            Number of dropped rows.
        """
        days = days_of(session, _SAMPLES)
        if not days or days[0] >= day:
            return 0
        oldest = {"day": days[0]}
        session.execute("SET LOCAL lock_timeout = '1s'")  # shipments wait for this lock
        session.execute("LOCK TABLE samples IN ACCESS EXCLUSIVE MODE")
        if session.row(_WAITING, oldest) is not None:
            return 0
        drop_partition(session, _SAMPLES, days[0])
        self.forget()
        counts = session.rows(_ARRIVED, oldest)
        return int(sum(rows for (rows,) in counts))

    def forget(self) -> None:
        """Check partitions again before the next sample; others may have dropped one."""
        self._day = -1


def _create(session: Session, day: int) -> int:
    """Create and return the partition day: *day*, or the first day that was not removed.

    Days are counted from 1970. Reads and writes of `samples` continue meanwhile.
    """
    lock_partitions(session)
    ((first,),) = session.rows("SELECT held_from_day FROM levels WHERE level_ns = 0")
    day = max(day, first)
    create_partition(session, _SAMPLES, 1, day)
    return day


def lock_partitions(session: Session) -> None:
    """Wait for all others that create partitions, until the end of the transaction."""
    session.rows("SELECT pg_advisory_xact_lock(%(key)s)", {"key": _LOCK})


def create_partition(session: Session, table: LiteralString, unit_ns: int, day: int) -> None:
    """Create the partition of *table* for *day*, counted from 1970, if it does not exist.

    Args:
        session: Session in a transaction that has called `lock_partitions`.
        table: Table that is partitioned by arrival.
        unit_ns: Nanoseconds in a unit of the partition key: 1 for times, or `DAY_NS` for days.
        day: Day of arrival.
    """
    name = _name(table, day)
    if session.row("SELECT to_regclass(%(name)s)", {"name": name}) != (None,):
        return
    parent, child = sql.Identifier(table), sql.Identifier(name)
    session.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(child, parent))
    session.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            parent,
            child,
            sql.Literal(day * DAY_NS // unit_ns),
            sql.Literal((day + 1) * DAY_NS // unit_ns),
        )
    )


def drop_partition(session: Session, table: LiteralString, day: int) -> None:
    """Drop the partition of *table* for *day*."""
    session.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(_name(table, day))))


def days_of(session: Session, table: LiteralString) -> list[int]:
    """Return the days of the partitions of *table*, oldest first."""
    names = session.rows(_PARTITIONS, {"table": table})
    return sorted(_day_of(name) for (name,) in names)


def _name(table: str, day: int) -> str:
    return f"{table}_{datetime.fromtimestamp(day * 86_400, UTC):%Y%m%d}"


def _day_of(name: str) -> int:
    parsed = datetime.strptime(name.rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC)
    return int(parsed.timestamp()) // 86_400
