"""What the flight model was estimated to do, and what it did, from November to December 2013.

The model is that of the demo, trained on September and October. Every flight counts as a prediction,
also the cancelled ones, which never get a label. A label is known when its flight has landed: after the
delay of its departure and its time in the air, because the source has no time on the ground.

    python examples/flights/realised.py --source FILE

The source is that of `prepare.py`.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nilometer.profile import ScoreProfile
from nilometer.profile.performance import Classification, ExpectedPerformance, binary
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.demo.model import TARGET, FlightModel, fit, rows_of
from nilometer_collector.demo.replay import YEAR

SOURCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "flights_nyc_2013.parquet"
COLUMNS = [
    *("month", "day", "hour", "minute", "carrier", "origin", "distance", "dep_delay"),
    "air_time",
]
HOUR_NS = 3600 * NANOSECONDS
WEEK_NS = 7 * 24 * HOUR_NS


class Flight(NamedTuple):
    """A prediction, and its label if there will be one."""

    time_ns: int  # scheduled departure
    score: float
    late: int | None  # None for a cancelled or diverted flight
    known_ns: int  # landing
    on_time: bool  # whether it departed on time


def flights_of(source: Path) -> list[Flight]:
    """Return the flights of the four months with the predictions of the model, by departure."""
    table = pq.read_table(source, columns=[*COLUMNS, "label_late15"])
    table = table.filter(pc.greater_equal(table["month"], 9))
    for name in ("carrier", "origin"):
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(pyarrow.string()))
    table = table.rename_columns([*COLUMNS, TARGET])
    table = table.sort_by([(name, "ascending") for name in ("month", "day", "hour", "minute")])
    learned = table.filter(
        pc.and_(
            pc.less(table["month"], 11),
            pc.and_(pc.is_valid(table[TARGET]), pc.is_valid(table["dep_delay"])),
        )
    )
    return [*_predicted(fit(learned), table)]


def _predicted(model: FlightModel, table: pyarrow.Table) -> list[Flight]:
    found = []
    for row, features in zip(table.to_pylist(), rows_of(table), strict=True):
        at = datetime(YEAR, row["month"], row["day"], row["hour"], row["minute"], tzinfo=UTC)
        time_ns = int(at.timestamp()) * NANOSECONDS
        minutes = (row["dep_delay"] or 0) + (row["air_time"] or 0)
        late = None if row[TARGET] is None else int(row[TARGET])
        known_ns = time_ns + max(minutes, 0) * 60 * NANOSECONDS
        score = model.late_probability(features)
        on_time = row["dep_delay"] is not None and row["dep_delay"] <= 0
        found.append(Flight(time_ns, score, late, known_ns, on_time))
    return found


def performance(flights: list[Flight]) -> Classification:
    """Return the realised performance of flights with a label."""
    known = [one for one in flights if one.late is not None]
    return binary([one.score for one in known], [one.late for one in known])


def report(flights: list[Flight]) -> None:
    """Print each week from November on: what has no label, lags, and errors estimated and realised."""
    begun_ns = int(datetime(YEAR, 11, 1, tzinfo=UTC).timestamp()) * NANOSECONDS
    reference = performance([one for one in flights if one.time_ns < begun_ns])
    print(
        "week from  flights  no label  label after, median and 99 %  estimated error  realised error (95 %)"
    )
    for start_ns in range(begun_ns, flights[-1].time_ns, WEEK_NS):
        own = [one for one in flights if start_ns <= one.time_ns < start_ns + WEEK_NS]
        known = [one for one in own if one.late is not None]
        scores = ScoreProfile()
        scores.observe(np.array([one.score for one in own]))
        expected = ExpectedPerformance.of(reference, scores).estimates()["accuracy_ratio"]
        found = performance(own).estimates()["accuracy_ratio"]
        lags = np.quantile([(one.known_ns - one.time_ns) / HOUR_NS for one in known], [0.5, 0.99])
        print(
            f"{datetime.fromtimestamp(start_ns / NANOSECONDS, UTC):%d %B}  {len(own):>5}  "
            f"{1 - len(known) / len(own):>6.1%}  {lags[0]:.1f} h, {lags[1]:.1f} h  "
            f"{1 - expected.value:.1%}  {1 - found.value:.1%} ({1 - found.high:.1%} to {1 - found.low:.1%})"
        )


def report_on_time(flights: list[Flight]) -> None:
    """Print how many flights that departed on time arrived late, in autumn and in two weeks of December."""
    at = [
        int(datetime(YEAR, *day, tzinfo=UTC).timestamp()) * NANOSECONDS
        for day in ((9, 1), (11, 1), (12, 6), (12, 20))
    ]
    for name, start_ns, end_ns in (
        ("September and October", at[0], at[1]),
        ("6 to 19 December", at[2], at[3]),
    ):
        late = [
            one.late
            for one in flights
            if start_ns <= one.time_ns < end_ns and one.on_time and one.late is not None
        ]
        print(
            f"{name}: {np.mean(late):.1%} of {len(late)} flights that departed on time arrived late"
        )


def main(source: Path) -> None:
    """Print both reports."""
    flights = flights_of(source)
    report(flights)
    report_on_time(flights)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=SOURCE)
    main(parser.parse_args().source)
