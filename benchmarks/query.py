"""CPU time of queries to the collector's store, as the HTTP API answers them.

Samples and roll-ups are queried. Peers are PostgreSQL's `tdigest` extension with digests of the
same windows, if it is installed (Debian's postgresql-15-tdigest), and the same query with 1, 10 and
100 times the history.
"""

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from nilometer.profile import Content, Coverage, FeatureRecorder, SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.clock import NANOSECONDS, SystemClock
from nilometer.values.labels import LabelFilter, Labels
from nilometer.values.window import Window
from nilometer.wire.samples import sample_to_bytes
from nilometer_collector.api.points import page_view
from nilometer_collector.counters import Counters
from nilometer_collector.demo.postgresql import programs, running_server
from nilometer_collector.limits.bounds import LAST_NS
from nilometer_collector.query.query import Query
from nilometer_collector.query.series_records import Measures, Selection, SeriesQuestion
from nilometer_collector.rollups.worker import RollUpWorker
from nilometer_collector.store import (
    LEVELS,
    ROLLED_UP,
    Arrival,
    Level,
    SampleRow,
    Shipment,
    Store,
    open_store,
)

DAY_NS = 86_400 * NANOSECONDS
HOUR_NS = 3600 * NANOSECONDS
WINDOW_NS = 300 * NANOSECONDS
START_NS = 19_675 * DAY_NS
DAYS, PODS = 30, 4  # 34,560 samples
ROWS = 2000
FEATURES, HEAT_DAYS = 50, 7
ENTITIES = 200
ROUNDS = 5
BATCH = 5000  # rows of one shipment
GOALS = {
    "30 days of 4 pods, from samples": 300.0,
    "30 days of 4 pods, from roll-ups": 20.0,
    "heat map, 50 features x 7 days x 1 h": 300.0,
    "list of 200 entities x 50 features": 100.0,
}
MOST_GROWTH = 1.5  # of the time for one day, when the store holds a hundred times as much


def contents(count: int, rows: int) -> Sequence[Content]:
    rng = np.random.default_rng(8)
    made = []
    for _ in range(count):
        recorder = FeatureRecorder()
        recorder.observe(rng.lognormal(size=rows))
        made.append(recorder.profile())
    return made


def ship(store: Store, samples: Iterator[SummarySample]) -> None:
    """Store *samples* as rows of an agent; equal contents are encoded only once."""
    known: dict[int, bytes] = {}
    rows: list[Arrival] = []

    def send() -> None:
        shipment = Shipment(agent="pod", epoch=b"e" * 16, oldest_held=0, arrivals=rows)
        store.ship(shipment, START_NS + DAYS * DAY_NS)

    for sequence, sample in enumerate(samples, 1):
        payload = known.get(id(sample.content)) or sample_to_bytes(sample)
        known[id(sample.content)] = payload
        rows.append(Arrival(sequence=sequence, content=SampleRow.of(sample, payload)))
        if len(rows) == BATCH:
            send()
            rows = []
    send()


def windows(
    entity: str, summary: str, held: Sequence[Content], length_ns: int, count: int, pods: int = 1
) -> Iterator[SummarySample]:
    for number in range(count):
        start = START_NS + number * length_ns
        for pod in range(pods):
            yield SummarySample(
                entity=entity,
                summary=summary,
                labels=Labels(),
                window=Window(start, start + length_ns),
                coverage=Coverage(profiled=ROWS),
                content=held[(number * pods + pod) % len(held)],
            )


def roll_up(store: Store) -> None:
    clock = SteppedClock()
    worker = RollUpWorker(store, dict.fromkeys(LEVELS, 10_000 * DAY_NS), clock, Counters())
    for days, _ in enumerate(ROLLED_UP, 2 * DAYS):  # a level is due after the finer one
        clock.wall_ns = START_NS + days * DAY_NS
        while worker.roll_up():
            pass


