"""Time zones by their IANA names."""

from datetime import UTC, tzinfo
from functools import cache


def zone_named(name: str) -> tzinfo:
    """Return the time zone with the IANA *name*; UTC if it is empty.

    Raises:
        ValueError: If this machine does not know the time zone.
    """
    if name in {"", "UTC"}:
        return UTC
    from zoneinfo import ZoneInfo  # reads files, which a server with UTC does not need

    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(
            "must be a time zone that this machine knows, such as 'Europe/Berlin'; on a machine "
            "without zones: pip install tzdata"
        ) from error


@cache
def zone_names() -> frozenset[str]:
    """Return the IANA names that this machine knows; at least UTC."""
    from zoneinfo import available_timezones  # reads directories

    return frozenset({"UTC", *available_timezones()})
