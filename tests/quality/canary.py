"""Tables of verdicts on canaries: false ones without a difference, and delays with one.

    PYTHONPATH=tests python -m quality.canary [--runs 200]

50 features of `quality.alarms` are compared from the candidate's first window on, for two hours. Both sides
serve the same truth: what moves it moves both. Without a baseline, rows are taken as independent.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
from quality.alarms import NUMBERS, WITHOUT_DRIFT, world_of_fifty
from support.judged_windows import DAY, START_NS, Truth, World

from nilometer.alert.calibrated.baseline import Baseline, learn
from nilometer.alert.calibrated.slots import BASE_SECONDS, NS_PER_SECOND, Calendar
from nilometer.alert.calibrated.two_samples import Difference, Outcome, Pair, compared

WINDOWS = 24
SHIFT = 0.5  # standard deviations
LEARNED = 3 * DAY
SIDES = {"500 : 500": (500, 500), "100 : 900": (100, 900), "100 : 100": (100, 100)}


def truth_of(world: World, kind: str, windows: int, rows: int, *, seed: int) -> Truth:
    """What is true of windows of this kind, for both sides."""
    options = WITHOUT_DRIFT[kind]
    return world.truth(
        windows,
        rows,
        seasonal=options.get("seasonal", 0.0),
        overdispersed=options.get("overdispersed", 0.0),
        cluster=int(options.get("cluster", 1)),
        seed=seed,
    )


def baselines_of(world: World, kind: str, rows: int) -> list[Baseline]:
    """What three days of the stable side teach about its noise."""
    truth = truth_of(world, kind, LEARNED, rows, seed=1)
    starts = START_NS + np.arange(LEARNED, dtype=np.int64) * BASE_SECONDS * NS_PER_SECOND
    slots = Calendar(window_seconds=BASE_SECONDS).slots(starts)
    counts = world.counts(truth, 2)
    every = np.ones(LEARNED, bool)
    return [
        learn(column, vectors, slots, every)
        for column, vectors in zip(world.columns, counts, strict=True)
    ]


def run(
    world: World,
    kind: str,
    sides: tuple[int, int],
    seed: int,
    *,
    shift: float = 0.0,
    baselines: list[Baseline] | None = None,
) -> list[Difference]:
    """The outcome of each feature of a candidate that is *shift* away from the stable side."""
    own, other = sides
    truth = truth_of(world, kind, WINDOWS, other, seed=3 * seed)
    stable = world.counts(truth, 3 * seed + 1)
    truth.rows = np.maximum(truth.rows * own // other, 1)
    truth.mean = truth.mean + shift
    candidate = world.counts(truth, 3 * seed + 2)
    known: list[Baseline | None] = [None] * len(world.columns)
    if baselines is not None:
        known = [*baselines]
    share = 1 / len(world.columns)
    return [
        compared(Pair(column=column, stable=ours, candidate=theirs, baseline=baseline, share=share))
        for column, ours, theirs, baseline in zip(
            world.columns, stable, candidate, known, strict=True
        )
    ]


def verdict_of(found: list[Difference]) -> Outcome:
    """The verdict over all features."""
    outcomes = {one.outcome for one in found}
    worst = (Outcome.FAIL, Outcome.HOLD, Outcome.PASS)
    return next(outcome for outcome in worst if outcome in outcomes)


def delays(world: World, kind: str, sides: tuple[int, int], seeds: range) -> list[float]:
    """Windows until a shift of every numeric feature failed; infinite if it did not."""
    return [
        float(one.windows) if one.outcome is Outcome.FAIL else np.inf
        for seed in seeds
        for one in run(world, kind, sides, seed, shift=SHIFT)[:NUMBERS]
    ]


def _lines(world: World, runs: int) -> Iterator[str]:
    yield f"{'without a difference':<22}{'rows':<12}{'noise':<10}{'runs':>5}{'pass':>6}{'hold':>6}{'fail':>6}{'at most':>9}"
    for kind in WITHOUT_DRIFT:
        learned = kind == "clustered rows"
        for name, sides in SIDES.items():
            known = baselines_of(world, kind, sides[1]) if learned else None
            seen = Counter(
                verdict_of(run(world, kind, sides, seed, baselines=known)) for seed in range(runs)
            )
            counts = "".join(
                f"{seen[one]:>6}" for one in (Outcome.PASS, Outcome.HOLD, Outcome.FAIL)
            )
            noise = "learned" if learned else "assumed"
            yield f"{kind:<22}{name:<12}{noise:<10}{runs:>5}{counts}{0:>9}"
    yield f"\n{f'{SHIFT:g} sd apart':<22}{'rows':<12}{'median':>8}{'90 %':>7}{'most':>7}   windows"
    for kind in ("independent", "both"):
        for name, sides in SIDES.items():
            found = delays(world, kind, sides, range(max(runs // 20, 3)))
            median, ninth, most = np.quantile(found, (0.5, 0.9, 1.0), method="higher")
            yield f"{kind:<22}{name:<12}{median:>8g}{ninth:>7g}{most:>7g}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="runs of each kind")
    chosen = parser.parse_args()
    started = time.process_time()
    for line in _lines(world_of_fifty(), chosen.runs):
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
