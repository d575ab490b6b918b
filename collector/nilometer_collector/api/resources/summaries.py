"""Summaries of an entity."""

from typing import Literal, TypeAlias

import msgspec

from nilometer.values.entity import is_logged
from nilometer_collector.api.fields import Health, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY
from nilometer_collector.query.records import SummaryRecord

SummaryRole: TypeAlias = Literal["input", "output", "ground_truth", "logged", "service"]


class LoggedTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a summary that users log. All its samples have this type."""

    data_type: str  # data type, such as number or confusion_matrix
    aggregation: str  # sum, mean, min, max or last; empty if the type implies it
    unit: str


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


class Summaries(msgspec.Struct, frozen=True, kw_only=True):
    """The summaries of one entity, `service` first."""

    summaries: list[SummaryView]


def summary_view(summary: SummaryRecord) -> SummaryView:
    """Return *summary* as the API shows it."""
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
        logged=None if summary.logged is None else LoggedTypeView(**summary.logged._asdict()),
    )


def _role_of(summary: SummaryRecord) -> SummaryRole:
    if summary.role is not None:
        return summary.role.value
    return "logged" if is_logged(summary.name) else "service"


async def list_summaries(call: Call) -> Summaries:
    """List the summaries of one entity."""
    query, entity = call.context.query, call.parameters.value(ENTITY)
    found = await call.context.ask(lambda: [summary_view(one) for one in query.summaries(entity)])
    return Summaries(summaries=found)


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
)
