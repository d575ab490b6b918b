"""Past windows of the flights that the model was trained on, which teach the default alerter."""

from pathlib import Path
from typing import TYPE_CHECKING

from nilometer.batch.collector_calls import calls_to
from nilometer.batch.history import HistoryCounts, HistoryOptions
from nilometer.batch.history_upload import log_history
from nilometer_collector.demo.model import FlightModel, requests_table
from nilometer_collector.demo.names import ENTITY, WINDOW_SECONDS
from nilometer_collector.demo.replay import flights_of

if TYPE_CHECKING:
    import pyarrow

TIME_COLUMN = "departure"


def log_flights(
    model: FlightModel, flights: "pyarrow.Table", path: Path, collector: str
) -> HistoryCounts:
    """Log *flights* as past windows, like ``nilometer profile --log``; return the counts.

    Args:
        model: Model that is served later.
        flights: Past flights.
        path: Path of the Parquet file to write.
        collector: Address of the collector, ``host:port``.
    """
    write_history(model, flights, path)
    options = HistoryOptions(entity=ENTITY, time_column=TIME_COLUMN, window_seconds=WINDOW_SECONDS)
    with calls_to(collector) as calls:
        return log_history(path, options, calls, lambda _: None)


def write_history(model: FlightModel, flights: "pyarrow.Table", path: Path) -> None:
    """Write the inputs, outputs and times of *flights* to the Parquet file *path*."""
    import pyarrow
    import pyarrow.parquet as pq

    departures = [flight.departure for flight in flights_of(flights)]
    times = pyarrow.array(departures, pyarrow.timestamp("s", tz="UTC"))
    pq.write_table(requests_table(model, flights).append_column(TIME_COLUMN, times), path)
