"""What the flight model was estimated to do, what it did, and when the alert came: September to December 2013.

The model is that of the demo, trained on September and October. Every flight of the four months is a
logged prediction, also the cancelled ones, which never get a label. A label arrives when its flight
has landed. Each day, a store gets what arrived on that day, and the default alerter judges it. The
real join, alerter and estimate do the work; only the clock is stepped.

    python examples/flights/realised.py --source FILE

The source is that of `prepare.py`.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nilometer.predictions import PredictionRecord
from nilometer.profile import Coverage, ScoreProfile, SummarySample
from nilometer.profile.performance import Classification, ExpectedPerformance, binary
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import sample_to_bytes
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.demo.model import OUTPUT, TARGET, FlightModel, fit, rows_of
from nilometer_collector.demo.names import ENTITY
from nilometer_collector.demo.replay import YEAR
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.truths import Truth
from nilometer_collector.query.edges import ReferenceEdges
from nilometer_collector.store import (
    Arrival,
    PredictionRows,
    SampleRow,
    Shipment,
    Store,
    TruthChunk,
    open_store,
)
from nilometer_collector.watch.entity import EntityWatch
from nilometer_collector.watch.fitting import Fitter

SOURCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "flights_nyc_2013.parquet"
COLUMNS = [
    *("month", "day", "hour", "minute", "carrier", "origin", "distance", "dep_delay"),
    "air_time",
]
DAY_NS = 86_400 * NANOSECONDS
HOUR_NS = DAY_NS // 24
WEEK = 7
DEFINITION = PerformanceDefinition(entity=ENTITY, task="binary", score=OUTPUT, step_seconds=86_400)
MOST_AT_ONCE = 4000  # rows of one shipment or chunk; no day has more flights


class Flight(NamedTuple):
    """A prediction, and its label if there will be one."""

    id: str
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
    for number, (row, features) in enumerate(zip(table.to_pylist(), rows_of(table), strict=True)):
        at = datetime(YEAR, row["month"], row["day"], row["hour"], row["minute"], tzinfo=UTC)
        time_ns = int(at.timestamp()) * NANOSECONDS
        minutes = (row["dep_delay"] or 0) + (row["air_time"] or 0)
        late = None if row[TARGET] is None else int(row[TARGET])
        known_ns = time_ns + max(minutes, 0) * 60 * NANOSECONDS
        score = model.late_probability(features)
        on_time = row["dep_delay"] is not None and row["dep_delay"] <= 0
        found.append(Flight(f"flight-{number}", time_ns, score, late, known_ns, on_time))
    return found


class Days:
    """A store that gets one day after the other, and the default alerter that judges it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0
        edges = ReferenceEdges(store.references)
        store.watching.hold(ENTITY)
        self._watch = EntityWatch(ENTITY, WatchRule(), store, edges, Fitter(store, edges))

    def pass_day(self, end_ns: int, departed: list[Flight], landed: list[Flight]) -> None:
        """Store the predictions and labels of a day that ends at *end_ns*, and judge."""
        hours: dict[int, list[Flight]] = {}
        for one in departed:
            hours.setdefault(one.time_ns // HOUR_NS, []).append(one)
        rows = [_scores(hour, flights) for hour, flights in sorted(hours.items())]
        records = tuple(
            PredictionRecord(
                entity=ENTITY,
                prediction_id=one.id,
                row=0,
                time_ns=one.time_ns,
                outputs={OUTPUT: one.score},
            )
            for one in departed
        )
        arrivals = []
        contents: list[PredictionRows | SampleRow] = [PredictionRows(records), *rows]
        for content in contents:
            self._number += 1
            arrivals.append(Arrival(sequence=self._number, content=content))
        shipment = Shipment(agent="pod", epoch=b"p" * 16, oldest_held=0, arrivals=arrivals)
        self._store.ship(shipment, end_ns)
        truths = [Truth(one.id, 0, "", 0, str(one.late), one.known_ns) for one in landed]
        for at in range(0, len(truths), MOST_AT_ONCE):
            chunk = TruthChunk(
                entity=ENTITY,
                source=None,
                number=1,
                position=0,
                rows=truths[at : at + MOST_AT_ONCE],
                refused={},
            )
            self._store.truths.join(chunk, DEFINITION, end_ns)
        for _ in self._watch.advance(end_ns, end_ns, 0):
            pass

    def episodes(self) -> list[str]:
        """Return the message of each episode, with the day on which it opened."""
        return [
            f"{datetime.fromtimestamp(one.history[0].at_ns / NANOSECONDS, UTC):%d %B}: {one.history[0].evidence}"
            for one in reversed(self._store.alerts.episodes())
        ]


def _scores(hour: int, flights: list[Flight]) -> SampleRow:
    profile = ScoreProfile()
    profile.observe(np.array([one.score for one in flights]))
    sample = SummarySample(
        entity=ENTITY,
        summary=f"output.{OUTPUT}.scores",
        labels=Labels(),
        window=Window(hour * HOUR_NS, hour * HOUR_NS + HOUR_NS),
        coverage=Coverage(profiled=profile.cells),
        content=profile,
    )
    return SampleRow.of(sample, sample_to_bytes(sample))


def performance(flights: list[Flight]) -> Classification:
    """Return the realised performance of flights with a label."""
    known = [one for one in flights if one.late is not None]
    return binary([one.score for one in known], [one.late for one in known])


def report(flights: list[Flight], first_ns: int) -> None:
    """Print each week from November on: what has no label, lags, and errors estimated and realised."""
    begun_ns = int(datetime(YEAR, 11, 1, tzinfo=UTC).timestamp()) * NANOSECONDS
    reference = performance([one for one in flights if one.time_ns < begun_ns])
    print(
        "week from  flights  no label  label after, median and 99 %  estimated error  realised error (95 %)"
    )
    for start_ns in range(begun_ns, first_ns + 122 * DAY_NS, WEEK * DAY_NS):
        own = [one for one in flights if start_ns <= one.time_ns < start_ns + WEEK * DAY_NS]
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
        ("September and October", *at[:2]),
        ("6 to 19 December", *at[2:]),
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
    """Print the report, and then every episode of the default alerter."""
    flights = flights_of(source)
    first_ns = flights[0].time_ns // DAY_NS * DAY_NS
    report(flights, first_ns)
    report_on_time(flights)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "state" / "collector.db", "")
        days = Days(store)
        departed: dict[int, list[Flight]] = {}
        landed: dict[int, list[Flight]] = {}
        for one in flights:
            departed.setdefault((one.time_ns - first_ns) // DAY_NS, []).append(one)
            if one.late is not None:
                landed.setdefault((one.known_ns - first_ns) // DAY_NS, []).append(one)
        for day in range(max(departed) + 1):
            end_ns = first_ns + (day + 1) * DAY_NS
            days.pass_day(end_ns, departed.get(day, []), landed.get(day, []))
        print(*(days.episodes() or ["no episode"]), sep="\n")
        print(
            f"{sum(one.labelled for one in store.truths.windows(ENTITY, 0, 1 << 62, 1000))} labels joined"
        )
        store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=SOURCE)
    main(parser.parse_args().source)
