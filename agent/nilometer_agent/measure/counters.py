"""The agent's own counters; docs/telemetry.md describes each, and a test keeps both in step."""

import functools
import threading
from collections.abc import Iterable, Mapping
from enum import Enum

from nilometer.profile import Coverage

MAX_REASONS = 64


class Counter(Enum):
    """Counters since the start of the process; they only grow, except those marked as gauges."""

    BATCHES = "batches"
    BATCHES_REPEATED = "batches_repeated"
    OBSERVATIONS = "observations"
    PROFILED = "profiled"
    UNDECODABLE = "undecodable"
    INPUTS_LOST = "inputs_lost"
    OUTPUTS_LOST = "outputs_lost"
    DROPPED = "dropped"
    UNNAMED_CELLS = "unnamed_cells"
    UNREAD_TIMES = "unread_times"
    CELLS_LOST = "cells_lost"
    COLUMNS_OVER_LIMIT = "columns_over_limit"
    ENTITIES_OVER_LIMIT = "entities_over_limit"
    NAMES_FORGOTTEN = "names_forgotten"
    MALFORMED_BATCHES = "malformed_batches"
    REFUSED_BATCHES = "refused_batches"
    WORKERS_REFUSED = "workers_refused"
    COMMITS = "commits"
    WINDOWS_CLOSED = "windows_closed"
    WINDOWS_LATE = "windows_late"
    WINDOWS_LOST = "windows_lost"
    EVALUATIONS = "evaluations"
    BREACHES = "breaches"
    ROWS_QUEUED = "rows_queued"
    ROWS_ACKNOWLEDGED = "rows_acknowledged"
    ROWS_REJECTED = "rows_rejected"
    ROWS_CORRUPT = "rows_corrupt"
    ROWS_DROPPED_FOR_SPACE = "rows_dropped_for_space"
    ROWS_SAVED = "rows_saved"
    ROWS_FOUND = "rows_found"
    OBSERVATIONS_FOUND = "observations_found"
    OBSERVATIONS_ACKNOWLEDGED = "observations_acknowledged"
    OBSERVATIONS_REJECTED = "observations_rejected"
    OBSERVATIONS_DROPPED_FOR_SPACE = "observations_dropped_for_space"
    PREDICTIONS_LOGGED = "predictions_logged"
    PREDICTIONS_LEFT_OUT = "predictions_left_out"
    PREDICTIONS_FOUND = "predictions_found"
    PREDICTIONS_ACKNOWLEDGED = "predictions_acknowledged"
    PREDICTIONS_REFUSED = "predictions_refused"
    PREDICTIONS_REJECTED = "predictions_rejected"
    PREDICTIONS_DROPPED = "predictions_dropped"
    DISK_FAULTS = "disk_faults"
    REOPENED = "reopened"
    RECOVERIES = "recoveries"
    MEMORY_SPELLS = "memory_spells"
    RETURNS_TO_DISK = "returns_to_disk"
    SHIP_FAILURES = "ship_failures"
    EXPORTS = "exports"
    EXPORT_FAILURES = "export_failures"
    EXPORT_POINTS_REJECTED = "export_points_rejected"
    EXPORT_REPLIES_UNREADABLE = "export_replies_unreadable"
    EXPORT_INTERVALS_DROPPED = "export_intervals_dropped"
    SERIES_OVERFLOWED = "series_overflowed"
    PROFILERS_DISARMED = "profilers_disarmed"
    OTLP_REQUESTS = "otlp_requests"
    OTLP_SPANS = "otlp_spans"
    OTLP_POINTS_REFUSED = "otlp_points_refused"
    OTLP_METRICS_IGNORED = "otlp_metrics_ignored"
    OTLP_CALLS_LEFT_OUT = "otlp_calls_left_out"
    EVENTS = "events"
    EVENTS_JOINED = "events_joined"
    EVENTS_ALONE = "events_alone"
    EVENTS_AMBIGUOUS = "events_ambiguous"
    EVENTS_REPEATED = "events_repeated"
    EVENTS_REFUSED = "events_refused"
    EVENTS_TRUTH = "events_truth"
    DIRECT_ALERTS = "direct_alerts"
    DIRECT_ALERTS_FAILED = "direct_alerts_failed"


class Counters:
    """Thread-safe counts by `Counter`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values = dict.fromkeys(Counter, 0)
        self._reasons: dict[Counter, dict[str, int]] = {}
        self._covered: object = None

    def add(self, counter: Counter, amount: int = 1) -> None:
        """Add to one counter."""
        with self._lock:
            self._values[counter] += amount

    def add_all(
        self, amounts: Mapping[Counter, int], by_reason: Mapping[Counter, Mapping[str, int]]
    ) -> None:
        """Add to several counters, some of them by reason; if this raises, no counter changes."""
        with self._lock:
            self._values, self._reasons = self._sum(amounts, by_reason)

    def _sum(
        self, amounts: Mapping[Counter, int], by_reason: Mapping[Counter, Mapping[str, int]]
    ) -> tuple[dict[Counter, int], dict[Counter, dict[str, int]]]:
        """Return values and reasons with the amounts added."""
        values, reasons = dict(self._values), dict(self._reasons)
        for counter, amount in amounts.items():
            values[counter] += amount
        for counter, counts in by_reason.items():
            values[counter] += sum(counts.values())
            reasons[counter] = _bounded(reasons.get(counter, {}), counts)
        return values, reasons

    def cover(self, coverages: Iterable[Coverage], once: object) -> None:
        """Count observations by their coverage: all of them, or none if this raises.

        Args:
            coverages: Coverages to add.
            once: Object that identifies the call; a second call with the same object does nothing.
        """
        if once is self._covered:
            return
        whole = functools.reduce(Coverage.merge, coverages, Coverage())
        by_reason = {
            Counter.UNDECODABLE: whole.undecodable,
            Counter.DROPPED: whole.dropped,
            Counter.INPUTS_LOST: whole.lost_inputs,
            Counter.OUTPUTS_LOST: whole.lost_outputs,
            Counter.UNNAMED_CELLS: whole.unnamed,
        }
        amounts = {
            Counter.OBSERVATIONS: whole.seen,
            Counter.PROFILED: whole.profiled,
            Counter.UNREAD_TIMES: whole.unread_times,
        }
        with self._lock:
            self._values, self._reasons, self._covered = *self._sum(amounts, by_reason), once

    def snapshot(self) -> dict[str, int]:
        """Return all counters by name."""
        with self._lock:
            return {counter.value: value for counter, value in self._values.items()}

    def reasons(self, counter: Counter) -> dict[str, int]:
        """Return *counter* by reason. There are at most `MAX_REASONS`, because workers name them."""
        with self._lock:
            return dict(self._reasons.get(counter, {}))


def _bounded(known: Mapping[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    """Return the sum of both, without new reasons beyond `MAX_REASONS`."""
    total = dict(known)
    for reason, count in counts.items():
        if reason in total or len(total) < MAX_REASONS:
            total[reason] = total.get(reason, 0) + count
    return total
