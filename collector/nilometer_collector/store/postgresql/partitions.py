"""The partitions of `samples`: one for each day of arrival, UTC."""

from datetime import UTC, datetime

from psycopg import sql

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.session import Session

DAY_NS = 86_400 * NANOSECONDS

_LOCK = 0x6E696C70  # key of the advisory lock that the creation of a partition holds


class Partitions:
    """Creates the partition of a day before its first sample. Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[int] = set()

    def ensure(self, received_ns: int) -> None:
        """Create the partition of *received_ns* if there is none.

        Raises:
            StoreUnavailable: If it cannot be created.
        """
        day = received_ns // DAY_NS
        if day not in self._known:
            self._database.write(lambda session: _create(session, day))
            self._known.add(day)

    def forget(self) -> None:
        """Look again before the next sample: a partition may have been dropped from outside."""
        self._known = set()


def _create(session: Session, day: int) -> None:
    """Create the partition of *day*, counted from 1970; reads and writes of `samples` go on."""
    name = f"samples_{datetime.fromtimestamp(day * 86_400, UTC):%Y%m%d}"
    session.rows("SELECT pg_advisory_xact_lock(%(key)s)", {"key": _LOCK})
    if session.row("SELECT to_regclass(%(name)s)", {"name": name}) != (None,):
        return
    table = sql.Identifier(name)
    session.execute(sql.SQL("CREATE TABLE {} (LIKE samples INCLUDING ALL)").format(table))
    session.execute(
        sql.SQL("ALTER TABLE samples ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            table, sql.Literal(day * DAY_NS), sql.Literal((day + 1) * DAY_NS)
        )
    )
