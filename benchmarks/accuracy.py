"""Rank errors of the t-digest after 10,000 merges, on six distributions and on real flights."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from nilometer.sketch import TDigest
from nilometer.wire.sketches.tdigest import digest_from_wire, digest_to_wire

Floats = np.ndarray[Any, np.dtype[np.float64]]

ROWS = 1_000_000
PARTS = 10_000
MIDDLE = np.linspace(0.01, 0.99, 393)
TAILS = np.array([0.001, 0.999])
MOST_MIDDLE, MOST_TAIL = 0.001, 0.0005
FLIGHTS = Path(__file__).resolve().parent.parent / "examples" / "flights" / "data"


def shapes() -> dict[str, Floats]:
    """Return values of six distributions, and each numeric column of the flights, by name."""
    rng = np.random.default_rng(17)
    found = {
        "normal": rng.normal(size=ROWS),
        "lognormal": rng.lognormal(size=ROWS),
        "gamma .3": rng.gamma(0.3, size=ROWS),
        "Poisson 3": rng.poisson(3.0, ROWS).astype(np.float64),
        "bimodal": rng.normal(size=ROWS) + np.where(rng.random(ROWS) < 0.5, -2.0, 2.0),
        "60 % zeros": np.where(rng.random(ROWS) < 0.6, 0.0, rng.lognormal(size=ROWS)),
    }
    for path in sorted(FLIGHTS.glob("*.parquet")):
        table = pq.read_table(path)
        for name in table.column_names:
            column = table.column(name).drop_null()
            kind = str(column.type)
            if len(column) > PARTS and kind.startswith(("int", "double", "float")):
                label = f"flights {name.partition('.')[2] or name}"
                found.setdefault(label, column.to_numpy().astype(np.float64))
    return found


def error(ordered: Floats, digest: TDigest, shares: Floats) -> float:
    """Return the largest rank error of the digest's quantiles."""
    values = digest.quantile(shares)
    below = ordered.searchsorted(values, "left") / ordered.size
    up_to = ordered.searchsorted(values, "right") / ordered.size
    return float(np.maximum(np.maximum(below - shares, shares - up_to), 0.0).max())


def digests(values: Floats) -> dict[str, TDigest]:
    """Return a digest of all values, and two digests that are merged from parts."""
    count = min(PARTS, values.size // 50)
    parts = [
        digest_from_wire(digest_to_wire(TDigest.of(part))) for part in np.array_split(values, count)
    ]
    hours = [TDigest.merge_all(parts[at : at + 12]) for at in range(0, len(parts), 12)]
    days = [TDigest.merge_all(hours[at : at + 24]) for at in range(0, len(hours), 24)]
    return {
        "whole": TDigest.of(values),
        f"{count} parts": TDigest.merge_all(parts),
        "rolled up": TDigest.merge_all(days),
    }


def main() -> int:
    print(f"t-digest, largest rank error: {MIDDLE.size} shares of .01 to .99, and .001 and .999")
    print(
        f"{'column':<22} {'way':<12} {'middle':>8} {'tails':>8}  goals {MOST_MIDDLE}, {MOST_TAIL}"
    )
    fine = True
    for name, values in shapes().items():
        ordered = np.sort(values)
        for way, digest in digests(values).items():
            middle, tails = error(ordered, digest, MIDDLE), error(ordered, digest, TAILS)
            met = middle <= MOST_MIDDLE and tails <= MOST_TAIL
            fine &= met
            said = "met" if met else "MISSED"
            print(f"{name:<22} {way:<12} {middle:>8.5f} {tails:>8.5f}  {said}")
    return 0 if fine else 1
