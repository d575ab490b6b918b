"""The store's interface for the default alerter, which `Store.watching` implements."""

from typing import Protocol

from nilometer_collector.store.watch_records import HeardRecord, WatchRecord, WatchStep

WATCH_LEASE_SECONDS = 60.0  # lease of one collector for an entity


class Watching(Protocol):
    """The state of the default alerter of each entity, and the windows that it learned from."""

    def entities(self) -> list[str]:
        """List the entities whose windows agents have sent, by name."""
        ...

    def heard(self, entity: str) -> list[HeardRecord]:
        """Return for each agent the end of its newest window, ordered by agent."""
        ...

    def forget_agents(self, before_ns: int) -> None:
        """Remove the agents that have sent nothing since *before_ns*.

        For each entity, the agent that was heard last, the one with the newest window, and the
        sender of tables stay, so that time goes on as before.

        Args:
            before_ns: Wall time, Unix nanoseconds.
        """
        ...

    def hold(self, entity: str) -> bool:
        """Return whether this collector may advance *entity* for the next `WATCH_LEASE_SECONDS`.

        If several collectors share the store, only one of them may do this.
        """
        ...

    def load(self, entity: str) -> WatchRecord | None:
        """Return the state of *entity*; None before its first window."""
        ...

    def windows(self, entity: str, start_ns: int, end_ns: int) -> list[tuple[int, bytes]]:
        """List the kept windows with ends in ``(start_ns, end_ns]``, oldest first."""
        ...

    def save(self, entity: str, step: WatchStep, now_ns: int) -> int | None:
        """Store *step* in one transaction, including its episodes and their notifications.

        Returns:
            The number of queued deliveries. If the state has another revision, because another
            collector has advanced it, nothing is stored and the result is None.
        """
        ...

    def report(self, entity: str, report: bytes) -> None:
        """Replace the status of *entity* for readers; its state does not change."""
        ...

    def reports(self, entity: str | None = None) -> list[tuple[str, bytes]]:
        """List the status of all entities, or of one."""
        ...

    def open_parts(self) -> set[tuple[str, str]]:
        """Return the (entity, summary) of every open part of an episode of the default alerter."""
        ...
