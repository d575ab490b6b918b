"""The store: all persistent data of the collector."""

from pathlib import Path

from nilometer_collector.store.alerts import Alerts
from nilometer_collector.store.database import Database
from nilometer_collector.store.deliveries import Deliveries
from nilometer_collector.store.records import SampleRow, Shipment, Shipped
from nilometer_collector.store.references import References
from nilometer_collector.store.samples import Samples
from nilometer_collector.store.streams import Stream


class Store:
    """Samples, references, alerters, episodes and notifications in one SQLite file.

    A change is durable when its call returns (WAL, synchronous FULL). Any thread may call.

    Args:
        path: Path of the file.
        channel: Name of the channel that receives notifications; empty for no notifications.

    Raises:
        ConfigError: If the file is not a database of this or an older nilometer.
    """

    def __init__(self, path: Path, channel: str = "") -> None:
        self._database = Database(path)
        self.samples = Samples(self._database)
        self.references = References(self._database)
        self.alerts = Alerts(self._database, channel)
        self.deliveries = Deliveries(self._database, self.alerts)

    @property
    def names_key(self) -> bytes:
        """Key of the pseudonyms of this installation, 32 random bytes.

        Raises:
            StoreUnavailable: If the database cannot be read.
        """
        found = self._database.row("SELECT key FROM secrets WHERE name = 'names'")
        return bytes(found[0]) if found else b""

    def ship(self, shipment: Shipment, now_ns: int) -> Shipped:
        """Store the new rows and their effects on alerts, in one transaction.

        Raises:
            StoreUnavailable: If the database fails; nothing was stored then.
        """
        stored = notices = 0
        with self._database.write():
            stream = Stream(self._database, shipment.agent, shipment.epoch, now_ns)
            for arrival in sorted(shipment.arrivals, key=lambda arrival: arrival.sequence):
                if not stream.take(arrival.sequence):
                    continue
                stored += 1
                content = arrival.content
                if isinstance(content, SampleRow):
                    self.samples.add(content, stream.id, arrival.sequence, now_ns)
                else:
                    notices += self.alerts.judge(content, shipment.agent, now_ns)
            stream.settle(shipment.oldest_held)
        repeated = len(shipment.arrivals) - stored
        return Shipped(stored=stored, repeated=repeated, notices=notices)

    def check_writable(self) -> None:
        """Check that rows can be stored now.

        Raises:
            StoreUnavailable: If the database cannot be written.
        """
        self._database.check_writable()

    def close(self) -> None:
        """Close the database. Safe to repeat."""
        self._database.close()
