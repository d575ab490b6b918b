"""The store in a PostgreSQL database."""

from nilometer.predictions import PredictionRecord
from nilometer.values.senders import TABLES
from nilometer_collector.access.workspaces import NO_WORKSPACES, Workspaces
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.errors import StoreUnavailable
from nilometer_collector.store.postgresql.acting import Actions
from nilometer_collector.store.postgresql.address import Address
from nilometer_collector.store.postgresql.alerts import Alerts
from nilometer_collector.store.postgresql.auditing import AuditLog
from nilometer_collector.store.postgresql.database import Database
from nilometer_collector.store.postgresql.decisions import Decisions
from nilometer_collector.store.postgresql.deliveries import Deliveries
from nilometer_collector.store.postgresql.entities import Entities
from nilometer_collector.store.postgresql.history import History
from nilometer_collector.store.postgresql.objects import Objects
from nilometer_collector.store.postgresql.partitions import Partitions
from nilometer_collector.store.postgresql.predictions import Predictions
from nilometer_collector.store.postgresql.queueing import Queue
from nilometer_collector.store.postgresql.references import References
from nilometer_collector.store.postgresql.revisions import Revisions
from nilometer_collector.store.postgresql.rollups import RollUps
from nilometer_collector.store.postgresql.samples import Samples
from nilometer_collector.store.postgresql.session import Session
from nilometer_collector.store.postgresql.truths import Truths
from nilometer_collector.store.postgresql.turns import Turns
from nilometer_collector.store.postgresql.watching import Watching
from nilometer_collector.store.sequences import Sequences
from nilometer_collector.store.shipments import (
    PredictionRows,
    SampleRow,
    Shipment,
    Shipped,
    logged,
    taken,
)

# The outbox's row is locked, so that two collectors store its shipments one after the other.
_STREAM = """
SELECT id, high_water, settled FROM streams WHERE agent = %(agent)s AND epoch = %(epoch)s FOR UPDATE
"""
_NEW_STREAM = """
INSERT INTO streams (agent, epoch, high_water, received_ns)
VALUES (%(agent)s, %(epoch)s, 0, %(now)s) ON CONFLICT (agent, epoch) DO NOTHING
"""
_MARK = """
UPDATE streams SET high_water = %(mark)s, settled = %(settled)s, received_ns = %(now)s
WHERE id = %(stream)s
"""
_PASSED = """
DELETE FROM stream_ahead WHERE stream = %(stream)s AND sequence = ANY(%(sequences)s::bigint[])
"""
_AHEAD = """
INSERT INTO stream_ahead (stream, sequence)
SELECT %(stream)s, sequence FROM unnest(%(sequences)s::bigint[]) AS new (sequence)
"""


