"""The status of every alerter that users set, also of those that have judged nothing."""

from dataclasses import replace

from nilometer.alert import Alerter, AlertStatus, Reason
from nilometer.alert.conditions import Reported
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer.values.nearest import did_you_mean
from nilometer.values.window import Window
from nilometer_collector.alerting.episodes import heard_since_ns
from nilometer_collector.alerting.statuses import (
    NO_REPORT_YET,
    NO_WINDOW_YET,
    OPENINGS_DAYS,
    AlerterStatus,
)
from nilometer_collector.store import SeriesRecord, Store

DAY_NS = 86_400 * NANOSECONDS


def alerter_statuses(store: Store, entity: str, now_ns: int) -> list[AlerterStatus]:
    """Return the status of each alerter of *entity* on each summary and label set, by name.

    Args:
        store: Store of alerters, states and samples.
        entity: Name of the entity.
        now_ns: Wall time, Unix nanoseconds.
    """
    series = store.samples.series(entity)
    newest = {(one.summary, one.labels): one for one in series}
    known: dict[str, list[AlerterStatus]] = {}
    alerters = store.alerts.alerters(entity)
    reported = {one.name: one.condition for one in alerters if isinstance(one.condition, Reported)}
    for one in store.alerts.statuses(entity):
        sender = newest.get((one.summary, one.labels))
        if one.alerter in reported:
            is_silent = _has_no_report(one, reported[one.alerter], now_ns)
        else:
            is_silent = sender is not None and _is_silent(sender, now_ns)
        known.setdefault(one.alerter, []).append(one.silent() if is_silent else one)
    found = []
    for alerter in alerters:
        found += known.get(alerter.name) or [_without_state(alerter, series)]
    for alerter, why in store.alerts.unread_alerters(entity):
        found.append(_not_watched(alerter, Reason.UNREADABLE, why))
    openings = store.alerts.openings(entity, now_ns - OPENINGS_DAYS * DAY_NS)
    found = [replace(one, openings=openings.get(one.alerter, 0)) for one in found]
    return sorted(found, key=lambda one: (one.alerter, one.summary, str(one.labels)))


def _is_silent(series: SeriesRecord, now_ns: int) -> bool:
    window = Window(series.last_end_ns - series.last_window_ns, series.last_end_ns)
    return series.last_received_ns < heard_since_ns(now_ns, window)


def _has_no_report(status: AlerterStatus, condition: Reported, now_ns: int) -> bool:
    length_ns = round(condition.every_seconds * NANOSECONDS)
    window = Window(status.judged_ns - length_ns, status.judged_ns)
    return status.judged_ns < heard_since_ns(now_ns, window)


def _without_state(alerter: Alerter, series: list[SeriesRecord]) -> AlerterStatus:
    """Return the status of an alerter that has not seen a window."""
    names = sorted({one.summary for one in series})
    is_reported = isinstance(alerter.condition, Reported)
    if is_reported or any(alerter.watches(name) for name in names):
        return AlerterStatus(
            entity=alerter.entity,
            alerter=alerter.name,
            summary=alerter.summary,
            labels=Labels(),
            status=AlertStatus.LEARNING,
            reason=Reason.NO_WINDOW_YET,
            sentence=NO_REPORT_YET if is_reported else NO_WINDOW_YET,
        )
    hint = did_you_mean(alerter.summary, names)
    why = f"no summary of {alerter.entity} matches {alerter.summary!r}{hint}"
    return _not_watched(alerter, Reason.NO_SUCH_SUMMARY, why)


def _not_watched(alerter: Alerter, reason: Reason, why: str) -> AlerterStatus:
    return AlerterStatus(
        entity=alerter.entity,
        alerter=alerter.name,
        summary=alerter.summary,
        labels=Labels(),
        status=AlertStatus.NOT_WATCHED,
        reason=reason,
        sentence=why,
    )
