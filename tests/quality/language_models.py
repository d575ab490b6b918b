"""Tables of a language model's service: false alarms without drift, and delays with one.

    PYTHONPATH=tests python -m quality.language_models [--days 7] [--seeds 5] [--streams 300]

Latency, times to the first token, times per output token, and the ends of streams are judged as a
collector judges them, from the samples of ``service``. All times rise and fall with the load: by a
tenth over the day, and by chance from window to window. All is seeded.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from support.judged_windows import DAY, Seen, judge_of, replayed
from support.language_model import LanguageModel

from nilometer.alert.calibrated.columns import Column, Floats
from nilometer.alert.calibrated.service import service_column, service_vector
from nilometer.profile import ServiceProfile
from nilometer.values.entity import FIRST_TOKEN, PER_TOKEN, SERVICE, SERVICE_PARTS, STREAM_ENDS

LEARN = 7 * DAY
DRIFT_AT = 172  # judged window at which a drift begins
DAILY = 0.1  # largest deviation of the load in a day, as logarithm
WINDOW_TO_WINDOW = 0.03  # standard deviation of the load of a window, as logarithm
CORRELATION = 0.7  # of the load with that of the window before

USUAL = LanguageModel()
DRIFTS: dict[str, tuple[LanguageModel, str]] = {
    "first token 0.4 to 0.5 s": (LanguageModel(first_token=0.5), FIRST_TOKEN),
    "first token 0.4 to 1.3 s": (LanguageModel(first_token=1.3), FIRST_TOKEN),
    "per token 20 to 24 ms": (LanguageModel(per_token=0.024), PER_TOKEN),
    "per token 20 to 40 ms": (LanguageModel(per_token=0.040), PER_TOKEN),
    "cut streams 1 to 3 %": (LanguageModel(cut=0.03), STREAM_ENDS),
    "cut streams 1 to 10 %": (LanguageModel(cut=0.10), STREAM_ENDS),
}


@dataclass(frozen=True)
class Served:
    """The columns of a service, and their counts in each window."""

    columns: Sequence[Column]
    counts: list[Floats]


def served(windows: Sequence[LanguageModel], streams: int, seed: int) -> Served:
    """The counts of a server that has one of *windows* in each window; bins are of the first day."""
    rng = np.random.default_rng(seed)
    load, found = 0.0, []
    for place, model in enumerate(windows):
        load = CORRELATION * load + (1 - CORRELATION**2) ** 0.5 * rng.normal(0, WINDOW_TO_WINDOW)
        swing = DAILY * np.sin(2 * np.pi * place / DAY)
        found.append(model.served(streams, rng, load=float(np.exp(load + swing))))
    learned = ServiceProfile.merge_all(found[:DAY])
    columns = [service_column(summary, learned) for summary in (SERVICE, *SERVICE_PARTS)]
    known = [column for column in columns if column is not None]
    counts = [np.stack([service_vector(column, one) for one in found]) for column in known]
    return Served(known, counts)


def seen_without_drift(days: int, streams: int, seed: int) -> Seen:
    """The verdicts on *days* days without drift, after a week of learning."""
    world = served([USUAL] * (LEARN + days * DAY), streams, seed)
    return replayed(world, judge_of(world, world.counts, LEARN), world.counts, LEARN)


def delays(
    drift: str, streams: int, seeds: Sequence[int], *, learn: int = LEARN, before: int = DRIFT_AT
) -> tuple[list[float], int, set[str]]:
    """Windows from *drift* to its alarm for each seed, most episodes, and all summaries that moved.

    A drift that was not found within a day has an infinite delay, and one that was found before it
    began has none.

    Args:
        drift: Name in `DRIFTS`.
        streams: Streams of a window.
        seeds: Seeds of the traffic.
        learn: Windows to learn from.
        before: Judged windows before the drift.
    """
    model, summary = DRIFTS[drift]
    waits, episodes, moved = [], 0, set[str]()
    for seed in seeds:
        after = min(DAY, learn)
        world = served([USUAL] * (learn + before) + [model] * after, streams, seed)
        seen = replayed(world, judge_of(world, world.counts, learn), world.counts, learn)
        at = seen.opened.get(summary, np.inf)
        waits.append(at - before if at > before else np.nan)
        episodes = max(episodes, seen.episodes)
        moved |= seen.opened.keys()
    return waits, episodes, moved


def _rows(days: int, seeds: int, streams: int) -> Iterator[str]:
    yield f"{'language model, ' + str(streams) + ' streams a window':<44}{'entity-days':>12}{'episodes':>10}"
    found = sum(seen_without_drift(days, streams, 100 + seed).episodes for seed in range(seeds))
    yield f"{'without drift':<44}{days * seeds:>12}{found:>10}   at most 2"
    yield f"\n{'drift':<28}{'median':>8}{'most':>8}{'episodes':>10}  moved"
    for drift in DRIFTS:
        waits, episodes, moved = delays(drift, streams, range(seeds))
        yield (
            f"{drift:<28}{np.median(waits):>8g}{np.max(waits):>8g}{episodes:>10}  "
            f"{', '.join(sorted(moved))}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--days", type=int, default=7, help="days without drift, of each seed")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each row")
    parser.add_argument("--streams", type=int, default=300, help="of a window")
    chosen = parser.parse_args()
    started = time.process_time()
    for line in _rows(chosen.days, chosen.seeds, chosen.streams):
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
