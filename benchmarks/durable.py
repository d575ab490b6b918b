"""Time to store feature profiles durably: the agent's commits, and SQLite alone with the same bytes.

A commit of the agent stores a partial profile of 11 features for each window and label set, and the
progress of the workers. Closing a window stores one row for each feature. The peer inserts the same
payloads into a table of id and payload. It uses transactions of the same size, in WAL mode with
``synchronous=FULL``, but has no checksums, keys, progress or counters.
"""

import itertools
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from benchmarks.pipeline import MINUTE_NS, batches, flat
from nilometer.profile import SummarySample
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels
from nilometer.wire.samples import sample_to_bytes, samples_to_bytes
from nilometer_agent.outbox.buffer import Buffer
from nilometer_agent.outbox.rows import Closing, Delta, NewRow, WindowKey

FEATURES = 11
LABEL_SETS = 100  # label sets per commit
COMMITS = 10  # commits per round
ROUNDS = 5
LEAST_PROFILES = 20_000  # profiles per second
LEAST_RATIO = 0.5

NAMES = (
    "profiles, encoded and committed",
    "the same from their bytes",
    "bare SQLite, the same bytes",
    "closed: a row of the outbox each",
    "bare SQLite, the same rows",
)

Encoded = tuple[WindowKey, bytes]
Commit = list[tuple[WindowKey, list[SummarySample]]]


def commits() -> list[Commit]:
    """Return partial profiles as the engine makes them, each with `FEATURES` features."""
    rng = np.random.default_rng(6)
    packed = batches(flat, 4)
    found = []
    for _ in range(COMMITS):
        taken = []
        for at in range(LABEL_SETS):
            profiling = Profiling("benched", Labels.of(set=str(at)), MINUTE_NS)
            profiling.observe_packed(packed[int(rng.integers(len(packed)))])
            (profile,) = profiling.take()
            key = WindowKey(profile.entity, profile.labels, profile.window)
            taken.append((key, profile.samples()))
        found.append(taken)
    return found


class Bare:
    """A SQLite table of id and payload, without checksums and counters."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "locking_mode=EXCLUSIVE"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, payload BLOB)")

    def commit_each(self, commits: Iterable[Iterable[bytes]]) -> None:
        for payloads in commits:
            self.connection.execute("BEGIN IMMEDIATE")
            rows = ((payload,) for payload in payloads)
            self.connection.executemany("INSERT INTO rows (payload) VALUES (?)", rows)
            self.connection.execute("COMMIT")


def seconds(run: Callable[[], None]) -> tuple[float, float]:
    """Return wall time and CPU time in seconds."""
    started, before = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - started, time.process_time() - before


def in_bytes(taken: list[Commit]) -> tuple[list[list[Encoded]], list[list[list[bytes]]]]:
    """Return the payload of each window, and the payloads of its rows."""
    return (
        [[(key, samples_to_bytes(samples)) for key, samples in one] for one in taken],
        [[[sample_to_bytes(s) for s in samples] for _, samples in one] for one in taken],
    )


def closings_of(one: Commit, payloads: list[list[bytes]]) -> list[Closing]:
    """Return the windows of one commit, each with its rows."""
    return [
        Closing(key, (), [NewRow("sample", payload) for payload in of_window])
        for (key, _), of_window in zip(one, payloads, strict=True)
    ]


def round_of(taken: list[Commit], folder: Path) -> list[tuple[float, float]]:
    """Return the times of one round for each of `NAMES`, each on its own file."""
    encoded, rows = in_bytes(taken)
    buffer = Buffer(folder / "agent.db")
    bare, bare_rows = Bare(folder / "bare.db"), Bare(folder / "rows.db")

    def of_profiles() -> None:
        for at, one in enumerate(taken):
            deltas = [Delta(key, samples_to_bytes(samples)) for key, samples in one]
            buffer.commit_deltas(deltas, {b"w" * 16: at})

    def of_bytes() -> None:
        for at, one in enumerate(encoded):
            deltas = [Delta(key, payload) for key, payload in one]
            buffer.commit_deltas(deltas, {b"v" * 16: at})

    def bare_bytes() -> None:
        bare.commit_each([payload for _, payload in one] for one in encoded)

    def of_rows() -> None:
        for one, payloads in zip(taken, rows, strict=True):
            buffer.close_windows(closings_of(one, payloads), buffer.generation)

    def bare_of_rows() -> None:
        bare_rows.commit_each(itertools.chain.from_iterable(payloads) for payloads in rows)

    found = [seconds(run) for run in (of_profiles, of_bytes, bare_bytes, of_rows, bare_of_rows)]
    buffer.close()
    return found


def main() -> int:
    print(f"{COMMITS} commits of {LABEL_SETS} windows with {FEATURES} features, {ROUNDS} rounds")
    taken = commits()
    profiles = COMMITS * LABEL_SETS * FEATURES
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(round_of(taken, Path(folder)))
    # The best round counts, because other processes on the machine can only add time.
    best = {
        name: (min(wall for wall, _ in found), min(cpu for _, cpu in found))
        for name, found in zip(NAMES, zip(*rounds, strict=True), strict=True)
    }
    print(f"{'feature profiles per second':<44} {'of CPU':>10} {'on the wall':>12}")
    for name, (wall, cpu) in best.items():
        print(f"{name:<44} {profiles / cpu:>10,.0f} {profiles / wall:>12,.0f}")
    whole, ours, bare, _, _ = best.values()
    rate, ratio = profiles / whole[1], bare[0] / ours[0]
    fast, near = rate >= LEAST_PROFILES, ratio >= LEAST_RATIO
    print(
        f"encoded and committed: {rate:,.0f} per second of CPU, at least "
        f"{LEAST_PROFILES:,}: {'met' if fast else 'MISSED'}"
    )
    print(
        f"share of the bare commit's speed, on the wall: {ratio:.2f}, at least {LEAST_RATIO:g}: "
        f"{'met' if near else 'MISSED'}"
    )
    return 0 if fast and near else 1


if __name__ == "__main__":
    sys.exit(main())
