"""CPU time of the t-digest in batches of 1,000 values, compared with peers and a lower bound."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from nilometer.sketch import TDigest

BATCH = 1000
VALUES = 400_000
ROUNDS = 7
MOST_RATIO = {"fastdigest": 0.30, "datasketches": 0.15, "tdigest": 0.001, "np.sort": 3.0}


def nanoseconds(run: Callable[[], object], values: int, rounds: int = ROUNDS) -> float:
    """Return the median CPU time per value, in nanoseconds."""
    figures = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        figures.append((time.process_time() - start) / values * 1e9)
    return statistics.median(figures)


def main() -> int:
    import datasketches
    import fastdigest
    import tdigest

    values = np.random.default_rng(1).normal(size=VALUES)
    batches = [values[start : start + BATCH].copy() for start in range(0, VALUES, BATCH)]
    lists = [batch.tolist() for batch in batches]

    def ours() -> object:
        digest = TDigest()
        for batch in batches:
            digest.observe(batch)
        return digest.centroids()

    def fast() -> object:
        digest = fastdigest.TDigest(max_centroids=200)
        for batch in lists:
            digest.batch_update(batch)
        return digest

    def sketches() -> object:
        digest = datasketches.tdigest_double(200)
        for batch in batches:
            digest.update(batch)
        return digest

    def python(some: list[list[float]]) -> object:
        digest: Any = tdigest.TDigest()
        for batch in some:
            digest.batch_update(batch)
        return digest

    found = {
        "fastdigest": nanoseconds(fast, VALUES),
        "datasketches": nanoseconds(sketches, VALUES),
        "tdigest": nanoseconds(lambda: python(lists[:3]), 3 * BATCH, 1),
        "np.sort": nanoseconds(lambda: [np.sort(batch) for batch in batches], VALUES),
    }
    mine = nanoseconds(ours, VALUES)
    print(f"t-digest, batches of {BATCH}: {mine:.1f} ns per value")
    print(f"{'peer':<14} {'ns/value':>10} {'ours/its':>10}  goal")
    fine = True
    for peer, theirs in found.items():
        ratio, most = mine / theirs, MOST_RATIO[peer]
        fine &= ratio <= most
        said = "met" if ratio <= most else "MISSED"
        print(f"{peer:<14} {theirs:>10.1f} {ratio:>10.4f}  <= {most:g}: {said}")
    return 0 if fine else 1
