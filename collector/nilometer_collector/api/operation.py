"""An operation of the API: one method on one path, with its handler.

Operations define both the routes and the OpenAPI document, so the two cannot disagree.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from nilometer.values.clock import Clock
from nilometer_collector.access.rights import Access
from nilometer_collector.actions.targets import Targets
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.api.authentication import access_of
from nilometer_collector.api.caching import UNCACHED, cached
from nilometer_collector.api.forms import AS_JSON, Form, chosen
from nilometer_collector.api.parameters import Parameter
from nilometer_collector.api.query_parameters import QueryParameters
from nilometer_collector.api.sources import OwnSource
from nilometer_collector.causes.causes import Causes
from nilometer_collector.channels import Receivers
from nilometer_collector.counters import Counters
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.errors import Busy
from nilometer_collector.limits.bounds import FUTURE_SECONDS
from nilometer_collector.pipeline import Pipeline
from nilometer_collector.query.query import Query
from nilometer_collector.store import Store

THREADS = 8  # threads that read the store at the same time
PROBE_THREADS = 1  # a separate thread, so that slow requests do not delay probes
MOST_WAITING = 2  # slow questions that may wait for the one that runs
SLOW_THREADS = 1  # a separate thread, so that requests for months of samples run one by one

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that the operations read and change.

    Attributes:
        store: Store of alerters, references and episodes.
        query: Query over the samples of the store.
        pipeline: Picture of all entities and their edges.
        clock: Clock for wall time.
        counters: Counters that /readyz shows.
        wake: Function that is called when a change may have queued a notification.
        watch_rules: Settings of the default alerter.
        receivers: Channels of notifications, and how to reach them.
        targets: Where actions may go.
        causes: Likely causes of episodes.
        future_seconds: Longest time after *clock* at which the window of a logged sample may begin.
        source: Source of names for rows whose sender sends no name.
    """

    store: Store
    query: Query
    pipeline: Pipeline
    clock: Clock
    counters: Counters
    wake: Callable[[], None]
    receivers: Receivers
    targets: Targets
    causes: Causes
    watch_rules: tuple[WatchRule, ...] = ()
    future_seconds: float = FUTURE_SECONDS
    source: OwnSource = field(default_factory=OwnSource)
    limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(THREADS))
    probes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PROBE_THREADS))
    slow: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(SLOW_THREADS))

    def declaring(self, reads: Access | None = None) -> DeclareContext:
        """Return what the checks of declared objects look at.

        Args:
            reads: Right to read of the caller, who sees the warnings; None if nobody sees them.
        """
        found = DeclareContext(
            self.store,
            self.targets.functions,
            self.receivers.allowed,
            now_ns=self.clock.now_ns(),
        )
        return found if reads is None else replace(found, may_name=reads.may, may_use=reads.naming)

    async def ask(self, question: Callable[[], T]) -> T:
        """Run a blocking *question* on one of `THREADS` threads and return its result."""
        return await to_thread.run_sync(question, limiter=self.limiter)

    async def ask_slowly(self, question: Callable[[], T]) -> T:
        """Run a *question* that may take minutes; slow questions run one after another.

        Raises:
            Busy: If `MOST_WAITING` slow questions wait already.
        """
        if self.slow.statistics().tasks_waiting >= MOST_WAITING:
            raise Busy("other long questions are being answered: try again later")
        return await to_thread.run_sync(question, limiter=self.slow)

    async def probe(self, question: Callable[[], T]) -> T:
        """Run a blocking *question* on the thread for probes."""
        return await to_thread.run_sync(question, limiter=self.probes)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an operation, with its checked parameters."""

    request: Request
    parameters: QueryParameters
    context: Context
    access: Access  # rights of the caller, to check entities in a body or a list

    def among(self) -> list[str] | None:
        """Return the entities with alerters or episodes that the caller may see; None for all.

        A list chooses among them before its limit, so that others do not fill it. It reads the store.
        """
        if self.access.is_unlimited:
            return None
        return sorted(filter(self.access.may, self.context.store.alerts.entities()))


Handler: TypeAlias = Callable[[Call], Awaitable[msgspec.Struct | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path.

    Attributes:
        name: Operation id in the OpenAPI document.
        about: Description in one sentence.
        handler: Function that makes the response body.
        answer: Type of the response body; None for status 204.
        body: Type of the request body, or None.
        errors: Statuses of its error responses.
        forms: Media types of the response body besides JSON.
    """

    method: str
    path: str
    name: str
    about: str
    handler: Handler
    answer: type[msgspec.Struct] | None
    parameters: tuple[Parameter[object], ...] = ()
    body: type[msgspec.Struct] | None = None
    errors: tuple[int, ...] = (422,)
    forms: tuple[Form, ...] = ()

    async def respond(self, request: Request, context: Context) -> Response:
        """Check the parameters and the caller's rights, call the handler and encode its result.

        Raises:
            Forbidden: If the caller has no access to the entity.
            ApiError: 406 if the caller accepts no form of the answer.
        """
        parameters, access = QueryParameters(request, self.parameters), access_of(request)
        form = chosen(request.headers.get("accept", ""), self.forms) if self.forms else AS_JSON
        named = [parameters.value(one) for one in self.parameters if one.name == "entity"]
        access.require(entity for entity in named if isinstance(entity, str))
        call = Call(request, parameters, context, access)
        answer = await self.handler(call)
        if self.answer is None:
            return Response(status_code=204, headers=UNCACHED)
        body = await context.ask(lambda: form.encode(answer)) if self.forms else form.encode(answer)
        if self.method == "GET":
            return cached(request, body, form.media_type)
        return Response(body, headers=UNCACHED, media_type=form.media_type)
