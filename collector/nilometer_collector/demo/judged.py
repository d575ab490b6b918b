"""How good the demo's model is: estimated from its scores, and realised once labels arrive."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, TypeVar

import httpx
import msgspec

from nilometer.batch.sample_log import SampleLog, performance
from nilometer.client.client import Client
from nilometer.profile.performance import binary
from nilometer_collector.api.resources.causes import CausesView
from nilometer_collector.api.resources.expected_performance import ExpectedPerformanceView
from nilometer_collector.api.resources.samples import SamplesView
from nilometer_collector.contents.performance import MetricView
from nilometer_collector.demo.model import OUTPUT, TARGET, FlightModel, rows_of
from nilometer_collector.demo.names import ENTITY
from nilometer_collector.demo.replay import Flight, flights_of

if TYPE_CHECKING:
    import pyarrow

View = TypeVar("View", bound=msgspec.Struct)

DAY = timedelta(days=1)
METRIC = "accuracy_ratio"
LEARNED = "training"  # name under which the performance on the training flights is logged
SCORES = f"output.{OUTPUT}.scores"
CHUNK_ROWS = 5000  # most rows of ground truth in one request
SOURCE = "f1" * 16  # name of the labels' source: a chunk of it that is sent twice counts once


class Figure(TypedDict):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    flights: int


def log_learned(model: FlightModel, flights: "pyarrow.Table", collector: str) -> None:
    """Log the performance of *model* on *flights*, with which estimates are calibrated.

    Args:
        model: Model that is served later.
        flights: Flights with a known arrival.
        collector: Address of the collector, ``host:port``.
    """
    departures = [flight.departure for flight in flights_of(flights)]
    first, last = _day(departures[0]), _day(departures[-1]) + DAY
    scores = [model.late_probability(row) for row in rows_of(flights)]
    truth = [int(late) for late in flights[TARGET].to_pylist()]
    with SampleLog(collector, entity=ENTITY) as log:
        log.put(
            LEARNED,
            performance(binary(scores, truth)),
            start=first.timestamp(),
            seconds=(last - first).total_seconds(),
        )


def send_labels(page: str, flights: list[Flight]) -> dict[str, int]:
    """Send whether each flight was late, as ground truth; return the number of rows by outcome.

    Args:
        page: URL of the collector.
        flights: Flights that were predicted.
    """
    counts: dict[str, int] = {}
    with Client(page) as client:
        entity = client.entity(ENTITY)
        for number, first in enumerate(range(0, len(flights), CHUNK_ROWS), start=1):
            rows = [
                {"id": flight.prediction_id, "value": int(flight.late)}
                for flight in flights[first : first + CHUNK_ROWS]
            ]
            answer = entity.ground_truth(rows, source=SOURCE, chunk=number)
            for outcome, count in answer.counts.items():
                counts[outcome] = counts.get(outcome, 0) + count
    return counts


def read_estimate(page: str, day: datetime) -> Figure | None:
    """Return the share of right predictions on *day* that the scores let expect."""
    view = _asked(
        page,
        "expected-performance",
        ExpectedPerformanceView,
        {"summary": SCORES, "ground_truth": f"logged.{LEARNED}", **_span(day)},
    )
    return _figure(view.windows[0].metrics, view.windows[0].count) if view.windows else None


def read_realised(page: str, day: datetime) -> Figure | None:
    """Return the share of predictions on *day* that were right, by the labels so far."""
    asked = {"summary": "performance", **_span(day)}
    samples = _asked(page, "samples", SamplesView, asked).samples
    if not samples or isinstance(samples[0].performance, msgspec.UnsetType):
        return None
    return _figure(samples[0].performance.metrics, samples[0].performance.count)


def read_cause(page: str, episode: int) -> str:
    """Return the sentence of the likeliest cause of *episode*; empty without one."""
    found = _asked(page, "episodes/causes", CausesView, {"episode": episode})
    return found.causes[0].sentence if found.causes else ""


def _asked(page: str, path: str, answer: type[View], asked: dict[str, str | int | float]) -> View:
    response = httpx.get(
        f"{page}/api/v1/{path}", params={"entity": ENTITY, **asked}, timeout=60.0, trust_env=False
    )
    return msgspec.json.decode(response.raise_for_status().content, type=answer)


def _span(day: datetime) -> dict[str, str | int | float]:
    seconds = DAY.total_seconds()
    start = day.timestamp()
    return {"start": start, "end": start + seconds, "step": int(seconds)}


def _figure(metrics: dict[str, MetricView], flights: int) -> Figure | None:
    found = metrics.get(METRIC)
    if found is None or found.value is None or found.low is None or found.high is None:
        return None
    return {
        "value": round(found.value, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "flights": flights,
    }


def _day(at: datetime) -> datetime:
    return datetime(at.year, at.month, at.day, tzinfo=UTC)
