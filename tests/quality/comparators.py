"""Tables of the comparators: what windows without drift show, and how often PSI alone would alert.

    PYTHONPATH=tests python -m quality.comparators [--windows 20000]

Both sides are drawn from one distribution. All is seeded.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nilometer.compare import COMPARATORS, CommonBins, Counted, Sides
from nilometer.compare.psi import debiased_psi
from nilometer.profile import FeatureProfile

Floats = NDArray[np.float64]

THRESHOLD = 0.25  # nats, the usual sign of a large change
SHAPES: dict[str, Callable[[int], Floats]] = {
    "equal": lambda bins: np.full(bins, 1 / bins),
    "long tail": lambda bins: _scaled(1 / np.arange(1, bins + 1) ** 1.3),
    "one of 60 %": lambda bins: np.concatenate([[0.6], np.full(bins - 1, 0.4 / (bins - 1))]),
}
OF_BINS = tuple(
    name
    for name, one in COMPARATORS.items()
    if not name.endswith("_change")
    and name not in {"wasserstein", "energy"}
    and one.counted is Counted.VALUES
)


def _scaled(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum())


def psi_above(
    shape: str, bins: int, reference: int, rows: int, *, windows: int, seed: int
) -> float:
    """Share of windows without drift whose PSI exceeds `THRESHOLD`, each with its own reference."""
    rng = np.random.default_rng(seed)
    shares = SHAPES[shape](bins)
    above = 0
    for _ in range(windows):
        sides = rng.multinomial(reference, shares), rng.multinomial(rows, shares)
        above += debiased_psi(*sides, ordered=True) > THRESHOLD
    return above / windows


def without_drift(
    name: str, bins: int, reference: int, rows: int, *, windows: int, seed: int
) -> tuple[float, float, float]:
    """Mean distance of windows without drift, its stated noise, and what one in a hundred exceeds."""
    rng = np.random.default_rng(seed)
    comparator = COMPARATORS[name]
    shares = SHAPES["equal"](bins)
    empty = FeatureProfile()
    found, noise = [], []
    for _ in range(windows):
        sides = Sides(
            bins=CommonBins(
                reference=_counts(rng.multinomial(reference, shares)),
                current=_counts(rng.multinomial(rows, shares)),
                names=[""] * bins,
                ordered=True,
            ),
            past=empty,
            now=empty,
        )
        value = comparator.distance(sides)
        assert value is not None
        found.append(value)
        noise.append(comparator.noise(sides))
    return float(np.mean(found)), float(np.mean(noise)), float(np.quantile(found, 0.99))


def _counts(drawn: ArrayLike) -> list[float]:
    return [float(count) for count in np.asarray(drawn)]


def _rows_of_psi(windows: int) -> Iterator[str]:
    yield f"{'psi over .25':<14}{'bins':>6}{'reference':>11}{'rows':>7}{'share':>10}"
    for shape in SHAPES:
        for bins in (10, 32, 64):
            for reference, rows in ((20_000, 100), (20_000, 300), (300, 300), (100, 1000)):
                share = psi_above(shape, bins, reference, rows, windows=windows, seed=bins + rows)
                yield f"{shape:<14}{bins:>6}{reference:>11}{rows:>7}{share:>10.3%}"


def _rows_of_noise(windows: int) -> Iterator[str]:
    yield f"\n{'without drift':<20}{'bins':>6}{'rows':>7}{'mean':>9}{'stated':>9}{'99 %':>9}"
    for name in OF_BINS:
        for bins, rows in ((32, 100), (32, 1000), (64, 1000)):
            mean, noise, high = without_drift(name, bins, 20_000, rows, windows=windows, seed=rows)
            yield f"{name:<20}{bins:>6}{rows:>7}{mean:>9.4f}{noise:>9.4f}{high:>9.4f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--windows", type=int, default=20_000, help="windows of each row of PSI")
    chosen = parser.parse_args()
    started = time.process_time()
    for line in _rows_of_psi(chosen.windows):
        print(line, flush=True)
    for line in _rows_of_noise(max(chosen.windows // 20, 100)):
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
