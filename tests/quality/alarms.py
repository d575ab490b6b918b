"""Tables of the calibrated alerter: false alarms without drift, and delays with one.

    PYTHONPATH=tests python -m quality.alarms [--days 7] [--seeds 5] [--rows 100 500 2000]

50 features are judged: 40 numbers of eight shapes and 10 categories of 2 to 1,000 names. Each learns
from seven days of weekdays. All is seeded.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from support.judged_windows import (
    BASE_NS,
    DAY,
    MISSING,
    SHAPES,
    START_NS,
    Truth,
    World,
    judge_of,
    replayed,
)

from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import EntityState

NUMBERS = 40
SIZES = (2, 3, 5, 8, 12, 20, 40, 100, 300, 1000)
LEARN = 7 * DAY
DRIFT_AT = LEARN + 172  # window at which a drift begins

WITHOUT_DRIFT: dict[str, dict[str, float]] = {
    "independent": {},
    "over-dispersed": {"overdispersed": 0.05},
    "seasonal": {"seasonal": 0.3},
    "both": {"seasonal": 0.3, "overdispersed": 0.05},
    "clustered rows": {"cluster": 5},
}


def _mean(size: float) -> Callable[[Truth], None]:
    def change(truth: Truth) -> None:
        truth.mean[:NUMBERS, DRIFT_AT:] += size

    return change


def _variance(factor: float) -> Callable[[Truth], None]:
    def change(truth: Truth) -> None:
        truth.deviation[:NUMBERS, DRIFT_AT:] *= factor**0.5

    return change


def _missing(truth: Truth) -> None:
    truth.missing[:NUMBERS, DRIFT_AT:] += 0.05


def _share(truth: Truth) -> None:
    truth.fixed[NUMBERS:, :DRIFT_AT] = 0.05
    truth.fixed[NUMBERS:, DRIFT_AT:] = 0.08


DRIFTS: dict[str, Callable[[Truth], None]] = {
    "mean + .25 sd": _mean(0.25),
    "mean + .5 sd": _mean(0.5),
    "variance x 1.5": _variance(1.5),
    "missing + 5 %": _missing,
    "share 5 to 8 %": _share,
}


def judged_features(drift: str) -> list[str]:
    """The features that *drift* changes."""
    if drift.startswith("share"):
        return [f"input.c{i}" for i, size in enumerate(SIZES) if size >= 5]
    return [f"input.n{i}" for i in range(NUMBERS)]


def false_episodes(world: World, kind: str, rows: int, days: int, seed: int) -> int:
    """Episodes in *days* days without drift, after seven days of learning."""
    options = WITHOUT_DRIFT[kind]
    truth = world.truth(
        LEARN + days * DAY,
        rows,
        seasonal=options.get("seasonal", 0.0),
        overdispersed=options.get("overdispersed", 0.0),
        cluster=int(options.get("cluster", 1)),
        seed=seed,
    )
    counts = world.counts(truth, seed + 1)
    return replayed(world, judge_of(world, counts, LEARN), counts, LEARN).episodes


@dataclass(frozen=True)
class Delays:
    """When a drift of many features was found.

    Attributes:
        found: Share of the features, over all seeds, that were found within a day.
        median: Windows from the drift to the alarm; infinite if fewer than half were found.
        ninth: The same for nine tenths of the features.
        episodes: Most messages about it: one, or a few where features were found much later.
    """

    found: float
    median: float
    ninth: float
    episodes: int


def delays(
    world: World, drift: str, rows: int, *, both: bool, seeds: tuple[int, ...] = (7,)
) -> Delays:
    """Delays of *drift* in streams that are independent, or seasonal and over-dispersed."""
    swing, extra = (0.3, 0.05) if both else (0.0, 0.0)
    before = DRIFT_AT - LEARN
    waits: list[float] = []
    episodes = []
    for seed in seeds:
        truth = world.truth(DRIFT_AT + DAY, rows, seasonal=swing, overdispersed=extra, seed=seed)
        DRIFTS[drift](truth)
        counts = world.counts(truth, seed + 1)
        seen = replayed(world, judge_of(world, counts, LEARN), counts, LEARN)
        opened = {name: at - before for name, at in seen.opened.items() if at > before}
        waits += [opened.get(name, np.inf) for name in judged_features(drift)]
        episodes.append(seen.episodes)
    median, ninth = np.quantile(waits, (0.5, 0.9), method="higher")
    found = float(np.isfinite(waits).mean())
    return Delays(found, float(median), float(ninth), max(episodes))


def world_of_fifty() -> World:
    """The features of the tables."""
    return World(NUMBERS, SIZES)


def _rows_without_drift(world: World, rows: list[int], days: int, seeds: int) -> Iterator[str]:
    yield f"{'without drift':<18}{'rows':>6}{'entity-days':>13}{'episodes':>10}{'at most':>9}"
    for kind in WITHOUT_DRIFT:
        for count in rows:
            found = sum(false_episodes(world, kind, count, days, 1000 + s) for s in range(seeds))
            yield f"{kind:<18}{count:>6}{days * seeds:>13}{found:>10}{2:>9}"


def _rows_of_delays(world: World, rows: list[int]) -> Iterator[str]:
    yield f"\n{'drift':<18}{'rows':>6}  {'streams':<13}{'found':>7}{'median':>8}{'90 %':>7}{'told':>6}"
    for both in (False, True):
        streams = "both" if both else "independent"
        for count in rows:
            for drift in DRIFTS:
                seen = delays(world, drift, count, both=both, seeds=(7, 17, 27))
                yield (
                    f"{drift:<18}{count:>6}  {streams:<13}{seen.found:>7.0%}"
                    f"{seen.median:>8g}{seen.ninth:>7g}{seen.episodes:>6}"
                )


def _cost(world: World) -> Iterator[str]:
    """Time of one window by the steps of a collector, and the size of the evidence."""
    truth = world.truth(LEARN + DAY, 500, seasonal=0.3, overdispersed=0.05, seed=3)
    counts = world.counts(truth, 4)
    judge = judge_of(world, counts, LEARN)
    keys = [PartKey(column.summary) for column in world.columns]
    windows = [
        {key: vectors[place] for key, vectors in zip(keys, counts, strict=True)}
        for place in range(LEARN, LEARN + DAY)
    ]
    taken = []
    state = EntityState()
    for _ in range(5):
        state, started = EntityState(), time.process_time()
        for place, window in enumerate(windows, start=1):
            state, _ = judge.advance(state, window, START_NS + (LEARN + place) * BASE_NS)
        taken.append((time.process_time() - started) / len(windows))
    evidence = [model.evidence for model in state.models.values()]
    size = sum(one.m.nbytes + one.windows.nbytes + one.since_ns.nbytes for one in evidence)
    streams = sum(len(one.m) for one in evidence)
    yield (
        f"\nevaluation: {1000 * min(taken):.2f} ms a window (at most 0.5), evidence: {size / 1000:.0f} "
        f"KB (at most 50) of {streams} streams"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--days", type=int, default=7, help="days without drift, of each seed")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each kind without drift")
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 500, 2000], help="of a window")
    chosen = parser.parse_args()
    started = time.process_time()
    world = world_of_fifty()
    shapes = ", ".join(SHAPES)
    print(f"{world.features} features: {shapes}; missing {max(MISSING):.0%} at most\n")
    for line in _rows_without_drift(world, chosen.rows, chosen.days, chosen.seeds):
        print(line, flush=True)
    for line in _rows_of_delays(world, chosen.rows):
        print(line, flush=True)
    for line in _cost(world):
        print(line)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
