"""Describes timestamps by hour, weekday and age."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.profiler import Column

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def timestamp_columns(cells: Sequence[object], now_ns: int) -> dict[str, Column]:
    """Return columns for the times in *cells*: ``hour`` (UTC, 0 to 24), ``weekday``, ``age``.

    The age is the time before *now_ns*, the start of the window in Unix nanoseconds. It is in
    seconds, up to one window too small, and negative for future times. Cells that are not times are
    left out.
    """
    seconds = np.array([time for time in map(unix_seconds, cells) if time is not None])
    if not seconds.size:
        return {}
    days = np.floor(seconds / 86_400).astype(np.int64)
    hours: NDArray[np.float64] = (seconds - days * 86_400.0) / 3600.0
    weekdays = [WEEKDAYS[day] for day in ((days + 3) % 7).tolist()]  # the epoch was a Thursday
    return {"hour": hours, "weekday": weekdays, "age": now_ns / 1e9 - seconds}


def unix_seconds(cell: object) -> float | None:
    """Return the Unix seconds of a datetime, date, numpy time or RFC 3339 text; else None.

    A time without an offset counts as UTC.
    """
    try:
        if isinstance(cell, str):
            cell = datetime.fromisoformat(cell)
        if isinstance(cell, np.datetime64):
            return (
                None
                if np.isnat(cell)
                else float(cell.astype("datetime64[ns]").astype(np.int64)) / 1e9
            )
        if isinstance(cell, date) and not isinstance(cell, datetime):
            cell = datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
        if isinstance(cell, datetime):
            aware = cell if cell.tzinfo is not None else cell.replace(tzinfo=UTC)
            return aware.timestamp()
    except (ValueError, OverflowError):
        return None
    return None
