"""A client of the collector's HTTP API, synchronous and asynchronous.

    with Client("http://127.0.0.1:7500") as client:
        amount = client.entity("fraud-scorer").summary("input.amount")
        print(amount.samples(last="24h").merge().quantile(0.99))

Importing it is cheap: httpx, msgspec, numpy and the decoder are imported when they are first needed.
"""

from typing import TYPE_CHECKING

from nilometer.client.client import Client, Entity, Summary
from nilometer.client.client_async import AsyncClient, AsyncEntity, AsyncSummary
from nilometer.client.errors import (
    AccessDenied,
    CollectorBusy,
    CollectorUnreachable,
    Invalid,
    NotFound,
    NotUnderstood,
    Problem,
    RequestFailed,
    RowProblem,
)

if TYPE_CHECKING:
    from nilometer.client.report import Report

__all__ = [
    "AccessDenied",
    "AsyncClient",
    "AsyncEntity",
    "AsyncSummary",
    "Client",
    "CollectorBusy",
    "CollectorUnreachable",
    "Entity",
    "Invalid",
    "NotFound",
    "NotUnderstood",
    "Problem",
    "Report",
    "RequestFailed",
    "RowProblem",
    "Summary",
]


def __getattr__(name: str) -> object:
    """Return `Report` on its first use, because its module imports msgspec."""
    if name != "Report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nilometer.client.report import Report

    globals()[name] = Report  # later look-ups are direct
    return Report
