"""The verbs of the store for the default alerter, which `Store.watching` implements."""

from typing import Protocol

from nilometer_collector.store.watch_records import HeardRecord, WatchRecord, WatchStep

WATCH_LEASE_SECONDS = 60.0  # time for which one collector advances an entity alone


class Watching(Protocol):
    """The state of the default alerter of each entity, and the windows that it learned from."""

    def entities(self) -> list[str]:
        """List the entities that agents have sent windows of, by name."""
        ...

    def heard(self, entity: str) -> list[HeardRecord]:
        """List how far the windows of each agent have arrived, by agent."""
        ...

    def hold(self, entity: str) -> bool:
        """Return whether this collector may advance *entity* for the next `WATCH_LEASE_SECONDS`.

        If several collectors share the store, only one of them may.
        """
        ...

    def load(self, entity: str) -> WatchRecord | None:
        """Return the state of *entity*; None before its first window."""
        ...

    def windows(self, entity: str, start_ns: int, end_ns: int) -> list[tuple[int, bytes]]:
        """List the kept windows that end in ``(start_ns, end_ns]``, oldest first, with their ends."""
        ...

    def save(self, entity: str, step: WatchStep, now_ns: int) -> int | None:
        """Store *step* in one transaction, with its episodes and their notifications.

        Returns:
            The number of deliveries queued; None, and nothing is stored, if the state has another
            revision, because another collector has advanced it.
        """
        ...

    def report(self, entity: str, report: bytes) -> None:
        """Replace the status of *entity* for readers; its state stays."""
        ...

    def reports(self, entity: str | None = None) -> list[tuple[str, bytes]]:
        """List the status of each entity or of one, by name."""
        ...

    def open_parts(self) -> set[tuple[str, str]]:
        """Return the (entity, summary) of every open part of an episode of the default alerter."""
        ...
