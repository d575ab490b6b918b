"""Times and durations as users write and read them."""

import re
from datetime import UTC, datetime

from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_TIME = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|\d+(?:\.\d+)?"
_INTERVAL = re.compile(rf"({_TIME})/({_TIME})(?::(.*))?", re.DOTALL)


def duration_of(key: str, text: str) -> float:
    """Return the seconds of a duration such as ``30d``, ``12h`` or ``90m``.

    Raises:
        ConfigError: If *text* is not a duration; the message names *key*.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"{key} = {text!r}: must be a number with s, m, h, d or w, such as 30d")
    return float(found[1]) * _SECONDS[found[2]]


def time_of(key: str, text: str | float) -> float:
    """Return the Unix seconds of an ISO 8601 time (UTC if it has no zone), or of a number.

    Raises:
        ConfigError: If *text* is not a time; the message names *key*.
    """
    plain = str(text).strip()
    if _NUMBER.fullmatch(plain):
        return float(plain)
    try:
        at = datetime.fromisoformat(plain)
    except ValueError as error:
        raise ConfigError(
            f"{key} = {plain!r}: must be a time such as 2025-07-04T01:00Z, or Unix seconds"
        ) from error
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def interval_of(key: str, text: str) -> tuple[float, float, str]:
    """Return start, end and name of ``START/END:name``; the name may be missing.

    Raises:
        ConfigError: If *text* is not such an interval, or ends before it starts.
    """
    found = _INTERVAL.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"{key} = {text!r}: must be START/END or START/END:name, with times such as "
            "2025-07-04T01:00Z"
        )
    start, end = time_of(key, found[1]), time_of(key, found[2])
    if end <= start:
        raise ConfigError(f"{key} = {text!r}: must end after it starts")
    return start, end, found[3] or found[1]


def time_text(at_ns: int) -> str:
    """Return a Unix time in nanoseconds for a reader: in UTC, to the minute."""
    return f"{_utc(at_ns):%Y-%m-%d %H:%M} UTC"


def time_iso(at_ns: int) -> str:
    """Return a Unix time in nanoseconds in the form of RFC 3339, to the second."""
    return f"{_utc(at_ns):%Y-%m-%dT%H:%M:%SZ}"


def _utc(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // NANOSECONDS, UTC)
