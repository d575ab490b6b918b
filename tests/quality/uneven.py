"""Tables of the calibrated alerter where rows are not alike: heavy users, large requests, a first week, segments.

    PYTHONPATH=tests python -m quality.uneven [--days 7] [--seeds 5]

The features are those of `quality.alarms`. All is seeded.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
from quality.alarms import DRIFT_AT, LEARN, NUMBERS, world_of_fifty
from quality.traffic import HOUR
from support.judged_windows import BASE_NS, DAY, START_NS, Truth, World, judge_of, replayed

from nilometer.alert.calibrated.columns import Floats, Total
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import EntityState, Judge
from nilometer.alert.calibrated.life_cycle import COARSE_DAYS, COARSE_FACTOR, has_moved
from nilometer.alert.calibrated.slots import BASE_SECONDS, NS_PER_SECOND, Calendar, Slots
from nilometer.alert.calibrated.tolerance import DEFAULT

USERS = 40  # heavy users at a time
OWN = 0.8  # share of the variance of a row that its user has
LEAVING = 0.1  # share of the users that another one replaces in the next window
SEGMENTS = 20
FIRST_DAYS = 14  # days of a first week, and of the one after it
WEEK_STARTS = START_NS + np.arange(7 * 24, dtype=np.int64) * 3600 * NS_PER_SECOND


def of_heavy_users(world: World, windows: int, seed: int, rows: int = 500) -> list[Floats]:
    """Return counts of windows in which forty users send all rows, each of its own kind.

    The number of cells of each user is known to the judge. Agents do not send it yet.
    """
    rng = np.random.default_rng(seed)
    values = np.zeros((USERS, world.features, windows))
    weights = np.zeros((windows, USERS))
    value, weight = rng.normal(size=(USERS, world.features)), rng.lognormal(0, 1, USERS)
    for window in range(windows):
        left = rng.random(USERS) < LEAVING
        value[left] = rng.normal(size=(int(left.sum()), world.features))
        weight[left] = rng.lognormal(0, 1, int(left.sum()))
        values[:, :, window], weights[window] = value, weight / weight.sum()
    sent = rng.multinomial(rows, weights)
    total = [np.zeros((windows, column.width)) for column in world.columns]
    for user in range(USERS):
        truth = world.truth(windows, rows)
        truth.rows = sent[:, user]
        truth.mean = np.sqrt(OWN) * values[user]
        truth.deviation *= np.sqrt(1 - OWN)
        for sums, own in zip(total, world.counts(truth, seed + 1 + user), strict=True):
            np.add(sums, own, out=sums)
            cells = own[:, own.shape[1] - len(Total) + Total.CELLS]
            sums[:, sums.shape[1] - len(Total) + Total.SQUARES] += cells**2
    return total


def without_subjects(counts: list[Floats]) -> list[Floats]:
    """Return *counts* as they are where nothing says which rows are of one user."""
    for one in counts:
        one[:, one.shape[1] - len(Total) + Total.SQUARES] = 0.0
    return counts


def of_large_requests(world: World, windows: int, seed: int, rows: int = 500) -> list[Floats]:
    """Return counts in which, after the learning span, requests of some hours have five equal rows."""
    alone = world.counts(world.truth(windows, rows, seed=seed), seed + 1)
    five = world.counts(world.truth(windows, rows * 5, cluster=5, seed=seed), seed + 2)
    hours = np.random.default_rng(seed).random(-(-windows // HOUR)) < 0.5
    large = np.repeat(hours, HOUR)[:windows] & (np.arange(windows) >= LEARN)
    for one in five:
        one[:, one.shape[1] - len(Total) + Total.REQUESTS] /= 5
    return [np.where(large[:, None], b, a) for a, b in zip(alone, five, strict=True)]


def episodes(world: World, counts: list[Floats]) -> int:
    """Return the number of episodes in *counts* after the learning span."""
    return replayed(world, judge_of(world, counts, LEARN), counts, LEARN).episodes


def with_swing(world: World, swing: str, seed: int, rows: int = 500) -> list[Floats]:
    """Return the counts of the first days of traffic, from a Monday on, with a swing of .3.

    Args:
        world: Features.
        swing: `day`, `week` (numbers), or `week, shares` (categories, too, whose odds change up to
            1.8-fold).
        seed: Seed.
        rows: Rows of a window.
    """
    windows = FIRST_DAYS * DAY
    truth = world.truth(windows, rows, seasonal=0.3 if swing == "day" else 0.0, seed=seed)
    if swing.startswith("week"):
        sign = np.random.default_rng(seed).choice([-1.0, 1.0], (world.features, 1))
        moved = world.features if "shares" in swing else NUMBERS
        truth.mean[:moved] += 0.3 * sign[:moved] * (np.arange(windows) // DAY % 7 >= 5)
    return world.counts(truth, seed + 1)


def first_episodes(world: World, counts: list[Floats]) -> int:
    """Return the episodes in the first days, with baselines that learn anew each day."""
    state, before, found = EntityState(), None, 0
    slots = Calendar(window_seconds=BASE_SECONDS).slots(WEEK_STARTS)
    for day in range(1, FIRST_DAYS):
        factor = COARSE_FACTOR if day < COARSE_DAYS else 1.0
        judge = judge_of(world, counts, day * DAY, factor=factor)
        start_ns = START_NS + day * DAY * BASE_NS
        if before is not None:
            reset = [
                PartKey(column.summary)
                for column in world.columns
                if _is_reset(before, judge, PartKey(column.summary), slots)
            ]
            state, verdict = judge.carried(state, before, reset, start_ns)
            found += len(verdict.told.opened)
        today = {
            PartKey(column.summary): vectors[day * DAY : (day + 1) * DAY]
            for column, vectors in zip(world.columns, counts, strict=True)
        }
        for after, verdict in judge.replay(state, today, start_ns):
            state = after
            found += len(verdict.told.opened)
        before = judge
    return found


def _is_reset(before: Judge, after: Judge, key: PartKey, slots: Slots) -> bool:
    if before.lengths[key] != after.lengths[key]:
        return True
    return has_moved(before.judged(key).baseline, after.judged(key).baseline, slots, DEFAULT)


def segment_delays(world: World, step: float, seed: int, rows: int = 100) -> list[float]:
    """Return the windows until a shift in one of twenty segments was found, in each number.

    The segment has a fortieth of the budget of its summary, as if forty judges shared it.
    """
    truth: Truth = world.truth(DRIFT_AT + DAY, rows, seed=seed)
    truth.mean[:NUMBERS, DRIFT_AT:] += step
    counts = world.counts(truth, seed + 1)
    judge = judge_of(world, counts, LEARN, agents=2 * SEGMENTS)
    opened, before = replayed(world, judge, counts, LEARN).opened, DRIFT_AT - LEARN
    names = (f"input.n{place}" for place in range(NUMBERS))
    found = (opened.get(name, 0) - before for name in names)
    return [float(one) if one > 0 else np.inf for one in found]


def _lines(world: World, days: int, seeds: int) -> Iterator[str]:
    yield f"{'without drift':<34}{'entity-days':>12}{'episodes':>10}{'at most':>9}"
    windows, span = LEARN + days * DAY, days * seeds
    users = [of_heavy_users(world, windows, 3000 + 100 * seed) for seed in range(seeds)]
    found = sum(episodes(world, counts) for counts in users)
    yield f"{'heavy users, known':<34}{span:>12}{found:>10}{2:>9}"
    found = sum(episodes(world, without_subjects(counts)) for counts in users)
    yield f"{'heavy users, unknown':<34}{span:>12}{found:>10}{'-':>9}"
    del users
    large = (of_large_requests(world, windows, 4000 + 10 * seed) for seed in range(seeds))
    found = sum(episodes(world, counts) for counts in large)
    yield f"{'rows per request x 5':<34}{span:>12}{found:>10}{2:>9}"
    runs = -(-span // (FIRST_DAYS - 1))
    for swing, most in (("week", "2"), ("day", "2"), ("week, shares", "-")):
        first = (with_swing(world, swing, 5000 + 10 * seed) for seed in range(runs))
        found = sum(first_episodes(world, counts) for counts in first)
        name = f"first days, .3 sd a {swing}"
        yield f"{name:<34}{runs * (FIRST_DAYS - 1):>12}{found:>10}{most:>9}"
    waits = segment_delays(world, 0.5, seed=7)
    median, ninth = np.quantile(waits, (0.5, 0.9), method="higher")
    yield (
        f"\none of {SEGMENTS} segments, 100 rows, .5 sd: its episode opens after {min(waits):g} windows "
        f"(at most 3); a number alone: median {median:g}, 90 % {ninth:g}"
    )


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
