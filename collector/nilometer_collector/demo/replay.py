"""Replays recorded flights over HTTP in event time, with a fault in the second half."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import httpx

from nilometer_collector.demo.model import FEATURES, TARGET
from nilometer_collector.demo.names import EVENT_TIME_HEADER

if TYPE_CHECKING:
    import pyarrow

YEAR = 2013
BROKEN_FEATURE = "distance"
MILES_TO_KILOMETRES = 1.609344  # factor of the fault, a change of unit that no schema check detects
CONCURRENCY = 16


@dataclass(frozen=True, slots=True)
class Flight:
    """One request to replay.

    Attributes:
        departure: Scheduled departure, UTC.
        features: Features of the model.
        prediction_id: Id of the request, by which the label is joined later.
        late: Whether the flight arrived late, which is known hours later.
    """

    departure: datetime
    features: dict[str, object]
    prediction_id: str
    late: bool

    def broken(self) -> "Flight":
        """Return the flight with one feature in another unit."""
        distance = self.features[BROKEN_FEATURE]
        if not isinstance(distance, int | float):
            return self
        features = {**self.features, BROKEN_FEATURE: distance * MILES_TO_KILOMETRES}
        return replace(self, features=features)


def flights_of(table: "pyarrow.Table") -> Iterator[Flight]:
    """Yield the flights in the order of the table, which is sorted by departure."""
    for number, row in enumerate(table.to_pylist()):
        departure = datetime(YEAR, row["month"], row["day"], row["hour"], row["minute"], tzinfo=UTC)
        features = {name: row[name] for name in FEATURES}
        yield Flight(departure, features, f"flight-{number}", bool(row[TARGET]))


async def replay(
    url: str,
    flights: list[Flight],
    break_from: datetime,
    on_progress: Callable[[int, datetime], None],
) -> int:
    """Send every flight to *url*, day by day; return the number of responses with status 200.

    Args:
        url: URL of the prediction endpoint.
        flights: Flights in order of departure.
        break_from: Time, UTC; flights that depart at this time or later have the fault.
        on_progress: Function that is called with the number of flights sent since its last call,
            and the departure.
    """
    answered = 0
    async with _client() as client:
        for _, of_day in groupby(flights, key=lambda flight: flight.departure.date()):
            waiting = iter(list(of_day))

            async def send_on(waiting: Iterator[Flight] = waiting) -> int:
                fine = 0
                for flight in waiting:
                    sent = flight.broken() if flight.departure >= break_from else flight
                    answer = await client.post(
                        url,
                        json=sent.features,
                        headers={
                            EVENT_TIME_HEADER: sent.departure.isoformat(),
                            "x-request-id": sent.prediction_id,
                        },
                    )
                    fine += answer.status_code == httpx.codes.OK
                    on_progress(1, flight.departure)
                return fine

            answered += sum(await asyncio.gather(*(send_on() for _ in range(CONCURRENCY))))
    return answered


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
    async with httpx.AsyncClient(limits=limits, timeout=30.0, trust_env=False) as client:
        yield client
