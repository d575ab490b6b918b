"""Every operation of the API: its path, its parameters, its answer, and what answers it.

Routes and the OpenAPI document are both made from this table, so that they cannot disagree.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from nilometer.values.clock import Clock
from nilometer_collector.alerting.rules import Rule, alerter_of, rule_of
from nilometer_collector.api import parameters as p
from nilometer_collector.api.body import read_json
from nilometer_collector.api.parameters import Given, Parameter
from nilometer_collector.counters import Counters
from nilometer_collector.errors import Unknown
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.query.query import Query, SamplesQuestion
from nilometer_collector.store import Store
from nilometer_collector.views import (
    AlerterView,
    EntityView,
    EpisodeView,
    ReferenceView,
    SamplesView,
    SummaryView,
    View,
)

ORIGIN = "api"  # of a rule that came over HTTP
THREADS = 8  # that read the store at once

T = TypeVar("T")

Handler: TypeAlias = Callable[[Request, Given], Awaitable[Any]]


class Entities(View, frozen=True, kw_only=True):
    """Everything that is watched, by name."""

    entities: list[EntityView]


class Summaries(View, frozen=True, kw_only=True):
    """The summaries of one entity, the service first."""

    summaries: list[SummaryView]


class References(View, frozen=True, kw_only=True):
    """The current references, by name."""

    references: list[ReferenceView]


class Alerters(View, frozen=True, kw_only=True):
    """The rules, by name."""

    alerters: list[AlerterView]


class Episodes(View, frozen=True, kw_only=True):
    """Episodes, newest first; at most 1,000."""

    episodes: list[EpisodeView]


class Ready(View, frozen=True, kw_only=True):
    """That the store takes rows, and what the collector has counted since its start."""

    ready: bool
    counters: dict[str, int]


class Alive(View, frozen=True, kw_only=True):
    """That the process answers."""

    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path.

    Attributes:
        answer: Structure of the body; None for 204.
        body: Structure of the request's body, or None.
        errors: Statuses of problems it may answer with.
    """

    method: str
    path: str
    name: str
    about: str
    handler: Handler
    answer: type[View] | None
    parameters: tuple[Parameter, ...] = ()
    body: type[View] | None = None
    errors: tuple[int, ...] = (422,)

    async def __call__(self, request: Request) -> Response:
        """Check, ask, encode."""
        given = Given(request, self.parameters)
        answer = await self.handler(request, given)
        headers = {"cache-control": "no-store"}
        if self.answer is None:
            return Response(status_code=204, headers=headers)
        return Response(msgspec.json.encode(answer), headers=headers, media_type="application/json")


