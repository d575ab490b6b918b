"""Tables of the calibrated alerter on unusual traffic: changed volume, wander, incidents, many or few rows.

    PYTHONPATH=tests python -m quality.traffic [--days 7] [--seeds 5]

The features and the learning span are those of `quality.alarms`. All is seeded.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from quality.alarms import DRIFT_AT, LEARN, NUMBERS, world_of_fifty
from support.judged_windows import BASE_NS, DAY, START_NS, Seen, Truth, World, judge_of, replayed

from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import EntityState
from nilometer.alert.calibrated.parts import PartChange

HOUR = DAY // 24
Change = Callable[[Truth, np.random.Generator], None]


def _volume(truth: Truth, rng: np.random.Generator) -> None:
    """After the learning span, each hour has a tenth to ten times the rows."""
    hours = -(-(len(truth.rows) - LEARN) // HOUR)
    factors = np.repeat(10 ** rng.uniform(-1, 1, hours), HOUR)[: len(truth.rows) - LEARN]
    truth.rows[LEARN:] = np.maximum(truth.rows[LEARN:] * factors, 1).astype(np.int64)


def _wander(truth: Truth, rng: np.random.Generator) -> None:
    """Each day has a mean of its own in each feature, with a standard deviation of .1."""
    days = -(-len(truth.rows) // DAY)
    truth.mean += np.repeat(rng.normal(0, 0.1, (len(truth.mean), days)), DAY, axis=1)[
        :, : len(truth.rows)
    ]


def _incidents(truth: Truth, rng: np.random.Generator) -> None:
    """5 % of the learned windows belong to incidents of an hour, of one deviation in all features."""
    hours = LEARN // HOUR
    for hour in rng.choice(hours, round(0.05 * hours), replace=False):
        truth.mean[:, hour * HOUR : (hour + 1) * HOUR] += 1.0


def _odd_windows(truth: Truth, rng: np.random.Generator) -> None:
    """One window of each day is three deviations off in every feature."""
    for start in range(LEARN, len(truth.rows), DAY):
        truth.mean[:, start + rng.integers(DAY)] += 3.0


WITHOUT_DRIFT: dict[str, Change] = {
    "rows x .1 to x 10": _volume,
    "wander .1 sd a day": _wander,
    "incidents learned": _incidents,
    "odd windows": _odd_windows,
}


def seen(world: World, truth: Truth, seed: int) -> Seen:
    """Return what the alerter says of *truth* after the learning span."""
    counts = world.counts(truth, seed)
    return replayed(world, judge_of(world, counts, LEARN), counts, LEARN)


def false_episodes(world: World, kind: str, days: int, seed: int, rows: int = 500) -> int:
    """Return the number of episodes in *days* days of such traffic without drift."""
    truth = world.truth(LEARN + days * DAY, rows, seed=seed)
    WITHOUT_DRIFT[kind](truth, np.random.default_rng(seed))
    return seen(world, truth, seed + 1).episodes


def delays(world: World, rows: int, step: float, slope: float = 0.0, days: int = 1) -> list[float]:
    """Return the windows until each numeric feature was found; infinite if it was not.

    Args:
        world: Features.
        rows: Mean number of rows of a window.
        step: Shift of the mean at once, in standard deviations.
        slope: Shift for each day after that, in standard deviations.
        days: Days that are judged from the shift on.
    """
    truth = world.truth(DRIFT_AT + days * DAY, rows, seed=3)
    since = np.arange(len(truth.rows) - DRIFT_AT) / DAY
    truth.mean[:NUMBERS, DRIFT_AT:] += step + slope * since
    opened = seen(world, truth, 4).opened
    before = DRIFT_AT - LEARN
    return [
        float(opened[name] - before) if opened.get(name, 0) > before else np.inf
        for name in (f"input.n{place}" for place in range(NUMBERS))
    ]


def told_once(world: World, step: float, windows: int = 200) -> float:
    """Return the share of numeric features that opened once in a drift of *windows* windows."""
    truth = world.truth(DRIFT_AT + windows + DAY, 500, seed=5)
    truth.mean[:NUMBERS, DRIFT_AT : DRIFT_AT + windows] += step
    counts = world.counts(truth, 6)
    later = {
        PartKey(column.summary): vectors[LEARN:]
        for column, vectors in zip(world.columns, counts, strict=True)
    }
    judge = judge_of(world, counts, LEARN)
    opened = Counter(
        event.key.summary
        for _, verdict in judge.replay(EntityState(), later, START_NS + LEARN * BASE_NS)
        for event in verdict.parts
        if event.change is PartChange.OPENED
    )
    return sum(opened[f"input.n{place}"] == 1 for place in range(NUMBERS)) / NUMBERS


def _lines(world: World, days: int, seeds: int) -> Iterator[str]:
    yield f"{'without drift':<20}{'rows':>6}{'entity-days':>13}{'episodes':>10}{'at most':>9}"
    for kind in WITHOUT_DRIFT:
        found = sum(false_episodes(world, kind, days, 2000 + seed) for seed in range(seeds))
        yield f"{kind:<20}{500:>6}{days * seeds:>13}{found:>10}{2:>9}"
    yield f"\n{'drift':<20}{'rows':>6}{'found':>9}{'median':>9}   must"
    for name, rows, step, slope, judged, must in (
        (".09 sd", 50_000, 0.09, 0.0, 2, "never"),
        (".15 sd", 50_000, 0.15, 0.0, 1, "2 windows"),
        (".5 sd", 10, 0.5, 0.0, 2, f"{HOUR * 5 // 2} windows"),
        (".02 sd a day", 500, 0.0, 0.02, 14, f"{8 * DAY} windows"),
    ):
        waits = delays(world, rows, step, slope, judged)
        share = float(np.isfinite(waits).mean())
        median = float(np.quantile(waits, 0.5, method="higher"))
        yield f"{name:<20}{rows:>6}{share:>9.0%}{median:>9g}   {must}"
    for step in (0.25, 0.5):
        yield f"{step:g} sd for 200 windows: one opening in {told_once(world, step):.0%} (at least 95 %)"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--days", type=int, default=7, help="days without drift, of each seed")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each kind without drift")
    chosen = parser.parse_args()
    started = time.process_time()
    for line in _lines(world_of_fifty(), chosen.days, chosen.seeds):
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
