"""Tables of performance: how often intervals contain the truth, and how good estimates are.

    PYTHONPATH=tests python -m quality.performance [--windows 1000]

The first table draws windows of a known model; all is seeded. The second estimates the performance
of a model of the US census without ground truth.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from support.judged_scores import judged, unjudged

from nilometer.profile.performance import Classification, ExpectedPerformance, binary
from nilometer.profile.performance.classification import METRICS

Floats = NDArray[np.float64]

CENSUS = np.load(Path(__file__).with_name("census_scores.npz"))
ESTIMATED = ("roc_auc", "average_precision", "f1", "accuracy_ratio")


def window(base: float, rows: int, seed: int) -> Classification:
    """Return *rows* of a perfectly calibrated model; *base* is the mean logit of its scores."""
    rng = np.random.default_rng(seed)
    scores = 1.0 / (1.0 + np.exp(-(base + 1.5 * rng.normal(size=rows))))
    return binary(scores, (rng.random(rows) < scores).astype(int).tolist())


def covered(base: float, rows: int, *, windows: int, seed: int) -> dict[str, float]:
    """Return the share of windows whose interval contains the value of two million rows, by metric."""
    truth = Classification.merge_all(window(base, 200_000, seed + at) for at in range(10))
    drawn = [window(base, rows, seed + 10 + at) for at in range(windows)]
    shares = {}
    for metric in METRICS:
        true = truth.estimate(metric)
        assert true is not None
        # The true calibration error of this model is 0; the value of many rows is their noise.
        expected = 0.0 if metric == "calibration_error" else true.value
        found = [one for one in (each.estimate(metric) for each in drawn) if one is not None]
        shares[metric] = float(np.mean([one.low <= expected <= one.high for one in found]))
    return shares


def census() -> dict[str, tuple[float, int, int]]:
    """Return mean absolute error, intervals that miss, and chunks, of the estimates, by metric.

    The reference is the year 2015, the chunks are of 2016 to 2018. `census_scores.npz` has counts of
    shape (2, 2, 162): predicted, true, bin. The data set is NannyML's (Apache-2.0), made from the
    American Community Survey of the US Census Bureau.
    """
    reference = judged(CENSUS["reference"])
    errors: dict[str, list[float]] = {metric: [] for metric in ESTIMATED}
    missed = dict.fromkeys(ESTIMATED, 0)
    for chunk in CENSUS["chunks"]:
        expected = ExpectedPerformance.of(reference, unjudged(chunk)).estimates()
        realised = judged(chunk).estimates()
        for metric in ESTIMATED:
            one, real = expected[metric], realised[metric].value
            errors[metric].append(abs(one.value - real))
            missed[metric] += not one.low <= real <= one.high
    return {
        metric: (float(np.mean(errors[metric])), missed[metric], len(errors[metric]))
        for metric in ESTIMATED
    }


def _rows_of_coverage(windows: int) -> Iterator[str]:
    yield "share of windows whose 95 % interval contains the truth"
    yield f"{'metric':<20}{'mean logit':>11}{'rows':>7}{'share':>9}"
    for base in (0.0, -3.0, -5.0):
        for rows in (200, 1000, 5000):
            for metric, share in covered(base, rows, windows=windows, seed=rows).items():
                yield f"{metric:<20}{base:>11g}{rows:>7}{share:>9.1%}"


def _rows_of_census() -> Iterator[str]:
    yield f"\n{'census, estimated':<20}{'mean error':>11}{'missed':>8}{'chunks':>8}"
    for metric, (error, missed, chunks) in census().items():
        yield f"{metric:<20}{error:>11.5f}{missed:>8}{chunks:>8}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--windows", type=int, default=1000, help="windows of each row")
    chosen = parser.parse_args()
    started = time.process_time()
    for line in _rows_of_coverage(chosen.windows):
        print(line, flush=True)
    for line in _rows_of_census():
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
