"""Probes of the process: is it alive, and could it store rows."""

import msgspec

from nilometer_collector.api.operation import Call, Operation


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """That the store takes rows, and what the collector has counted since its start."""

    ready: bool
    counters: dict[str, int]


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """That the process answers."""

    alive: bool


async def read_liveness(_: Call) -> Alive:
    """The process answers."""
    return Alive(alive=True)


async def read_readiness(call: Call) -> Ready:
    """The store takes rows.

    Raises:
        StoreUnavailable: If it does not.
    """
    await call.context.probe(call.context.store.check_writable)
    counts = {counter.value: count for counter, count in call.context.counters.read().items()}
    return Ready(ready=True, counters=counts)


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        name="readLiveness",
        about="Whether the process answers.",
        handler=read_liveness,
        answer=Alive,
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="readReadiness",
        about="Whether rows could be stored now.",
        handler=read_readiness,
        answer=Ready,
        errors=(422, 503),
    ),
)