def milliseconds(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the median CPU time of *run* in this process, in milliseconds."""
    figures = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        figures.append((time.process_time() - start) * 1000)
    return statistics.median(figures)


def asked(
    query: Query,
    entity: str,
    summary: str,
    start_ns: int = 0,
    step_ns: int | None = None,
    coarsest: Level = LEVELS[-1],
) -> Callable[[], int]:
    """Return a function that answers a query for quantiles as JSON, and counts its points."""
    question = SeriesQuestion(
        selection=Selection(
            entity=entity,
            summaries=(summary,),
            labels=LabelFilter(),
            start_ns=start_ns,
            end_ns=LAST_NS,
        ),
        step_ns=step_ns,
        measures=Measures(quantiles=(0.5, 0.99)),
        coarsest=coarsest,
    )

    def run() -> int:
        page = page_view(question, query.series(question))
        msgspec.json.encode(page)
        return sum(len(series.points) for series in page.series)

    return run


@contextmanager
def opened(folder: Path, name: str) -> Iterator[Store]:
    store = open_store(folder / f"{name}.db", "")
    try:
        yield store
    finally:
        store.close()


def a_month(folder: Path) -> dict[str, float]:
    """Measure 30 days of 5-minute windows from 4 pods."""
    count = DAYS * DAY_NS // WINDOW_NS
    with opened(folder, "month") as store:
        ship(store, windows("benched", "input.x", contents(100, ROWS), WINDOW_NS, count, PODS))
        query = Query(store, SystemClock())
        shipped = asked(query, "benched", "input.x", coarsest=Level.SHIPPED)
        roll_up(store)
        return {
            "30 days of 4 pods, from samples": milliseconds(shipped),
            "30 days of 4 pods, from roll-ups": milliseconds(asked(query, "benched", "input.x")),
        }


def a_heat_map(folder: Path) -> dict[str, float]:
    held = contents(100, ROWS)
    count = HEAT_DAYS * DAY_NS // HOUR_NS
    names = [f"input.f{number:02}" for number in range(FEATURES)]
    with opened(folder, "heat") as store:
        ship(store, (one for n in names for one in windows("heat", n, held, HOUR_NS, count)))
        roll_up(store)
        run = asked(Query(store, SystemClock()), "heat", "input.*", step_ns=HOUR_NS)
        assert run() == FEATURES * count
        return {"heat map, 50 features x 7 days x 1 h": milliseconds(run)}


def a_list(folder: Path) -> dict[str, float]:
    """Measure a list, which reads statistics of series and no windows."""
    held = contents(1, 20)
    with opened(folder, "list") as store:
        ship(
            store,
            (
                one
                for entity in range(ENTITIES)
                for feature in range(FEATURES)
                for one in windows(f"entity-{entity:03}", f"input.f{feature:02}", held, DAY_NS, 1)
            ),
        )
        query = Query(store, SystemClock())
        assert len(query.entities().entities) == ENTITIES
        return {"list of 200 entities x 50 features": milliseconds(query.entities)}


def growth(folder: Path) -> list[tuple[int, float]]:
    """Measure a query for the newest day, with 1, 10 and 100 days of history."""
    held, found = contents(20, 200), []
    hours = 24
    for times in (1, 10, 100):
        count = times * hours * HOUR_NS // WINDOW_NS
        with opened(folder, f"grown-{times}") as store:
            ship(store, windows("grown", "input.x", held, WINDOW_NS, count))
            start = START_NS + count * WINDOW_NS - hours * HOUR_NS
            run = asked(Query(store, SystemClock()), "grown", "input.x", start, WINDOW_NS)
            assert run() == hours * HOUR_NS // WINDOW_NS
            found.append((times, milliseconds(run)))
    return found


def of_the_extension() -> float | None:
    """Return the milliseconds of PostgreSQL's extension for the same number of digests.

    None without the extension, or without the server's programs.
    """
    folder = programs()
    if folder is None:
        return None
    samples = DAYS * DAY_NS // WINDOW_NS * PODS
    with running_server(folder) as server:
        if not server.run("SELECT 1 FROM pg_available_extensions WHERE name = 'tdigest'"):
            return None
        server.run("CREATE EXTENSION tdigest")
        server.run("CREATE TABLE windows (number int, digest tdigest)")
        server.run(
            f"INSERT INTO windows SELECT n, tdigest(exp(sqrt(-2 * ln(1 - random())) "
            f"* cos(2 * pi() * random())), 100) FROM generate_series(1, {samples}) n, "
            f"generate_series(1, {ROWS // 10}) GROUP BY n"
        )
        asking = (
            "EXPLAIN (ANALYZE, TIMING OFF) SELECT tdigest_percentile(digest, ARRAY[0.5, 0.99]) "
            "FROM windows"
        )
        times = []
        for _ in range(ROUNDS):
            lines = server.run(asking).splitlines()
            last = next(line for line in lines if line.startswith("Execution Time"))
            times.append(float(last.split()[2]))
    return statistics.median(times)


def main() -> int:
    fine = True
    gc.collect()
    gc.freeze()  # as `nilometer collector` does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {**a_month(folder), **a_heat_map(folder), **a_list(folder)}
        grown = growth(folder)
    print("queries with their JSON, CPU ms")
    for what, figure in found.items():
        met = figure <= GOALS[what]
        fine &= met
        print(f"  {what}: {figure:.1f}  <= {GOALS[what]:g}: {'met' if met else 'MISSED'}")
    (_, first), *rest = grown
    for times, figure in rest:
        met = figure <= MOST_GROWTH * first
        fine &= met
        print(
            f"  one day out of {times} times the history: {figure / first:.2f} of the time  "
            f"<= {MOST_GROWTH:g}: {'met' if met else 'MISSED'}"
        )
    theirs = of_the_extension()
    if theirs is None:
        print(
            "  PostgreSQL's tdigest: not measured: install postgresql-15 and postgresql-15-tdigest"
        )
    else:
        ours = found["30 days of 4 pods, from samples"]
        print(
            f"  PostgreSQL's tdigest over as many windows: {theirs:.0f}; ours is {ours / theirs:.2f}"
        )
    return 0 if fine else 1
