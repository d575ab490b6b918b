"""Monitored entities."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from nilometer_collector.api.fields import Health, seconds
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import Count, Text
from nilometer_collector.query.records import MAX_ENTITIES, EntityRecord

LIMIT = Count("limit", "Largest number of entities in the answer.", MAX_ENTITIES, MAX_ENTITIES)
AFTER = Text("after", "Value of `next` from the page before.")

Kind: TypeAlias = Literal["model", "data", "pipeline", "endpoint"]


class EntityView(msgspec.Struct, frozen=True, kw_only=True):
    """A monitored entity and its health."""

    name: str
    health: Health  # ALERTING while an episode is open; LEARNING with data but no alerter
    summaries: int
    observations: int  # requests seen over all windows
    first_seen: float | None
    last_seen: float | None  # end of the newest window; null without data
    open_episodes: int
    references: list[str]
    kind: Kind
    owner: str
    description: str
    reads_from: list[str]  # names of the entities that it reads from, sorted
    read_by: list[str]  # names of its readers that the caller may read, sorted
    version: int  # version of the declaration; 0 without one


class Entities(msgspec.Struct, frozen=True, kw_only=True):
    """A page of monitored entities, sorted by name."""

    entities: list[EntityView]
    next: str | None  # value of `after` for the next page; null on the last page


def entity_view(entity: EntityRecord, sees: Callable[[str], bool]) -> EntityView:
    """Return *entity* as the API shows it, with the edges from entities that the caller *sees*."""
    first_ns, last_ns = entity.first_start_ns, entity.last_end_ns
    return EntityView(
        name=entity.name,
        health=entity.health.value,
        summaries=entity.summaries,
        observations=entity.observations,
        first_seen=None if first_ns is None else seconds(first_ns),
        last_seen=None if last_ns is None else seconds(last_ns),
        open_episodes=entity.open_episodes,
        references=entity.references,
        kind=entity.declaration.kind.value,
        owner=entity.declaration.owner,
        description=entity.declaration.description,
        reads_from=[*filter(sees, entity.declaration.reads_from)],
        read_by=entity.read_by,
        version=entity.version,
    )


async def list_entities(call: Call) -> Entities:
    """List a page of the entities that the caller may read."""
    query, may = call.context.query, call.access.may
    after, limit = call.parameters.value(AFTER) or "", call.parameters.value(LIMIT)
    page = await call.context.ask(lambda: query.entities(after=after, limit=limit, may=may))
    return Entities(
        entities=[entity_view(one, call.access.sees) for one in page.entities], next=page.last
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/entities",
        name="listEntities",
        about="List the monitored entities with their health.",
        handler=list_entities,
        answer=Entities,
        parameters=(LIMIT, AFTER),
    ),
)
