"""The store in one SQLite file."""

from collections.abc import Iterable
from pathlib import Path

from nilometer.predictions import PredictionRecord
from nilometer.values.senders import TABLES
from nilometer_collector.access.workspaces import NO_WORKSPACES, Workspaces
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.store.sequences import Sequences
from nilometer_collector.store.shipments import (
    PredictionRows,
    SampleRow,
    Shipment,
    Shipped,
    logged,
    taken,
)
from nilometer_collector.store.sqlite.acting import Actions
from nilometer_collector.store.sqlite.alerts import Alerts
from nilometer_collector.store.sqlite.auditing import AuditLog
from nilometer_collector.store.sqlite.database import Database
from nilometer_collector.store.sqlite.decisions import Decisions
from nilometer_collector.store.sqlite.deliveries import Deliveries
from nilometer_collector.store.sqlite.entities import Entities
from nilometer_collector.store.sqlite.history import History
from nilometer_collector.store.sqlite.objects import Objects
from nilometer_collector.store.sqlite.predictions import Predictions
from nilometer_collector.store.sqlite.queueing import Queue
from nilometer_collector.store.sqlite.references import References
from nilometer_collector.store.sqlite.revisions import Revisions
from nilometer_collector.store.sqlite.rollups import RollUps
from nilometer_collector.store.sqlite.samples import Samples
from nilometer_collector.store.sqlite.truths import Truths
from nilometer_collector.store.sqlite.watching import Watching


class SqliteStore:
    """Samples, references, alerters, episodes and notifications in one SQLite file.

    A change is durable when its call returns (WAL, synchronous FULL). Any thread may call.

    Args:
        path: Path of the file, which one process may open at a time.
        channel: Name of the channel that this collector has by its settings; empty for none.
        workspaces: Workspaces of the settings.

    Raises:
        ConfigError: If the file is in use, or not a database of this or an older nilometer.
    """

    def __init__(
        self, path: Path, channel: str = "", workspaces: Workspaces = NO_WORKSPACES
    ) -> None:
        self._database = Database(path)
        self.own_channel = channel
        self.workspaces = workspaces
        self.samples = Samples(self._database)
        self.rollups = RollUps(self._database)
        self.predictions = Predictions(self._database)
        revisions = Revisions(self._database, self.samples, self.rollups)
        self.truths = Truths(self._database, self.predictions, revisions)
        self.entities = Entities(self._database)
        self.references = References(self._database)
        self.channels = Objects(self._database, "channels", ChannelDefinition)
        self.routes = Objects(self._database, "routes", RouteDefinition)
        self.targets = Objects(self._database, "targets", TargetDefinition)
        queue = Queue(self._database, channel, self.channels, self.routes, workspaces)
        self.alerts = Alerts(self._database, queue)
        self.history = History(
            self._database,
            self.entities,
            self.references,
            self.alerts,
            channels=self.channels,
            routes=self.routes,
            targets=self.targets,
        )
        self.decisions = Decisions(self._database, self.alerts, queue, self.history)
        self.watching = Watching(self._database, self.alerts, self.decisions)
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
        found = self._database.row("SELECT key FROM secrets WHERE name = ?", (name,))
        return bytes(found[0]) if found else b""

    def ship(self, shipment: Shipment, now_ns: int) -> Shipped:
        """Store the new rows and their effects on alerts, in one transaction."""
        notices = 0
        newest: dict[str, int] = {}
        samples: list[tuple[int, SampleRow]] = []
        predictions: list[PredictionRecord] = []
        with self._database.write():
            stream = self._stream(shipment, now_ns)
            sequences = self._sequences(stream)
            settled = sequences.settled
            new = taken(sequences, shipment.arrivals)
            refused = self.entities.settle(logged(new))
            for arrival in new:
                content = arrival.content
                if arrival.sequence in refused:
                    sequences.refuse(arrival.sequence)
                elif isinstance(content, SampleRow):
                    samples.append((arrival.sequence, content))
                    if content.logged is None:  # logged samples tell nothing about windows
                        end_ns = max(newest.get(content.entity, 0), content.window.end_ns)
                        newest[content.entity] = end_ns
                elif isinstance(content, PredictionRows):
                    predictions += content.records
                else:
                    notices += self.alerts.judge(content, shipment.agent, now_ns)
            if samples:
                received_ns = self.rollups.received_ns(now_ns)
                self.rollups.mark(self.samples.add(samples, stream, received_ns), received_ns)
            predicted = self.predictions.add(predictions, now_ns)
            for entity, end_ns in newest.items():
                self.watching.hear(entity, shipment.agent, end_ns, now_ns)
            sequences.settle(shipment.oldest_held)
            self._save(stream, sequences, now_ns)
        return Shipped(
            stored=len(new) - len(refused),
            repeated=len(shipment.arrivals) - len(new),
            notices=notices,
            settled=settled,
            refused=refused,
            predicted=predicted,
        )

    def newest_end_ns(self) -> int | None:
        """Return the newest end of a window that agents observed: not of tables, nor of users."""
        newest_ns: int | None
        ((newest_ns,),) = self._database.rows(
            "SELECT max(end_ns) FROM heard WHERE agent <> ?", (TABLES,)
        )
        return newest_ns

    def check_writable(self) -> None:
        """Check that rows can be stored now."""
        self._database.check_writable()

    def close(self) -> None:
        """Close the database. May be called twice."""
        self._database.close()

    def _stream(self, shipment: Shipment, now_ns: int) -> int:
        """Return the id of the outbox from which *shipment* comes."""
        key = (shipment.agent, shipment.epoch)
        found = self._database.row("SELECT id FROM streams WHERE agent = ? AND epoch = ?", key)
        if found is not None:
            return int(found[0])
        return self._database.execute(
            "INSERT INTO streams (agent, epoch, high_water, received_ns) VALUES (?, ?, 0, ?)",
            (*key, now_ns),
        )

    def _sequences(self, stream: int) -> Sequences:
        ((mark, settled),) = self._database.rows(
            "SELECT high_water, settled FROM streams WHERE id = ?", (stream,)
        )
        ahead = self._database.rows("SELECT sequence FROM stream_ahead WHERE stream = ?", (stream,))
        return Sequences(mark, settled, (sequence for (sequence,) in ahead))

    def _save(self, stream: int, sequences: Sequences, now_ns: int) -> None:
        def each(statement: str, numbers: Iterable[int]) -> None:
            for sequence in numbers:
                self._database.execute(statement, (stream, sequence))

        each("DELETE FROM stream_ahead WHERE stream = ? AND sequence = ?", sequences.passed)
        each("INSERT INTO stream_ahead (stream, sequence) VALUES (?, ?)", sequences.added)
        self._database.execute(
            "UPDATE streams SET high_water = ?, settled = ?, received_ns = ? WHERE id = ?",
            (sequences.mark, sequences.settled, now_ns, stream),
        )
