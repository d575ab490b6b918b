"""Labels per second that a store joins with logged predictions, durable and counted once.

Set ``BENCHMARK_PREDICTIONS`` and ``BENCHMARK_LABELS`` to other numbers, such as 10000000 and 1000000,
and ``BENCHMARK_STORES`` to one store.
"""

import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from nilometer.predictions import PredictionRecord
from nilometer.values.clock import NANOSECONDS
from nilometer.values.labels import Labels
from nilometer_collector.access.secret import Secret
from nilometer_collector.demo.postgresql import SETTINGS, programs, running_server
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.truths import Outcome, Truth
from nilometer_collector.store import (
    MOST_ROWS,
    Arrival,
    PredictionRows,
    Shipment,
    Store,
    TruthChunk,
    open_store,
)
from nilometer_collector.testing import ENTITY, START_NS

PREDICTIONS = "BENCHMARK_PREDICTIONS"
LABELS = "BENCHMARK_LABELS"
STORES = "BENCHMARK_STORES"
LEAST = {"sqlite": 20_000.0, "postgresql": 50_000.0}  # labels per second
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB", "autovacuum": "on"}
AT_ONCE = 4000  # predictions of one shipment
DAY_NS = 86_400 * NANOSECONDS  # all predictions are of one day
SEED = 7

DEFINITION = PerformanceDefinition(entity=ENTITY, task="binary", score="score")
VERSIONS = (Labels.of(version="1"), Labels.of(version="2"))


def ids(count: int) -> Iterator[str]:
    """Yield *count* ids like those of requests, 128 random bits."""
    drawn = random.Random(SEED)
    for _ in range(count):
        yield f"{drawn.getrandbits(128):032x}"


def fill(store: Store, count: int) -> None:
    drawn = random.Random(SEED + 1)
    names = ids(count)
    for first in range(0, count, AT_ONCE):
        records = tuple(
            PredictionRecord(
                entity=ENTITY,
                prediction_id=next(names),
                row=0,
                time_ns=START_NS + at * DAY_NS // count,
                labels=VERSIONS[at % 10 == 0],
                outputs={"score": drawn.random()},
            )
            for at in range(first, min(first + AT_ONCE, count))
        )
        number = first // AT_ONCE + 1
        arrivals = [Arrival(sequence=number, content=PredictionRows(records))]
        store.ship(
            Shipment(agent="pod", epoch=b"p" * 16, oldest_held=number, arrivals=arrivals), START_NS
        )


def chunks(count: int, labels: int) -> Iterator[TruthChunk]:
    """Yield *labels* labels of predictions that are spread over the day, in the order of a file."""
    drawn = random.Random(SEED + 2)
    told = (
        Truth(name, 0, "", 0, "01"[drawn.random() < 0.3], 0)
        for at, name in enumerate(ids(count))
        if at % (count // labels) == 0
    )
    number = 0
    while rows := [row for row, _ in zip(told, range(MOST_ROWS), strict=False)]:
        number += 1
        yield TruthChunk(
            entity=ENTITY, source=b"f" * 16, number=number, position=0, rows=rows, refused={}
        )


def joined(store: Store, count: int, labels: int) -> tuple[float, float, Counter[Outcome]]:
    """Return the labels per second, per second of this process' CPU, and by outcome."""
    outcomes: Counter[Outcome] = Counter()
    taken = used = 0.0
    for chunk in chunks(count, labels):
        started, began = time.perf_counter(), time.process_time()
        outcomes += Counter(store.truths.join(chunk, DEFINITION, START_NS + DAY_NS).counts)
        taken += time.perf_counter() - started
        used += time.process_time() - began
    rows = sum(outcomes.values())
    return rows / taken, rows / used, outcomes


def measure(name: str, place: Path | Secret, count: int, labels: int) -> bool:
    with closing(open_store(place, "")) as store:
        started = time.perf_counter()
        fill(store, count)
        filled = count / (time.perf_counter() - started)
        found, of_core, outcomes = joined(store, count, labels)
        windows = store.truths.windows(ENTITY, 0, 1 << 62, 10_000)
    counted = sum(one.labelled for one in windows)
    met = found >= LEAST[name] and counted == outcomes[Outcome.JOINED] == sum(outcomes.values())
    print(
        f"{name:<11} {found:>8.0f} labels/s, {of_core:.0f} a core second of the collector: "
        f"{counted} of {sum(outcomes.values())} labels joined with {count} predictions, which were logged at {filled:.0f} a second: "
        f"{'met' if met else 'MISSED'}",
        flush=True,
    )
    return met


def main() -> int:
    count = int(os.environ.get(PREDICTIONS, "1000000"))
    labels = int(os.environ.get(LABELS, "100000"))
    stores = os.environ.get(STORES, "sqlite postgresql").split()
    fine = True
    if "sqlite" in stores:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "state" / "collector.db"
            fine &= measure("sqlite", place, count, labels)
    found = programs()
    if "postgresql" in stores and found is None:
        print("postgresql: not measured, because its programs or setpriv are not installed")
        return 1
    if "postgresql" in stores and found is not None:
        with running_server(found) as server:
            server.stop()
            server.settings = SETTINGS | DURABLE
            server.start()
            fine &= measure("postgresql", Secret(server.create_database()), count, labels)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
