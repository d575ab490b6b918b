"""Size on the wire of one numeric feature in one window, including all its sketches."""

import json
import subprocess
from typing import Any

import numpy as np

from benchmarks.peers import python_of
from nilometer.profile import Bounds, FeatureRecorder, FeatureSpec
from nilometer.profile.bin_sums import BinSums, Rounded
from nilometer.profile.cell_bins import CellBins
from nilometer.wire.contents.feature import feature_to_wire

ROWS = (100, 300, 3_000, 100_000, 1_000_000)
MOST_AT_300, MOST = 750, 950
MOST_SUMS = 130  # bytes of the sums of the prediction by bin
SCORE_BITS = 10  # of a score whose reference has edges from about .1 to .95
AT_ONCE = 1 << 16
SHAPES = ("normal", "lognormal", "gamma")
WHYLOGS = """
import json, sys
import numpy as np, pandas as pd, whylogs as why
sizes = {}
for rows in json.loads(sys.argv[1]):
    values = np.random.default_rng(1).lognormal(size=rows)
    view = why.log(pd.DataFrame({"x": values})).view()
    sizes[rows] = len(view.get_column("x").to_protobuf().SerializeToString())
print(json.dumps(sizes))
"""


def drawn(shape: str, rng: np.random.Generator, rows: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    match shape:
        case "normal":
            return rng.normal(size=rows)
        case "lognormal":
            return rng.lognormal(size=rows)
        case _:
            return rng.gamma(0.3, size=rows)


def bytes_of(shape: str, rows: int, *, reference: bool) -> int:
    """Return the bytes of one feature, with counts on 32 reference bins or by magnitude."""
    rng = np.random.default_rng(rows)
    past = drawn(shape, rng, 100_000)
    bounds = Bounds(
        edges=tuple(np.quantile(past, np.arange(1, 32) / 32).tolist()),
        low=float(past.min()),
        high=float(past.max()),
    )
    recorder = FeatureRecorder(FeatureSpec(bounds=bounds if reference else None, expected="number"))
    recorder.observe(drawn(shape, rng, rows))
    return len(feature_to_wire(recorder.profile()).SerializeToString())


def bytes_of_sums(shape: str, rows: int) -> int:
    """Return the bytes of the sums of a score by 32 bins, and three more, of one feature."""
    rng = np.random.default_rng(rows)
    past, now = drawn(shape, rng, 100_000), drawn(shape, rng, rows)
    bounds = Bounds(edges=tuple(np.quantile(past, np.arange(1, 32) / 32).tolist()))
    bins = CellBins(bounds.edges, None)
    # Half of the score's spread comes from the feature.
    ranks = np.searchsorted(np.sort(past), now) / past.size
    scores = 1 / (1 + np.exp(1.0 - 3.0 * ranks - rng.normal(size=rows)))
    recorder = FeatureRecorder(FeatureSpec(bounds=bounds, expected="number"))
    recorder.observe(now)
    without = len(feature_to_wire(recorder.profile()).SerializeToString())
    for start in range(0, rows, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        rounded = Rounded.of(scores[part], SCORE_BITS)
        recorder.observe_sums(
            "output.score", BinSums.of(bins.bins, bins.places(now[part]), rounded)
        )
    return len(feature_to_wire(recorder.profile()).SerializeToString()) - without


def main() -> int:
    python = python_of("whylogs")
    theirs: dict[str, int] = {}
    if python is not None:
        printed = subprocess.run(
            [python, "-c", WHYLOGS, json.dumps(ROWS)], capture_output=True, text=True, check=True
        )
        theirs = json.loads(printed.stdout.splitlines()[-1])
    print(f"{'rows':>9} {'with reference':>15} {'without':>9} {'whylogs':>9} {'sums':>5}  goal")
    fine = True
    for rows in ROWS:
        counted = max(bytes_of(shape, rows, reference=True) for shape in SHAPES)
        by_magnitude = max(bytes_of(shape, rows, reference=False) for shape in SHAPES)
        sums = max(bytes_of_sums(shape, rows) for shape in SHAPES)
        most = MOST_AT_300 if rows <= 300 else MOST
        met = max(counted, by_magnitude) <= most and sums <= MOST_SUMS
        fine &= met
        print(
            f"{rows:>9} {counted:>15} {by_magnitude:>9} {theirs.get(str(rows), 0):>9} {sums:>5}  "
            f"<= {most}, sums <= {MOST_SUMS}: {'met' if met else 'MISSED'}"
        )
    return 0 if fine else 1
