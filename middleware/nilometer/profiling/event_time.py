"""Event times as requests say them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from nilometer.profile.feature import Cell


def told_time(header: str, field: str, value: Cell) -> Cell:
    """What a request says of its time.

    Args:
        header: Value of the header that may tell; empty without.
        field: Name of the field that tells; empty where it is the header.
        value: The request's JSON; of a list the first row counts.
    """
    row = value[0] if isinstance(value, list) and value else value
    return row.get(field) if field and isinstance(row, Mapping) else header


def event_time_ns(value: Cell) -> int | None:
    """Unix nanoseconds of RFC 3339 text or of Unix seconds; None where it is neither.

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
    """Inside what 63 bits of nanoseconds and a window's end can hold."""
    return event_ns if 0 <= event_ns < 1 << 62 else None