class Endpoints:
    """What answers the operations. Questions to the store run on threads, at most `THREADS`.

    Args:
        store: Where rules are kept.
        query: What answers questions.
        clock: Wall time.
        counters: Shown at /readyz.
        wake: Called when a change may have queued a notification.
    """

    def __init__(
        self,
        store: Store,
        query: Query,
        clock: Clock,
        counters: Counters,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._query = query
        self._clock = clock
        self._counters = counters
        self._wake = wake
        self._limiter = CapacityLimiter(THREADS)

    async def entities(self, _: Request, __: Given) -> Entities:
        """Everything that is watched."""
        return Entities(entities=await self._ask(self._query.entities))

    async def summaries(self, _: Request, given: Given) -> Summaries:
        """Of one entity."""
        entity = given.required(p.ENTITY)
        return Summaries(summaries=await self._ask(lambda: self._query.summaries(entity)))

    async def samples(self, _: Request, given: Given) -> SamplesView:
        """Of one summary."""
        question = SamplesQuestion(
            entity=given.required(p.ENTITY),
            summary=given.required(p.SUMMARY),
            labels=given.labels(p.LABEL),
            start_ns=given.time_ns(p.START, 0),
            end_ns=given.time_ns(p.END, LAST_NS),
            step_ns=given.step_ns(p.STEP),
            reference=given.text(p.REFERENCE),
        )
        return await self._ask(lambda: self._query.samples(question))

    async def references(self, _: Request, given: Given) -> References:
        """Of all or one entity."""
        entity = given.text(p.ANY_ENTITY)
        return References(references=await self._ask(lambda: self._query.references(entity)))

    async def alerters(self, _: Request, given: Given) -> Alerters:
        """Of all or one entity."""
        entity = given.text(p.ANY_ENTITY)
        return Alerters(alerters=await self._ask(lambda: self._query.alerters(entity)))

    async def put_alerter(self, request: Request, _: Given) -> AlerterView:
        """Create or replace."""
        alerter = alerter_of(await read_json(request, Rule))
        await self._ask(lambda: self._store.alerts.put(alerter, ORIGIN, self._clock.now_ns()))
        self._wake()
        return rule_of(alerter)

    async def delete_alerter(self, _: Request, given: Given) -> None:
        """Remove."""
        entity, name = given.required(p.ENTITY), given.required(p.NAME)
        now_ns = self._clock.now_ns()
        if not await self._ask(lambda: self._store.alerts.delete(entity, name, now_ns)):
            raise Unknown(f"{entity} has no alerter {name!r}")
        self._wake()

    async def episodes(self, _: Request, given: Given) -> Episodes:
        """Of all or one entity."""
        entity, is_open = given.text(p.ANY_ENTITY), given.boolean(p.OPEN)
        found = await self._ask(lambda: self._query.episodes(entity, is_open=is_open))
        return Episodes(episodes=found)

    async def alive(self, _: Request, __: Given) -> Alive:
        """The process answers."""
        return Alive(alive=True)

    async def ready(self, _: Request, __: Given) -> Ready:
        """The store takes rows."""
        await self._ask(self._store.check_writable)
        counts = {counter.value: count for counter, count in self._counters.read().items()}
        return Ready(ready=True, counters=counts)

    async def _ask(self, question: Callable[[], T]) -> T:
        """The answer of a blocking *question*."""
        return await to_thread.run_sync(question, limiter=self._limiter)


def operations(endpoints: Endpoints) -> tuple[Operation, ...]:
    """The table, bound to what answers it."""
    return (
        *_data_operations(endpoints),
        *_alert_operations(endpoints),
        *_health_operations(endpoints),
    )


def _data_operations(endpoints: Endpoints) -> tuple[Operation, ...]:
    return (
        Operation(
            method="GET",
            path="/api/v1/entities",
            name="listEntities",
            about="Everything that is watched, and how it is.",
            handler=endpoints.entities,
            answer=Entities,
        ),
        Operation(
            method="GET",
            path="/api/v1/summaries",
            name="listSummaries",
            about="The summaries of an entity.",
            handler=endpoints.summaries,
            answer=Summaries,
            parameters=(p.ENTITY,),
            errors=(404, 422),
        ),
        Operation(
            method="GET",
            path="/api/v1/samples",
            name="readSamples",
            about="One summary over time, merged over all samples that match, and its reference.",
            handler=endpoints.samples,
            answer=SamplesView,
            parameters=(p.ENTITY, p.SUMMARY, p.START, p.END, p.LABEL, p.STEP, p.REFERENCE),
            errors=(404, 422),
        ),
        Operation(
            method="GET",
            path="/api/v1/references",
            name="listReferences",
            about="The current references.",
            handler=endpoints.references,
            answer=References,
            parameters=(p.ANY_ENTITY,),
        ),
    )


def _alert_operations(endpoints: Endpoints) -> tuple[Operation, ...]:
    return (
        Operation(
            method="GET",
            path="/api/v1/alerters",
            name="listAlerters",
            about="The rules.",
            handler=endpoints.alerters,
            answer=Alerters,
            parameters=(p.ANY_ENTITY,),
        ),
        Operation(
            method="PUT",
            path="/api/v1/alerters",
            name="putAlerter",
            about="Create or replace the rule of this entity and name.",
            handler=endpoints.put_alerter,
            answer=AlerterView,
            body=Rule,
            errors=(400, 413, 415, 422),
        ),
        Operation(
            method="DELETE",
            path="/api/v1/alerters",
            name="deleteAlerter",
            about="Remove a rule; its open episodes close.",
            handler=endpoints.delete_alerter,
            answer=None,
            parameters=(p.ENTITY, p.NAME),
            errors=(404, 422),
        ),
        Operation(
            method="GET",
            path="/api/v1/episodes",
            name="listEpisodes",
            about="Episodes with their history.",
            handler=endpoints.episodes,
            answer=Episodes,
            parameters=(p.ANY_ENTITY, p.OPEN),
        ),
    )


def _health_operations(endpoints: Endpoints) -> tuple[Operation, ...]:
    return (
        Operation(
            method="GET",
            path="/healthz",
            name="readLiveness",
            about="Whether the process answers.",
            handler=endpoints.alive,
            answer=Alive,
        ),
        Operation(
            method="GET",
            path="/readyz",
            name="readReadiness",
            about="Whether rows could be stored now.",
            handler=endpoints.ready,
            answer=Ready,
            errors=(422, 503),
        ),
    )
