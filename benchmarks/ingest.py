"""Feature profiles per second that a store accepts, durable and deduplicated, relative to a COPY.

Set ``BENCHMARK_BEFORE`` to another checkout to measure its stores in the same rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nilometer_collector.demo.postgresql import SETTINGS, Server, programs, running_server

ROUNDS = 3
LEAST = {"sqlite": 10_000.0, "postgresql": 15_000.0}  # profiles per second
LEAST_OF_COPY = 1 / 3  # share of the speed of a COPY of the same bytes
LEAST_OF_BEFORE = 0.9
BEFORE = "BENCHMARK_BEFORE"
# Settings of a fresh installation: durable, with the default memory.
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB", "autovacuum": "on"}
COPIED = 20_000
COPY_CALLS = 20


def measured(place: str, checkout: str = "") -> dict[str, Any]:
    own = dict(os.environ)
    if checkout:
        rooms = ("middleware", "collector")
        own["PYTHONPATH"] = os.pathsep.join(str(Path(checkout) / room) for room in rooms)
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest_child", place],
        env=own,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return found


@contextmanager
def new_place(store: str, server: Server | None) -> Iterator[str]:
    if server is not None and store == "postgresql":
        url = server.create_database()
        yield url
        server.drop_database(url)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "state" / "collector.db")


def bare_copy(server: Server, payload: int) -> float:
    """Return the rows per second of a COPY of equally large rows into a table without indexes.

    The table has no partitions either. Each thousand rows is durable before the next, as a shipment is.
    """
    import psycopg

    url = server.create_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE bare (entity text, series bigint, a bigint, b bigint, c bigint, d bigint, "
            "e bigint, f bigint, g bigint, payload bytea)"
        )
        content = os.urandom(payload)
        start = time.perf_counter()
        for _ in range(COPY_CALLS):
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.set_types(["text", *["int8"] * 8, "bytea"])
                for at in range(COPIED // COPY_CALLS):
                    copy.write_row(("fraud-scorer", 1, 1 << 60, 1 << 60, 1, at, 300, 0, 7, content))
        taken = time.perf_counter() - start
    server.drop_database(url)
    return COPIED / taken


def rounds_of(store: str, server: Server | None) -> bool:
    """Measure *store* in rounds, print its line, and return whether it met its goals."""
    now: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    copied: list[float] = []
    earlier = os.environ.get(BEFORE, "")
    for _ in range(ROUNDS):
        if earlier:
            with new_place(store, server) as place:
                before.append(measured(place, earlier))
        with new_place(store, server) as place:
            now.append(measured(place))
        if server is not None and store == "postgresql":
            copied.append(bare_copy(server, now[-1]["payload"]))
    wall = statistics.median(one["wall"] for one in now)
    line = (
        f"{store:<10} {wall:>10.0f} {statistics.median(one['processor'] for one in now):>14.0f} "
        f"{statistics.median(one['received'] for one in now):>14.0f} "
        f"{statistics.median(one['rolled_up'] for one in now):>11.0f} "
    )
    goals = {f">= {LEAST[store]:.0f}": wall >= LEAST[store]}
    if copied:
        share = wall / statistics.median(copied)
        line += f"  {share:.2f} of a bare COPY"
        goals[f">= {LEAST_OF_COPY:.2f} of COPY"] = share >= LEAST_OF_COPY
    if before:
        share = statistics.median(
            one["wall"] / other["wall"] for one, other in zip(now, before, strict=True)
        )
        line += f"  {share:.2f} of before"
        goals[f">= {LEAST_OF_BEFORE} of before"] = share >= LEAST_OF_BEFORE
    told = ", ".join(f"{goal}: {'met' if met else 'MISSED'}" for goal, met in goals.items())
    print(f"{line}  {told}", flush=True)
    return all(goals.values())


def main() -> int:
    print(
        "profiles per second, shipments of 1,000, one process; on the disk of the temporary files"
    )
    print(
        f"{'store':<10} {'shipped/s':>10} {'per core s':>14} {'calls/core s':>14} {'rolled up/s':>11}"
    )
    fine = rounds_of("sqlite", None)
    folder = programs()
    if folder is None:
        print("postgresql: not measured, because its programs or setpriv are not installed")
        return 1
    with running_server(folder) as server:
        server.stop()
        server.settings = SETTINGS | DURABLE
        server.start()
        fine &= rounds_of("postgresql", server)
    return 0 if fine else 1
