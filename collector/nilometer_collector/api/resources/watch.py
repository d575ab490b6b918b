"""The default alerter of each entity: its phase, and the status of every summary."""

from typing import Literal, TypeAlias

import msgspec

from nilometer_collector.alerting.watch_report import SummaryReport, WatchReport
from nilometer_collector.api.fields import Health, Why, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ANY_ENTITY

Phase: TypeAlias = Literal["LEARNING", "COARSE", "ACTIVE"]


class WatchedSummaryView(msgspec.Struct, frozen=True, kw_only=True):
    """The status of one summary and label set."""

    summary: str
    labels: dict[str, str]  # empty for all traffic
    status: Health
    reason: Why
    sentence: str  # reason in words
    phase: Phase
    window_seconds: int  # length of the windows over which it is judged


class WatchView(msgspec.Struct, frozen=True, kw_only=True):
    """The status of the default alerter of one entity."""

    entity: str
    status: Health
    reason: Why
    sentence: str  # reason in words
    phase: Phase
    next_phase: float | None  # expected start of the next phase; null if unknown or the last one
    frozen: bool  # whether the baselines no longer change
    frozen_since: float | None  # time at which they were frozen, or are expected to be
    judged: float | None  # end of the newest window that was judged
    late_rows: int  # rows of the last three days that arrived after their window was judged
    budget_days: float  # mean number of days between false alarms
    summaries: list[WatchedSummaryView]


class Watches(msgspec.Struct, frozen=True, kw_only=True):
    """The default alerters of all entities, sorted by name."""

    entities: list[WatchView]


def watch_view(entity: str, report: WatchReport) -> WatchView:
    """Convert the *report* of *entity* to its view."""
    known = {
        "entity": entity,
        "status": report.status.value,
        "reason": report.reason.value,
        "sentence": report.sentence,
        "phase": report.phase,
        "next_phase": _time(report.next_phase_ns),
        "frozen": report.frozen,
        "frozen_since": _time(report.frozen_ns),
        "judged": _time(report.judged_ns),
        "late_rows": report.late_rows,
        "budget_days": report.budget_days,
        "summaries": [_summary_view(one) for one in report.summaries],
    }
    return msgspec.convert(known, WatchView)


async def list_watches(call: Call) -> Watches:
    """List the default alerter of all entities or of one."""
    query, entity = call.context.query, call.parameters.value(ANY_ENTITY)
    found = await call.context.ask(lambda: query.watched(entity))
    may = call.access.may
    return Watches(entities=[watch_view(name, one) for name, one in found.items() if may(name)])


def _time(at_ns: int | None) -> float | None:
    return None if at_ns is None else seconds(at_ns)


def _summary_view(one: SummaryReport) -> WatchedSummaryView:
    known = msgspec.structs.asdict(one)
    plain = {**known, "status": one.status.value, "reason": one.reason.value}
    return msgspec.convert(plain, WatchedSummaryView)


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/watch",
        name="listWatches",
        about="List the status of the default alerter with its reasons.",
        handler=list_watches,
        answer=Watches,
        parameters=(ANY_ENTITY,),
    ),
)
