"""A backup of a store of 1 GB while profiles come in: nothing lost, and ingest at least half as fast.

Set ``BENCHMARK_MEGABYTES`` to another size of the store.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

from nilometer_collector.store import Arrival, SampleRow, Shipment, Store, open_store, restore_store
from nilometer_collector.testing import START_NS, feature_sample, minute

MEGABYTES = "BENCHMARK_MEGABYTES"
FILLING_BYTES = 8 << 10  # a large profile
AT_ONCE = 100  # profiles of one shipment
PER_SECOND = 2000  # profiles that agents send
BASE_SECONDS = 5.0
LEAST_SHARE = 0.5  # of the speed without a backup


def shipments(payload: bytes, epoch: bytes) -> Iterator[Shipment]:
    sample = feature_sample([1.0, 2.0])
    for first in count(1, AT_ONCE):
        window = minute(first // AT_ONCE % 100_000)
        row = SampleRow.of(replace(sample, window=window), payload)
        arrivals = [Arrival(sequence=first + at, content=row) for at in range(AT_ONCE)]
        yield Shipment(agent="pod", epoch=epoch, oldest_held=first, arrivals=arrivals)


def stored(store: Store) -> int:
    return sum(series.samples for series in store.samples.series())


def speed(
    store: Store, load: Iterator[Shipment], go_on: Callable[[], bool], *, limit: float | None
) -> float:
    """Ship while *go_on*, at most *limit* profiles a second; return the profiles per second."""
    started, sent = time.perf_counter(), 0
    while go_on():
        store.ship(next(load), START_NS)
        sent += AT_ONCE
        if limit is not None:
            time.sleep(max(sent / limit - (time.perf_counter() - started), 0.0))
    return sent / (time.perf_counter() - started)


def during_backup(
    store: Store, load: Iterator[Shipment], database: Path, target: Path, limit: float | None
) -> tuple[float, float, int]:
    """Return profiles per second during a backup, its seconds, and the rows stored before it."""
    before, started = stored(store), time.perf_counter()
    command = (sys.executable, "-m", "nilometer", "backup", target, "--database", database)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        found = speed(store, load, lambda: process.poll() is None, limit=limit)
    if process.returncode:
        raise RuntimeError(f"the backup ended with {process.returncode}")
    return found, time.perf_counter() - started, before


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def main() -> int:
    size = int(os.environ.get(MEGABYTES, "1000")) * 1_000_000
    fine = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "state" / "collector.db"
        with closing(open_store(database, "")) as store:
            filling = shipments(os.urandom(FILLING_BYTES), b"f" * 16)
            while database.stat().st_size < size:
                store.ship(next(filling), START_NS)
            load = shipments(os.urandom(600), b"l" * 16)
            for title, limit in (("2,000 a second", PER_SECOND), ("as fast as possible", None)):
                alone = speed(store, load, for_seconds(BASE_SECONDS), limit=limit)
                target = folder / "backup"
                there, seconds, before = during_backup(store, load, database, target, limit)
                restored = folder / "restored" / "collector.db"
                restore_store(target, restored, lambda: None, replace=False)
                with closing(open_store(restored, "")) as copy:
                    held = stored(copy)
                for path in (target, restored):
                    path.unlink()
                met = held >= before and there >= LEAST_SHARE * alone
                fine &= met
                log = Path(f"{database}-wal").stat().st_size
                print(
                    f"{title:<20} {alone:>7.0f} profiles/s alone, {there:>7.0f} during a backup of "
                    f"{database.stat().st_size / 1e6:.0f} MB in {seconds:.1f} s; {held - before} more "
                    f"rows than before; log {log / 1e6:.0f} MB: {'met' if met else 'MISSED'}",
                    flush=True,
                )
    return 0 if fine else 1
