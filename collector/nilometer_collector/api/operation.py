"""An operation of the API: one method on one path, and what answers it.

Routes and the OpenAPI document are both made from operations, so that they cannot disagree.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from nilometer.values.clock import Clock
from nilometer_collector.access.rights import Access
from nilometer_collector.api.authentication import access_of
from nilometer_collector.api.given import Given
from nilometer_collector.api.parameters import Parameter
from nilometer_collector.counters import Counters
from nilometer_collector.query.query import Query
from nilometer_collector.store import Store

THREADS = 8  # that read the store at once
PROBE_THREADS = 1  # of its own, so that slow questions do not hold a probe up

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all operations read and change.

    Attributes:
        store: Store of alerters, references and episodes.
        query: What answers questions about samples.
        clock: Wall time.
        counters: Shown at /readyz.
        wake: Called when a change may have queued a notification.
    """

    store: Store
    query: Query
    clock: Clock
    counters: Counters
    wake: Callable[[], None]
    limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(THREADS))
    probes: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PROBE_THREADS))

    async def ask(self, question: Callable[[], T]) -> T:
        """The answer of a blocking *question*, which runs on one of `THREADS` threads."""
        return await to_thread.run_sync(question, limiter=self.limiter)

    async def probe(self, question: Callable[[], T]) -> T:
        """As `ask`, on a thread that only probes use."""
        return await to_thread.run_sync(question, limiter=self.probes)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an operation, whose parameters are those that the operation declares."""

    request: Request
    given: Given
    context: Context
    access: Access  # to entities that no parameter names: of a body, of a list


Handler: TypeAlias = Callable[[Call], Awaitable[msgspec.Struct | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path.

    Attributes:
        name: Its id in the document.
        about: What it answers, in one sentence.
        handler: Makes the answer.
        answer: Structure of the body; None for 204.
        body: Structure of the request's body, or None.
        errors: Statuses of problems it may answer with.
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

    async def respond(self, request: Request, context: Context) -> Response:
        """Check the parameters and the entity they name, call the handler, encode its answer.

        Raises:
            Forbidden: If the caller may not name this entity.
        """
        given, access = Given(request, self.parameters), access_of(request)
        named = [given.value(one) for one in self.parameters if one.name == "entity"]
        access.require(entity for entity in named if isinstance(entity, str))
        call = Call(request, given, context, access)
        answer = await self.handler(call)
        headers = {"cache-control": "no-store"}
        if self.answer is None:
            return Response(status_code=204, headers=headers)
        return Response(msgspec.json.encode(answer), headers=headers, media_type="application/json")
