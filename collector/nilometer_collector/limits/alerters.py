"""Checks of an alerter before it is stored."""

from nilometer.alert import Alerter
from nilometer.values.entity import entity_name
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import (
    LAST_NS,
    MAX_COUNT,
    MAX_NAME_CHARACTERS,
    check_characters,
)

MAX_ALERTER_NAME_CHARACTERS = 128
MAX_WINDOWS_IN_A_ROW = 10_000
MAX_FOR_SECONDS = 366 * 86_400
MAX_DELAY_SECONDS = 7 * 86_400
MAX_HOURS = 32  # most entries of a schedule
MAX_MAINTENANCE = 128  # most maintenance windows


def check_alerter(alerter: Alerter) -> None:
    """Check that every text and number of *alerter* is within bounds.

    Raises:
        Refused: If a text is too long or a number too large; the message gives the reason.
        ConfigError: If the name of the entity is not allowed.
    """
    entity_name(alerter.entity)
    check_characters("name", alerter.name, MAX_ALERTER_NAME_CHARACTERS)
    check_characters("summary", alerter.summary, MAX_NAME_CHARACTERS)
    for key, value in alerter.condition.fields().items():
        if isinstance(value, str):
            check_characters(key, value, MAX_NAME_CHARACTERS)
    if alerter.minimum_count > MAX_COUNT:
        raise Refused(f"minimum_count = {alerter.minimum_count}: must be at most {MAX_COUNT}")
    for key in ("windows_to_open", "windows_to_close"):
        if getattr(alerter, key) > MAX_WINDOWS_IN_A_ROW:
            value = getattr(alerter, key)
            raise Refused(f"{key} = {value}: must be at most {MAX_WINDOWS_IN_A_ROW}")
    _check_times(alerter)


def _check_times(alerter: Alerter) -> None:
    for key, most in (("for_seconds", MAX_FOR_SECONDS), ("delay_seconds", MAX_DELAY_SECONDS)):
        if getattr(alerter, key) > most:
            raise Refused(f"{key} = {getattr(alerter, key):g}: must be at most {most}")
    for key, found, most in (
        ("schedule", alerter.times.hours, MAX_HOURS),
        ("maintenance", alerter.times.maintenance, MAX_MAINTENANCE),
    ):
        if len(found) > most:
            raise Refused(f"{key}: must have at most {most} entries, not {len(found)}")
    check_characters("time_zone", alerter.times.time_zone, MAX_NAME_CHARACTERS)
    if any(one.end_ns > LAST_NS for one in alerter.times.maintenance):
        raise Refused("maintenance.end: must be before the year 2116")
