"""Times in documents of declared objects: ISO 8601 or Unix seconds."""

from typing import Annotated, TypeAlias

from msgspec import Meta

from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.times import time_iso, time_of
from nilometer_collector.limits.bounds import LAST_NS, NO_CONTROL

LAST_SECONDS = LAST_NS // NANOSECONDS
MOST_CHARACTERS = 64  # longest text of a time

Time: TypeAlias = (
    Annotated[str, Meta(min_length=1, max_length=MOST_CHARACTERS, pattern=NO_CONTROL)]
    | Annotated[float, Meta(ge=0, le=LAST_SECONDS)]
)


def nanoseconds_of(key: str, time: str | float) -> int:
    """Return a time in Unix nanoseconds, to the second.

    Args:
        key: Field that holds the time, which an error names.
        time: ISO 8601 time, UTC if it has no zone, or Unix seconds.

    Raises:
        ConfigError: If *time* is not a time between 1970 and the last one that can be stored.
    """
    seconds = time_of(key, time)
    if not 0 <= seconds <= LAST_SECONDS:
        raise ConfigError(f"{key} = {time!r}: must be between 1970 and {time_iso(LAST_NS)}")
    return int(seconds) * NANOSECONDS
