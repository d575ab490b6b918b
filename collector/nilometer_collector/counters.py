"""Counters of the collector's own work."""

import threading
from enum import Enum


class Counter(Enum):
    """All counters, each with its unit."""

    ROWS_STORED = "rows_stored"  # new rows
    ROWS_REPEATED = "rows_repeated"  # rows that were stored before: acknowledged, not added
    ROWS_REJECTED = "rows_rejected"  # rows that will never be stored
    ROWS_FROM_FUTURE = "rows_from_future"  # those of them whose time is too far in the future
    SHIPMENTS_POSTPONED = "shipments_postponed"  # with rows from the future that the agent retries
    SHIPMENTS_FAILED = "shipments_failed"  # Ship calls that stored nothing; the agent retries them
    # Shipments with fields that only a newer version knows. One of each agent is examined in five minutes.
    SHIPMENTS_OF_NEWER = "shipments_of_newer"
    CALLS_REFUSED = (
        "calls_refused"  # for an unknown token or a missing right, rows of agents included
    )
    AGENTS_DUPLICATED = "agents_duplicated"  # times that two processes began to ship under one name
    PARTS_ROLLED_UP = "parts_rolled_up"  # roll-ups that were made or made again
    SAMPLES_LEFT_OUT = "samples_left_out"  # samples in no roll-up: unreadable, or of another type
    ROWS_RETIRED = "rows_retired"  # samples and roll-ups that were removed for their age
    PREDICTIONS_STORED = "predictions_stored"  # logged predictions that are new
    PREDICTIONS_REPEATED = "predictions_repeated"  # stored before with the same content
    PREDICTIONS_REFUSED = "predictions_refused"  # not allowed; others of their batch are stored
    # Not stored: their id and row are stored with another content, which makes the id ambiguous.
    PREDICTIONS_AMBIGUOUS = "predictions_ambiguous"
    PREDICTIONS_RETIRED = "predictions_retired"  # removed for their age
    PREDICTIONS_ERASED = "predictions_erased"  # erased by id or by subject
    LABELS_USED = "labels_used"  # rows of ground truth that are joined, repeated, or wait
    LABELS_REFUSED = "labels_refused"  # rows of ground truth that are not used
    LABELS_RETIRED = "labels_retired"  # labels, windows and chunks that were removed for their age
    NOTIFICATIONS_DELIVERED = "notifications_delivered"
    NOTIFICATIONS_REFUSED = "notifications_refused"  # refused by the receiver for their content
    NOTIFICATIONS_FAILED = "notifications_failed"  # failed attempts, which are retried
    HEARTBEATS = "heartbeats"  # accepted by the outside monitor
    HEARTBEATS_FAILED = "heartbeats_failed"  # not accepted; the next one is sent in its time
    EXPORTS = "exports"  # accepted OTLP requests
    EXPORT_FAILURES = "export_failures"
    EXPORT_POINTS_REJECTED = "export_points_rejected"  # points that an endpoint did not accept
    EXPORT_REPLIES_UNREADABLE = "export_replies_unreadable"  # accepted, but the reply is not OTLP
    EXPORT_INTERVALS_DROPPED = "export_intervals_dropped"  # delta intervals that waited too long
    SERIES_OVERFLOWED = "series_overflowed"  # points beyond the series limit of a metric


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
        """Return all counts as of now."""
        with self._lock:
            return dict(self._counts)
