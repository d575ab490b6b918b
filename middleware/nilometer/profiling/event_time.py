"""Reads event times from requests."""

from collections.abc import Mapping
from datetime import UTC, datetime

from nilometer.profile.feature import Cell


def unparsed_event_time(header: str, field: str, value: Cell) -> Cell:
    """Return the event time in a request, not parsed yet.

    Args:
        header: Value of the event time header; empty if absent.
        field: Name of the event time field; empty if the header is used.
        value: Parsed JSON of the request; the first row of a list counts.
    """
    row = value[0] if isinstance(value, list) and value else value
    return row.get(field) if field and isinstance(row, Mapping) else header


def event_time_ns(value: Cell) -> int | None:
    """Return Unix nanoseconds from RFC 3339 text or Unix seconds; None if *value* is neither.

    A time without an offset counts as UTC.
    """
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return _in_range(int(moment.timestamp() * 1e6) * 1000)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        seconds = float(value)
        return _in_range(int(seconds * 1e6) * 1000)
    except (ValueError, OverflowError):
        return None


def _in_range(event_ns: int) -> int | None:
    """Return *event_ns* if it and the end of its window fit 63 bits; else None."""
    return event_ns if 0 <= event_ns < 1 << 62 else None
