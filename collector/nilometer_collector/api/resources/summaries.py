"""Summaries of an entity."""

from typing import Literal

import msgspec

from nilometer_collector.api.fields import Health, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import ENTITY
from nilometer_collector.query.records import SummaryRecord


class SummaryView(msgspec.Struct, frozen=True, kw_only=True):
    """A named series of an entity."""

    entity: str
    name: str
    data_type: Literal["number", "category", "mixed", "empty", "service"]
    role: Literal["input", "output", "ground_truth", "service"]
    health: Health
    observations: int
    last_seen: float | None
    window: float  # length of the window that arrived last, in seconds
    labels: dict[str, list[str]]  # every key with its values, sorted


class Summaries(msgspec.Struct, frozen=True, kw_only=True):
    """The summaries of one entity, `service` first."""

    summaries: list[SummaryView]


def summary_view(summary: SummaryRecord) -> SummaryView:
    """Return *summary* as the API shows it."""
    return SummaryView(
        entity=summary.entity,
        name=summary.name,
        data_type=summary.data_type,
        role="service" if summary.role is None else summary.role.value,
        health=summary.health.value,
        observations=summary.observations,
        last_seen=seconds(summary.last_end_ns),
        window=seconds(summary.window_ns),
        labels=summary.labels,
    )


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
