"""Summaries of an entity."""

from typing import Literal, TypeAlias

import msgspec

from nilometer.values.entity import PERFORMANCE, is_logged
from nilometer_collector.alerting.summaries import SummaryDefinition
from nilometer_collector.api.fields import Health, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY, RequiredText
from nilometer_collector.errors import Unknown
from nilometer_collector.query.declared_summaries import declared_summaries
from nilometer_collector.query.records import SummaryRecord
from nilometer_collector.store import LoggedType

SUMMARY = RequiredText("summary", "Name of the summary, such as logged.accuracy.")

SummaryRole: TypeAlias = Literal["input", "output", "ground_truth", "logged", "service"]


class LoggedTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a summary that users log. All its samples have this type."""

    data_type: str  # data type, such as number or confusion_matrix
    aggregation: str  # sum, mean, min, max or last; empty if the type implies it
    unit: str


class DeclaredSummaryView(msgspec.Struct, frozen=True, kw_only=True):
    """What users have declared about a summary."""

    data_type: str  # empty if it is left open
    unit: str
    description: str


class SummaryView(msgspec.Struct, frozen=True, kw_only=True):
    """A named series of an entity."""

    entity: str
    name: str
    data_type: Literal["number", "category", "mixed", "empty", "service"]
    role: SummaryRole
    health: Health
    observations: int
    last_seen: float | None
    window: float  # length of the window that arrived last, in seconds
    labels: dict[str, list[str]]  # every key with its values, sorted
    logged: LoggedTypeView | None  # type of a summary that users log; null for others
    declared: DeclaredSummaryView | None  # null if nobody has declared the summary


class Summaries(msgspec.Struct, frozen=True, kw_only=True):
    """The summaries of one entity, `service` first."""

    summaries: list[SummaryView]


def summary_view(summary: SummaryRecord, declared: SummaryDefinition | None) -> SummaryView:
    """Return *summary* as the API shows it, with what is *declared* about it."""
    return SummaryView(
        entity=summary.entity,
        name=summary.name,
        data_type=summary.data_type,
        role=_role_of(summary),
        health=summary.health.value,
        observations=summary.observations,
        last_seen=seconds(summary.last_end_ns),
        window=seconds(summary.window_ns),
        labels=summary.labels,
        logged=None if summary.logged is None else _type_view(summary.logged),
        declared=None
        if declared is None
        else DeclaredSummaryView(
            data_type=declared.data_type,
            unit=declared.unit,
            description=declared.description,
        ),
    )


def _type_view(logged: LoggedType) -> LoggedTypeView:
    return LoggedTypeView(
        data_type=logged.data_type, aggregation=logged.aggregation, unit=logged.unit
    )


def _role_of(summary: SummaryRecord) -> SummaryRole:
    if summary.role is not None:
        return summary.role.value
    if summary.name == PERFORMANCE:
        return "ground_truth"
    return "logged" if is_logged(summary.name) else "service"


async def list_summaries(call: Call) -> Summaries:
    """List the summaries of one entity."""
    context, entity = call.context, call.parameters.value(ENTITY)

    def read() -> list[SummaryView]:
        declared = {one.name: one for one in declared_summaries(context.store, entity)}
        found = context.query.summaries(entity)
        return [summary_view(one, declared.get(one.name)) for one in found]

    return Summaries(summaries=await context.ask(read))


async def forget_summary(call: Call) -> None:
    """Remove a summary that users log, with its samples.

    Raises:
        Unknown: If users do not log such a summary.
    """
    entity, summary = call.parameters.value(ENTITY), call.parameters.value(SUMMARY)
    entities = call.context.store.entities
    if not await call.context.ask(lambda: entities.forget(entity, summary)):
        raise Unknown(f"entity {entity!r} has no logged summary {summary!r}")


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/summaries",
        name="listSummaries",
        about="List the summaries of an entity.",
        handler=list_summaries,
        answer=Summaries,
        parameters=(ENTITY,),
        errors=(404, 422),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/summaries",
        name="forgetSummary",
        about="Remove a summary that users log, with its type and all its samples.",
        handler=forget_summary,
        answer=None,
        parameters=(ENTITY, SUMMARY),
        errors=(404, 422),
    ),
)
