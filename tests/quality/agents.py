"""Tables of the default alerter in an agent that is cut off: false alarms, delays, size of the plan.

    PYTHONPATH=tests python -m quality.agents [--days 7] [--seeds 5] [--rows 500 2000] [--agents 4]

The collector learns from the rows of all agents. Each agent then judges its own part of the rows by
these baselines, and its share of the budget. The collector's delays stand beside those of one agent.
"""

import argparse
import time
from collections.abc import Iterator, Sequence

import numpy as np
from quality.alarms import (
    DRIFT_AT,
    DRIFTS,
    LEARN,
    WITHOUT_DRIFT,
    judged_features,
    world_of_fifty,
)
from support.judged_windows import DAY, Seen, World, judge_of, replayed

from nilometer.alert.calibrated.columns import Column, Floats
from nilometer.alert.calibrated.counting import SummaryColumn
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.handed import HandedOver, HandedSubject
from nilometer.alert.calibrated.judge import Judge

SHOWN = ("mean + .25 sd", "mean + .5 sd", "missing + 5 %", "share 5 to 8 %")


def _parts(world: World, kind: str, rows: tuple[int, int], span: int, seed: int) -> list[Floats]:
    """Counts whose windows have *rows[0]* rows while they teach, and *rows[1]* afterwards."""
    options = WITHOUT_DRIFT[kind]
    both = []
    for place, count in enumerate(rows):
        truth = world.truth(
            LEARN + span,
            count,
            seasonal=options.get("seasonal", 0.0),
            overdispersed=options.get("overdispersed", 0.0),
            cluster=int(options.get("cluster", 1)),
            seed=seed,
        )
        both.append(world.counts(truth, seed + 1 + place))
    return [np.concatenate([one[:LEARN], own[LEARN:]]) for one, own in zip(*both, strict=True)]


def false_episodes(world: World, kind: str, rows: int, agents: int, days: int, seed: int) -> int:
    """Episodes that one of *agents* agents tells in *days* days without drift."""
    counts = _parts(world, kind, (rows, rows // agents), days * DAY, seed)
    judge = handed_over(world, judge_of(world, counts, LEARN), agents).judge()
    return replayed(world, judge, counts, LEARN).episodes


def waits(world: World, drift: str, rows: int, agents: int, seed: int = 7) -> list[float]:
    """Windows from *drift* to the alarm of one of *agents* agents, for each feature that drifts."""
    truths = [world.truth(DRIFT_AT + DAY, count, seed=seed) for count in (rows, rows // agents)]
    for truth in truths:
        DRIFTS[drift](truth)
    learned, own = (world.counts(truth, seed + 1 + i) for i, truth in enumerate(truths))
    counts = [np.concatenate([a[:LEARN], b[LEARN:]]) for a, b in zip(learned, own, strict=True)]
    judge = judge_of(world, counts, LEARN)
    if agents > 1:
        judge = handed_over(world, judge, agents).judge()
    seen: Seen = replayed(world, judge, counts, LEARN)
    before = DRIFT_AT - LEARN
    opened = {name: at - before for name, at in seen.opened.items() if at > before}
    return [opened.get(name, np.inf) for name in judged_features(drift)]


def handed_over(
    world: World, judge: Judge, agents: int, columns: Sequence[Column] = ()
) -> HandedOver:
    """What agents get of *judge*, as it is after the way through their plan, for some columns or all."""
    handed = HandedOver(
        subjects=tuple(
            HandedSubject(
                key=key,
                counted=SummaryColumn(column=column),
                baseline=judge.judged(key).baseline,
                tolerance=judge.judged(key).tolerance,
                factor=judge.judged(key).factor,
                length=judge.lengths[key],
                share=1 / len(world.columns),
            )
            for column in columns or world.columns
            for key in [PartKey(column.summary)]
        ),
        time_zone="UTC",
        holidays=(),
        budget_days=30,
        agents=agents,
        episode=1,
    )
    return HandedOver.from_bytes(handed.to_bytes())


def handed_size(world: World, rows: int) -> tuple[int, int]:
    """Packed size of the baselines of all features in bytes, and that of the largest feature."""
    truth = world.truth(LEARN, rows, seasonal=0.3, overdispersed=0.05, seed=3)
    judge = judge_of(world, world.counts(truth, 4), LEARN)
    each = (len(handed_over(world, judge, 4, [one]).to_bytes()) for one in world.columns)
    return len(handed_over(world, judge, 4).to_bytes()), max(each)


def _lines(world: World, rows: list[int], agents: int, days: int, seeds: int) -> Iterator[str]:
    yield f"one agent of {agents}; rows of a window of all agents"
    yield f"{'without drift':<18}{'rows':>6}{'agent-days':>13}{'episodes':>10}{'at most':>9}"
    for kind in WITHOUT_DRIFT:
        for count in rows:
            episodes = sum(
                false_episodes(world, kind, count, agents, days, 1000 + seed)
                for seed in range(seeds)
            )
            yield f"{kind:<18}{count:>6}{days * seeds:>13}{episodes:>10}{2:>9}"
    yield f"\n{'drift':<18}{'rows':>6}{'collector':>16}{'one agent':>16}   (found, median, 90 %)"
    for count in rows:
        for drift in SHOWN:
            told = []
            for judges in (1, agents):
                found = waits(world, drift, count, judges)
                median, ninth = np.quantile(found, (0.5, 0.9), method="higher")
                told.append(f"{np.isfinite(found).mean():>6.0%} {median:>4g} {ninth:>4g}")
            yield f"{drift:<18}{count:>6}{told[0]:>16}{told[1]:>16}"
    whole, largest = handed_size(world, rows[0])
    yield (
        f"\nbaselines of {len(world.columns)} features in the plan: {whole / 1000:.0f} KB, the largest "
        f"feature {largest / 1000:.1f} KB"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--days", type=int, default=7, help="days without drift, of each seed")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each kind without drift")
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 2000], help="of a window")
    parser.add_argument("--agents", type=int, default=4, help="agents that share the rows")
    chosen = parser.parse_args()
    started = time.process_time()
    world = world_of_fifty()
    for line in _lines(world, chosen.rows, chosen.agents, chosen.days, chosen.seeds):
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
