"""The HTTP resource of reports: a program elsewhere tells the status of an alerter."""

from typing import Annotated

import msgspec
from msgspec import Meta

from nilometer.alert.conditions import Reported
from nilometer.client.report import MOST_REPORTS, Report
from nilometer.values.clock import NANOSECONDS, nanoseconds
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_collector.api.body import read_json
from nilometer_collector.api.fields import Health, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.errors import Conflict, Refused, Unknown
from nilometer_collector.functions.functions import SENDER
from nilometer_collector.functions.reports import evaluations_of, interval_of

MOST_AHEAD_NS = 60 * NANOSECONDS  # how far the clock of a program may be ahead


class ReportsDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The status of an alerter of kind REPORTED in one interval."""

    entity: str
    name: str  # name of the alerter
    reports: Annotated[list[Report], Meta(min_length=1, max_length=MOST_REPORTS)]
    end: float | None = None  # end of the interval; the last whole one if it is left out


class ReportsView(msgspec.Struct, frozen=True, kw_only=True):
    """The interval that was reported, and the status after each report."""

    end: float
    statuses: list[Health]


async def put_reports(call: Call) -> ReportsView:
    """Store reports. An interval that is not newer than the newest one changes nothing.

    Raises:
        Forbidden: If the caller may not change alerters of this entity.
        Unknown: If there is no alerter of this entity and name.
        Conflict: If the alerter is of another kind, or about other summaries.
        Refused: If the interval is in the future, or a report is not allowed.
    """
    context = call.context
    asked = await read_json(call.request, ReportsDefinition)
    call.access.require((asked.entity,))
    now_ns = context.clock.now_ns()

    def store() -> ReportsView:
        alerts = context.store.alerts
        alerter = next(
            (one for one in alerts.alerters(asked.entity) if one.name == asked.name), None
        )
        if alerter is None:
            raise Unknown(f"{asked.entity} has no alerter {asked.name!r}")
        condition = alerter.condition
        if not isinstance(condition, Reported):
            raise Conflict(
                f"alerter {asked.name!r} is of kind {condition.kind}, not {Reported.kind}"
            )
        window = interval_of(condition, now_ns)
        if asked.end is not None:
            window = _until(asked.end, window.end_ns - window.start_ns, now_ns)
        evaluations = evaluations_of(alerter, asked.reports, window)
        alerts.evaluate(evaluations, SENDER, now_ns)
        after: dict[tuple[str, Labels], Health] = {
            (one.summary, one.labels): one.status.value
            for one in alerts.statuses(asked.entity)
            if one.alerter == asked.name
        }
        return ReportsView(
            end=seconds(window.end_ns),
            statuses=[after[one.summary, one.labels] for one in evaluations],
        )

    found = await context.ask(store)
    context.wake()
    return found


def _until(end: float, length_ns: int, now_ns: int) -> Window:
    end_ns = nanoseconds(end)
    if not length_ns <= end_ns <= now_ns + MOST_AHEAD_NS:
        raise Refused(f"end = {end:.15g}: must be a time after 1970 that is not in the future")
    return Window(end_ns - length_ns, end_ns)


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/alerters/reports",
        name="putReports",
        about="Report the status of an alerter whose code runs elsewhere.",
        handler=put_reports,
        answer=ReportsView,
        body=ReportsDefinition,
        errors=(400, 404, 409, 413, 415, 422),
    ),
)