class PostgresqlStore:
    """Samples, references, alerters, episodes and notifications in PostgreSQL.

    Several collectors may use one database. A change is durable when its call returns. The store is
    thread-safe.

    Args:
        url: URL of the database; no error shows it.
        channel: Name of the channel that this collector has by its settings; empty for none.
        workspaces: Workspaces of the settings.

    Raises:
        ConfigError: If the database cannot be opened, or was not written by this or an older
            nilometer.
    """

    def __init__(self, url: str, channel: str = "", workspaces: Workspaces = NO_WORKSPACES) -> None:
        self._database = Database(Address(url))
        self._partitions = Partitions(self._database)
        self.own_channel = channel
        self.workspaces = workspaces
        self.samples = Samples(self._database)
        self.rollups = RollUps(self._database, self._partitions)
        self.predictions = Predictions(self._database)
        revisions = Revisions(self.samples)
        self.truths = Truths(self._database, self._partitions, self.predictions, revisions)
        self.entities = Entities(self._database)
        self.references = References(self._database)
        self.channels = Objects(self._database, "channels", ChannelDefinition)
        self.routes = Objects(self._database, "routes", RouteDefinition)
        self.targets = Objects(self._database, "targets", TargetDefinition)
        queue = Queue(channel, self.channels, self.routes, workspaces)
        turns = Turns(queue)
        self.alerts = Alerts(self._database, turns)
        self.history = History(
            self._database,
            self.entities,
            self.references,
            self.alerts,
            channels=self.channels,
            routes=self.routes,
            targets=self.targets,
        )
        self.decisions = Decisions(self._database, turns, queue)
        self.watching = Watching(self._database, turns, self.decisions)
        self.deliveries = Deliveries(self._database, queue)
        self.actions = Actions(self._database, queue)
        self.audit = AuditLog(self._database)

    @property
    def names_key(self) -> bytes:
        """Key of the pseudonyms of this installation, 32 random bytes."""
        return self._key("names")

    @property
    def links_key(self) -> bytes:
        """Key of the signed links of this installation, 32 random bytes."""
        return self._key("links")

    def _key(self, name: str) -> bytes:
        found = self._database.read(
            lambda session: session.row(
                "SELECT key FROM secrets WHERE name = %(name)s", {"name": name}
            )
        )
        return bytes(found[0]) if found else b""

    def ship(self, shipment: Shipment, now_ns: int) -> Shipped:
        """Store the new rows and their effects on alerts, in one transaction."""
        received_ns = self._partitions.ensure(now_ns)
        if any(isinstance(arrival.content, PredictionRows) for arrival in shipment.arrivals):
            self.predictions.ensure(received_ns)
        try:
            return self._database.write(lambda session: self._ship(session, shipment, received_ns))
        except StoreUnavailable:
            self._partitions.forget()
            self.predictions.forget()
            raise

    def newest_end_ns(self) -> int | None:
        """Return the newest end of a window that agents observed: not of tables, nor of users."""
        newest_ns: int | None
        ((newest_ns,),) = self._database.read(
            lambda session: session.rows(
                "SELECT max(end_ns) FROM heard WHERE agent <> %(tables)s", {"tables": TABLES}
            )
        )
        return newest_ns

    def check_writable(self) -> None:
        """Check that the server accepts changes, and so is not a standby."""
        found = self._database.write(
            lambda session: session.row("SELECT current_setting('transaction_read_only')")
        )
        if found != ("off",):
            raise StoreUnavailable("database: is read-only at the moment")

    def close(self) -> None:
        """Close all connections. May be called twice."""
        self._database.close()

    def _ship(self, session: Session, shipment: Shipment, now_ns: int) -> Shipped:
        stream, sequences = _sequences(session, shipment, now_ns)
        settled = sequences.settled
        new = taken(sequences, shipment.arrivals)
        refused = self.entities.settle(session, logged(new))
        samples: list[tuple[int, SampleRow]] = []
        evaluations = []
        predictions: list[PredictionRecord] = []
        newest: dict[str, int] = {}
        for arrival in new:
            row = arrival.content
            if arrival.sequence in refused:
                sequences.refuse(arrival.sequence)
            elif isinstance(row, SampleRow):
                samples.append((arrival.sequence, row))
                if row.logged is None:  # logged samples tell nothing about the agent's windows
                    newest[row.entity] = max(newest.get(row.entity, 0), row.window.end_ns)
            elif isinstance(row, PredictionRows):
                predictions += row.records
            else:
                evaluations.append(row)
        sequences.settle(shipment.oldest_held)
        _save(session, stream, sequences, now_ns)
        if samples:
            self.samples.add(session, samples, stream, now_ns)
        predicted = self.predictions.add(session, predictions, now_ns)
        notices = self.alerts.judge(session, evaluations, shipment.agent, now_ns)
        if newest:
            self.watching.hear(session, shipment.agent, newest, now_ns)
        return Shipped(
            stored=len(new) - len(refused),
            repeated=len(shipment.arrivals) - len(new),
            notices=notices,
            settled=settled,
            refused=refused,
            predicted=predicted,
        )


def _sequences(session: Session, shipment: Shipment, now_ns: int) -> tuple[int, Sequences]:
    """Lock the outbox of *shipment*; return its id and its stored sequences."""
    key = {"agent": shipment.agent, "epoch": shipment.epoch, "now": now_ns}
    found = session.row(_STREAM, key)
    if found is None:
        session.execute(_NEW_STREAM, key)
        (found,) = session.rows(_STREAM, key)
    stream, mark, settled = found
    ahead = session.rows(
        "SELECT sequence FROM stream_ahead WHERE stream = %(stream)s", {"stream": stream}
    )
    return stream, Sequences(mark, settled, (sequence for (sequence,) in ahead))


def _save(session: Session, stream: int, sequences: Sequences, now_ns: int) -> None:
    if sequences.passed:
        session.execute(_PASSED, {"stream": stream, "sequences": sequences.passed})
    if sequences.added:
        session.execute(_AHEAD, {"stream": stream, "sequences": sequences.added})
    saved = {"stream": stream, "mark": sequences.mark, "settled": sequences.settled, "now": now_ns}
    session.execute(_MARK, saved)
