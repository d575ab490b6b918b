"""Probes of the process: whether it responds, and whether it can store rows."""

import msgspec

from nilometer_collector.api.operation import Call, Operation


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Readiness to store rows, and the collector's counters since its start; none in a workspace."""

    ready: bool
    counters: dict[str, int]


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """Liveness of the process."""

    alive: bool


async def read_liveness(_: Call) -> Alive:
    """Respond with success while the process is alive."""
    return Alive(alive=True)


async def read_readiness(call: Call) -> Ready:
    """Check that the store accepts rows.

    Raises:
        StoreUnavailable: If the database cannot be written.
    """
    await call.context.probe(call.context.store.check_writable)
    counts = {}
    if call.access.workspace is None:  # they count the work for all workspaces
        counts = {counter.value: count for counter, count in call.context.counters.read().items()}
    return Ready(ready=True, counters=counts)


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        name="readLiveness",
        about="Check that the process responds.",
        handler=read_liveness,
        answer=Alive,
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="readReadiness",
        about="Check that the collector can store rows, and read its counters.",
        handler=read_readiness,
        answer=Ready,
        errors=(422, 503),
    ),
)
