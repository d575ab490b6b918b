"""What the collector counts about itself."""

import threading
from enum import Enum


class Counter(Enum):
    """Everything that is counted, each in its unit."""

    ROWS_STORED = "rows_stored"  # rows that were new
    ROWS_REPEATED = "rows_repeated"  # rows that were here before: acknowledged, not added
    ROWS_REJECTED = "rows_rejected"  # rows that never will be stored
    SHIPMENTS_FAILED = "shipments_failed"  # calls of which nothing was stored: the agent resends
    AGENTS_DUPLICATED = "agents_duplicated"  # times two processes began to ship under one name
    NOTIFICATIONS_DELIVERED = "notifications_delivered"
    NOTIFICATIONS_REFUSED = "notifications_refused"  # by the receiver, for their content
    NOTIFICATIONS_FAILED = "notifications_failed"  # attempts that are tried again
    EXPORTS = "exports"  # OTLP requests that were taken
    EXPORT_FAILURES = "export_failures"
    EXPORT_POINTS_REJECTED = "export_points_rejected"  # by a far side that took the rest
    EXPORT_REPLIES_UNREADABLE = "export_replies_unreadable"  # taken, and answered with no OTLP
    EXPORT_INTERVALS_DROPPED = "export_intervals_dropped"  # delta points nobody took for long
    SERIES_OVERFLOWED = "series_overflowed"  # points over a metric's limit of series


class Counters:
    """Counts since the start. Any thread may add and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(Counter, 0)

    def add(self, counter: Counter, count: int = 1) -> None:
        """Add *count* to *counter*."""
        with self._lock:
            self._counts[counter] += count

    def read(self) -> dict[Counter, int]:
        """All counts now."""
        with self._lock:
            return dict(self._counts)
