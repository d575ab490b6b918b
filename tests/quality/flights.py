"""Notifications of the calibrated alerter on real flights: drawn again without drift, and in their order.

    PYTHONPATH=tests python -m quality.flights [--source FILE]

The flights are those out of New York in 2013. The reference comes from January to March; the other
275 days are judged. Baselines come from the same three months, and from their last 28 days, which
is what a collector learns from a table. Times are local, so that slots follow the local clock.

Flights that are drawn again, within the hour of the week, have no drift: of 49 days, 14 teach.
"""

import argparse
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nilometer.alert.calibrated.baseline import learn, merged, window_length
from nilometer.alert.calibrated.columns import Column, Floats, Total
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import Subject
from nilometer.alert.calibrated.holidays import Holidays
from nilometer.alert.calibrated.judge import EntityState, Judge
from nilometer.alert.calibrated.model import Judged
from nilometer.alert.calibrated.normal import LEAST_ROWS_TO_LEARN
from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.slots import BASE_SECONDS, DAY_SECONDS, NS_PER_SECOND, Calendar
from nilometer.batch import reference_of
from nilometer.profile.reference import ReferenceColumn
from nilometer.sketch.hashing import hash_strings
from nilometer_collector.watch.memory import LEARNED_DAYS as COLLECTOR_DAYS

SOURCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "flights_nyc_2013.parquet"
COLUMNS = (
    "carrier", "origin", "dest", "distance", "dep_delay", "arr_delay", "air_time", "label_late15",
)  # fmt: skip
YEAR = 2013
DAYS = 365
BEFORE_DAYS = 90  # days before the judged time
DAY = DAY_SECONDS // BASE_SECONDS  # base windows
HOUR = DAY // 24
DRAWN_ROWS = 157  # mean rows of a window that is drawn again
DRAWN_DAYS = (14, 35)  # days of such windows to learn from, and to judge
MONDAY_NS = int(datetime(YEAR, 1, 7, tzinfo=UTC).timestamp()) * NS_PER_SECOND
BASE_NS = BASE_SECONDS * NS_PER_SECOND
START_NS = int(datetime(YEAR, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_SECOND
# The federal holidays of the year: a calendar that a user would give.
HOLIDAYS = (
    "01-01", "2013-01-21", "2013-02-18", "2013-05-27", "07-04", "2013-09-02", "2013-10-14", "11-11",
    "2013-11-28", "12-25",
)  # fmt: skip

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Flights:
    """Columns with their counts in the base windows of the year.

    Attributes:
        columns: The columns, with the bins of the reference.
        counts: Vectors of each column, shape (W, width).
    """

    columns: list[Column]
    counts: list[Floats]


def read(source: Path) -> Flights:
    """Return the flights of *source*, a Parquet file with a row per flight."""
    table = pq.read_table(source)
    cells, places = _cells_of(table), _places_of(table)
    learned = pa.array(places < BEFORE_DAYS * DAY)
    return _counted(cells.filter(learned), cells, places, DAYS * DAY)


def drawn(source: Path, seed: int) -> Flights:
    """Return windows from a Monday on whose flights are drawn again from their hour of the week.

    The volume follows that of the hours of the week.
    """
    rng = np.random.default_rng(seed)
    table = pq.read_table(source)
    cells, places = _cells_of(table), _places_of(table)
    weekday = (places // DAY + date(YEAR, 1, 1).weekday()) % 7
    hours = weekday * 24 + places % DAY // HOUR
    order = np.argsort(hours, kind="stable")
    sizes = np.bincount(hours, minlength=7 * 24)
    firsts = np.cumsum(sizes) - sizes
    of_window = np.arange(sum(DRAWN_DAYS) * DAY) // HOUR % (7 * 24)
    rows = rng.poisson(DRAWN_ROWS * sizes[of_window] / sizes.mean())
    at = np.repeat(of_window, rows)
    taken = order[firsts[at] + (rng.random(len(at)) * sizes[at]).astype(np.int64)]
    windows = np.repeat(np.arange(len(rows)), rows)
    learned = cells.filter(pa.array(places < BEFORE_DAYS * DAY))
    return _counted(learned, cells.take(pa.array(taken)), windows, len(rows))


def _places_of(table: pa.Table) -> Places:
    """Return the base window of the year in which each flight was planned to leave."""
    months, days = table["month"].to_pylist(), table["day"].to_pylist()
    first = date(YEAR, 1, 1)
    of_year = [
        (date(YEAR, month, day) - first).days for month, day in zip(months, days, strict=True)
    ]
    minutes = 60 * table["hour"].to_numpy().astype(np.int64) + table["minute"].to_numpy()
    return np.asarray(np.array(of_year) * DAY + minutes * 60 // BASE_SECONDS)


def _cells_of(table: pa.Table) -> pa.Table:
    """Return the judged columns."""
    cells = {
        name: table[name].cast(
            pa.string() if pa.types.is_dictionary(table[name].type) else pa.float64()
        )
        for name in COLUMNS
    }
    return pa.table(cells)


def _counted(learned: pa.Table, cells: pa.Table, places: Places, windows: int) -> Flights:
    """Return *cells* counted in their windows, with the bins of a reference of *learned*."""
    reference = reference_of(learned, entity="m", name="training", source="test", created_ns=0)
    columns, counts = [], []
    for summary, frozen in reference.columns.items():
        column = Column.of(summary, frozen)
        columns.append(column)
        own = cells[summary.partition(".")[2]]
        counts.append(_counts(column, frozen, own, places, windows))
    return Flights(columns, counts)


def _counts(
    column: Column, frozen: ReferenceColumn, cells: pa.ChunkedArray, places: Places, windows: int
) -> Floats:
    """Return the counts of *cells* in each base window, shape (W, width)."""
    found = np.zeros((windows, column.width))
    totals = column.width - len(Total)
    known = pc.is_valid(cells).to_numpy()
    for total in (Total.CELLS, Total.REQUESTS):
        np.add.at(found[:, totals + total], places, 1)
    np.add.at(found[:, column.bins], places[~known], 1)
    at = places[known]
    if not column.bins:
        np.add.at(found, (at, 2 + _names(frozen, cells)), 1)
        np.add.at(found[:, totals + Total.CATEGORIES], at, 1)
        return found
    values = cells.drop_null().to_numpy()
    binned = np.zeros((len(found), len(column.held)))
    np.add.at(binned, (at, np.searchsorted(column.edges, values, side="right")), 1)
    found[:, : column.bins] = binned[:, column.held]
    assert frozen.bounds is not None
    np.add.at(found[:, column.bins + 2], at[values < frozen.bounds.low], 1)
    np.add.at(found[:, column.bins + 3], at[values > frozen.bounds.high], 1)
    if len(column.rates) > 4:
        found[:, column.bins + 4] = binned[:, 1:-1][:, ~column.held[1:-1]].sum(axis=1)
    np.add.at(found[:, totals + Total.NUMBERS], at, 1)
    return found


def _names(frozen: ReferenceColumn, cells: pa.ChunkedArray) -> Places:
    """Return the place of each name among the published names, other and unseen."""
    assert frozen.dictionary is not None
    published = {name: place for place, name in enumerate(frozen.dictionary.names)}
    hashes = set(frozen.dictionary.hashes)
    names = cells.drop_null().to_pylist()
    places = {
        name: published.get(name, len(published) + (int(hash_strings([name])[0]) not in hashes))
        for name in set(names)
    }
    return np.array([places[name] for name in names])


def judge_of(
    flights: Flights,
    holidays: Container[date],
    span: tuple[int, int] = (0, BEFORE_DAYS),
    origin_ns: int = START_NS,
) -> Judge:
    """Return a judge that has learned from the days of *span*, counted from *origin_ns*."""
    first = span[0] * DAY
    subjects = []
    for column, counts in zip(flights.columns, flights.counts, strict=True):
        past = counts[first : span[1] * DAY]
        rows = past[:, -len(Total) + Total.CELLS]
        length = window_length(rows)
        longer, longer_rows = merged(past, length), merged(rows[:, None], length)[:, 0]
        calendar = Calendar(window_seconds=length * BASE_SECONDS, holidays=holidays)
        windows = np.arange(len(longer), dtype=np.int64) * length
        starts = origin_ns + (first + windows) * BASE_NS
        baseline = learn(column, longer, calendar.slots(starts), longer_rows >= LEAST_ROWS_TO_LEARN)
        judged = Judged(column=column, baseline=baseline)
        key, share = PartKey(column.summary), 1 / len(flights.columns)
        subjects.append(Subject(key=key, judged=judged, length=length, share=share))
    return Judge(subjects, holidays=holidays)


def notifications(flights: Flights, holidays: Container[date], learned_days: int) -> Iterator[str]:
    """Yield a line for each episode that opens after March."""
    judged = {
        PartKey(column.summary): counts[BEFORE_DAYS * DAY :]
        for column, counts in zip(flights.columns, flights.counts, strict=True)
    }
    judge = judge_of(flights, holidays, (BEFORE_DAYS - learned_days, BEFORE_DAYS))
    start_ns = START_NS + BEFORE_DAYS * DAY * BASE_NS
    for place, (_, verdict) in enumerate(judge.replay(EntityState(), judged, start_ns), start=1):
        if verdict.told.opened:
            end = datetime.fromtimestamp((start_ns + place * BASE_NS) / NS_PER_SECOND, UTC)
            parts = ", ".join(
                f"{event.key.summary} ({event.stream.component})"
                for event in verdict.parts
                if event.change is PartChange.OPENED
            )
            for _ in verdict.told.opened:
                yield f"{end:%a %d %b %H:%M}  {parts}"


def false_episodes(source: Path, seed: int) -> int:
    """Return the number of episodes in 35 days of flights without drift."""
    learned, _ = DRAWN_DAYS
    flights = drawn(source, seed)
    judge = judge_of(flights, (), (0, learned), MONDAY_NS)
    later = {
        PartKey(column.summary): counts[learned * DAY :]
        for column, counts in zip(flights.columns, flights.counts, strict=True)
    }
    steps = judge.replay(EntityState(), later, MONDAY_NS + learned * DAY * BASE_NS)
    return sum(len(verdict.told.opened) for _, verdict in steps)


def main() -> None:
    """Print the notifications and their number in 30 days."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--source", type=Path, default=SOURCE, help="Parquet file of the flights")
    source = parser.parse_args().source
    if not source.exists():
        print(f"not measured: {source} does not exist, give --source")
        return
    for seed in range(3):
        found_again = false_episodes(source, seed)
        print(f"flights drawn again, seed {seed}: {found_again} episodes in 35 days (at most 1)")
    flights = read(source)
    judged_days = DAYS - BEFORE_DAYS
    for learned_days in (BEFORE_DAYS, COLLECTOR_DAYS):
        for name, holidays, most in (("no holidays", (), 1.2), ("holidays given", HOLIDAYS, 1.0)):
            print(f"\nreal flights, {judged_days} days, learned from {learned_days} days, {name}:")
            found = list(notifications(flights, Holidays(holidays), learned_days))
            if learned_days == BEFORE_DAYS:
                print("\n".join(found))
            monthly = 30 * len(found) / judged_days
            print(f"{len(found)} notifications, {monthly:.2f} in 30 days (at most {most:g})")


if __name__ == "__main__":
    main()
