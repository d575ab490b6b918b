"""Separates stored alerters that this collector can read from those that it cannot."""

from collections.abc import Iterable

from nilometer.alert import Alerter
from nilometer.alert.conditions import UnknownCondition
from nilometer.wire.alerts import stored_alerter_from_bytes
from nilometer_collector.store.unread_log import UnreadLog


def readable(payloads: Iterable[bytes], unread: UnreadLog) -> list[Alerter]:
    """Return the readable alerters in *payloads*, in order; log the others."""
    found = []
    for alerter in map(stored_alerter_from_bytes, payloads):
        if isinstance(alerter.condition, UnknownCondition):
            unread.note(alerter.condition.kind, alerter.name, alerter.condition.why)
        else:
            found.append(alerter)
    return found


def unreadable(payloads: Iterable[bytes]) -> list[tuple[Alerter, str]]:
    """Return the alerters that cannot be read, each with the reason."""
    return [
        (alerter, alerter.condition.why)
        for alerter in map(stored_alerter_from_bytes, payloads)
        if isinstance(alerter.condition, UnknownCondition)
    ]
