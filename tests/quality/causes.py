"""Tables of causes: how often the true cause of a simulated episode is named first.

    PYTHONPATH=tests python -m quality.causes [--episodes 200]

Twenty features of eight shapes are correlated (.3), and one of them drifts. One of 32 segments fails more
often. A fault at one of four stages moves the stages behind it. A prediction moves because one input moved,
or with the same inputs. Onsets are those of the default alerter. All is seeded.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr
from support.judged_windows import BASE_NS, DAY, SHAPES, START_NS, World, judge_of

from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import EntityState
from nilometer.alert.calibrated.parts import PartChange
from nilometer.causes import (
    CauseKind,
    FeatureSides,
    Scene,
    Segment,
    SegmentRate,
    Stage,
    causes_of,
)
from nilometer.compare.bins import exact_reference_column
from nilometer.profile import FeatureProfile, FeatureRecorder, FeatureSpec, ReferenceColumn
from nilometer.profile.bin_sums import BinSums, Rounded, SumKey
from nilometer.profile.feature_bins import FeatureBins
from nilometer.profile.reference import INPUT_BINS
from nilometer.profile.summed_outputs import SCORE_BITS

Floats = NDArray[np.float64]
Drift = Callable[[Floats, np.random.Generator], Floats]

FEATURES = 20
CORRELATION = 0.3
USUAL = 0.05  # deviation of the mean of a feature between days, in sd
DAYS = 3
BEFORE_ROWS = 6000  # rows of each day before
NOW_ROWS = 1500  # rows since the onset
SEGMENTS = 32
STAGES = 4
SHAPE = list(SHAPES)
NAMES = [f"input.n{at}" for at in range(FEATURES)]


def _mean(size: float) -> Drift:
    return lambda latent, _: latent + size


def _scale(latent: Floats, rng: np.random.Generator) -> Floats:
    del rng
    return np.asarray(latent * 1.5**0.5)


def _default(latent: Floats, rng: np.random.Generator) -> Floats:
    return np.where(rng.random(latent.shape) < 0.10, 1.645, latent)


def _missing(latent: Floats, rng: np.random.Generator) -> Floats:
    return np.where(rng.random(latent.shape) < 0.05, np.nan, latent)


DRIFTS: Mapping[str, Drift] = {
    "mean + .25 sd": _mean(0.25),
    "mean + .5 sd": _mean(0.5),
    "variance x 1.5": _scale,
    "10 % default value": _default,
    "5 % missing": _missing,
}

# Simulated single causes, and the kind of shift of each.
SHIFTS = {"selection": "mix", "fault": "mix", "intercept": "behaviour", "slope": "behaviour"}


def latents(rng: np.random.Generator, rows: int, usual: float = 0.0) -> Floats:
    """Return correlated standard normals, shape (rows, FEATURES); each mean wanders by *usual*."""
    shared = rng.normal(size=(rows, 1)) * CORRELATION**0.5
    own = rng.normal(size=(rows, FEATURES)) * (1.0 - CORRELATION) ** 0.5
    return np.asarray(shared + own + rng.normal(0.0, usual, FEATURES))


def values(latent: Floats, at: int) -> Floats:
    """Return the values of feature *at*; NaN stands for a missing cell."""
    shape = SHAPES[SHAPE[at % len(SHAPE)]]
    return np.asarray(shape(np.clip(ndtr(latent), 1e-12, 1 - 1e-12)))


def profile(cells: Floats, column: ReferenceColumn) -> FeatureProfile:
    """Return the profile of *cells* as an agent makes it."""
    recorder = FeatureRecorder(FeatureSpec(bounds=column.bounds))
    lost = np.isnan(cells)
    recorder.observe_numbers(cells[~lost])
    if lost.any():
        recorder.observe([None] * int(lost.sum()))
    return recorder.profile()


@cache
def columns(seed: int) -> list[ReferenceColumn]:
    """Return the reference column of each feature."""
    drawn = latents(np.random.default_rng(seed), 20_000)
    found = []
    for at in range(FEATURES):
        cells = values(drawn[:, at], at)
        recorder = FeatureRecorder(FeatureSpec())
        recorder.observe_numbers(cells)
        found.append(exact_reference_column(recorder.profile(), cells, INPUT_BINS))
    return found


def features_of(
    known: list[ReferenceColumn], days: list[Floats], now: Floats
) -> list[FeatureSides]:
    """Return both sides of every feature from its latents."""
    return [
        FeatureSides(
            summary=NAMES[at],
            column=known[at],
            before=[profile(values(day[:, at], at), known[at]) for day in days],
            now=profile(values(now[:, at], at), known[at]),
        )
        for at in range(FEATURES)
    ]


def is_feature_first(known: list[ReferenceColumn], drift: Drift, seed: int) -> bool:
    """Return whether the drifted feature is named first."""
    rng = np.random.default_rng(seed)
    days = [latents(rng, BEFORE_ROWS, USUAL) for _ in range(DAYS)]
    now = latents(rng, NOW_ROWS, USUAL)
    drifted = int(rng.integers(FEATURES))
    now[:, drifted] = drift(now[:, drifted], rng)
    scene = replace(_scene(), features=features_of(known, days, now))
    causes = causes_of(scene).causes
    return bool(causes) and causes[0].summary == NAMES[drifted]


def is_segment_first(seed: int, *, rows: int = 5000, skewed: bool = False) -> bool:
    """Return whether the segment whose failures rise from 5 to 20 % is named first."""
    rng = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, SEGMENTS + 1) if skewed else np.ones(SEGMENTS)
    shares /= shares.sum()
    bad = int(rng.choice(np.flatnonzero(shares * rows >= 100)))
    usual = np.clip(rng.normal(0.05, 0.01, SEGMENTS), 0.01, None)
    usual[bad] = 0.05
    now = usual.copy()
    now[bad] = 0.20
    before_rows, now_rows = rng.multinomial(4 * rows, shares), rng.multinomial(rows, shares)
    segments = [
        Segment(
            key="region",
            value=f"r{at}",
            before=float(rng.binomial(before_rows[at], usual[at])),
            before_rows=float(before_rows[at]),
            now=float(rng.binomial(now_rows[at], now[at])),
            now_rows=float(now_rows[at]),
        )
        for at in range(SEGMENTS)
    ]
    rate = SegmentRate(what="of the requests fail", summary="service", segments=segments)
    found = causes_of(replace(_scene(), rates=[rate])).causes
    return bool(found) and found[0].labels.pairs == (("region", f"r{bad}"),)


def is_stage_first(seed: int, errors: NDArray[np.int64]) -> bool:
    """Return whether the faulty stage of four is named, by the episode of the last stage.

    Args:
        seed: Seed.
        errors: Errors of onsets in windows, from which each stage draws.
    """
    rng = np.random.default_rng(seed)
    fault = int(rng.integers(STAGES))
    names = [f"stage-{at}" for at in range(STAGES)]
    onsets = START_NS + rng.choice(errors, STAGES) * BASE_NS
    stages = [
        Stage(
            entity=names[at],
            reads_from=names[at - 1 : at] if at else (),
            onset_ns=int(onsets[at]) if at >= fault else None,
            score=float(rng.uniform(0.2, 2.0)),
        )
        for at in range(STAGES)
    ]
    scene = Scene(entity=names[-1], onset_ns=int(onsets[-1]), window_ns=BASE_NS, stages=stages)
    answer = causes_of(scene)
    named = [one.entity for one in answer.causes if one.kind is CauseKind.STAGE]
    if fault == STAGES - 1:
        told = [one.sentence for one in answer.untold if one.kind is CauseKind.STAGE]
        return not named and told[0].startswith(f"{names[-1]} moved first")
    return named == [names[fault]]


def shift_named(known: list[ReferenceColumn], cause: str, seed: int) -> str:
    """Return the told kind of shift of a single cause: ``mix``, ``behaviour`` or ``cannot tell``.

    Draws are repeated until the mean prediction moves by four standard deviations of its noise, because
    an output that does not move opens no episode.

    The prediction is a logistic function of five latents. The causes are:

    * ``selection``: rows with a large latent are twice as frequent, with all that is correlated;
    * ``fault``: one latent moves by half a standard deviation, and nothing else does;
    * ``intercept`` and ``slope``: the model changes, and its inputs do not.
    """
    rng = np.random.default_rng(seed)
    while True:
        past, now, before, predicted = _shifted(cause, rng)
        noise = before.std() * np.sqrt(1.0 / len(past) + 1.0 / len(now))
        if abs(predicted.mean() - before.mean()) > 4.0 * noise:
            break
    days = np.split(past, DAYS)
    features = features_of(known, days, now)
    for at, sides in enumerate(features):
        sides.before[0].sums = _sums(known[at], at, past[:, at], before)
        sides.now.sums = _sums(known[at], at, now[:, at], predicted)
    scene = replace(_scene(), features=features)
    told = [one.sentence for one in causes_of(scene).causes if one.kind is CauseKind.SHIFT]
    if not told:
        return "cannot tell"
    return "mix" if "mix shift" in told[0] else "behaviour"


def _shifted(cause: str, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the latents and the predictions before and now."""
    slopes = np.zeros(FEATURES)
    slopes[:5] = rng.uniform(0.5, 1.0, 5) * rng.choice([-1.0, 1.0], 5)
    days = [latents(rng, BEFORE_ROWS, USUAL) for _ in range(DAYS)]
    now = latents(rng, 2 * NOW_ROWS, USUAL)
    moved = int(rng.integers(5))
    later, base = slopes.copy(), -1.0
    if cause == "selection":
        now = now[rng.random(len(now)) < np.where(now[:, moved] > 0.0, 0.75, 0.25)]
    now = now[:NOW_ROWS]
    if cause == "fault":
        now[:, moved] += 0.5
    elif cause == "intercept":
        base += 0.5 * rng.choice([-1.0, 1.0])
    elif cause == "slope":
        later[moved] *= -1.0
    past = np.concatenate(days)
    return past, now, expit(past @ slopes - 1.0), expit(now @ later + base)


def _sums(
    column: ReferenceColumn, at: int, latent: Floats, predicted: Floats
) -> dict[SumKey, BinSums]:
    bins = FeatureBins.of(column.edges, None)
    places = np.searchsorted(np.array(column.edges), values(latent, at), "right")
    sums = BinSums.of(bins, places, Rounded.of(predicted, SCORE_BITS))
    return {SumKey("output.score", bins): sums}


def onset_errors(seed: int, *, size: float = 0.25, features: int = 24) -> NDArray[np.int64]:
    """Return onset minus true start of drifts that the default alerter finds, in windows.

    Args:
        seed: Seed of the windows.
        size: Drift of every feature, in sd.
        features: Number of features; each one is a stream of its own.
    """
    learn, at, after = 3 * DAY, 40, 120
    world = World(features, seed=seed)
    truth = world.truth(learn + at + after, 500, seed=seed + 1)
    truth.mean[:, learn + at :] += size
    counts = world.counts(truth, seed + 2)
    judge = judge_of(world, counts, learn)
    later = {
        PartKey(column.summary): vectors[learn:]
        for column, vectors in zip(world.columns, counts, strict=True)
    }
    start = START_NS + learn * BASE_NS
    found: dict[str, int] = {}
    for _, verdict in judge.replay(EntityState(), later, start):
        for event in verdict.parts:
            if event.change is PartChange.OPENED:
                found.setdefault(event.key.summary, event.onset_ns)
    return np.array([(one - start) // BASE_NS - at for one in found.values()], np.int64)


def _scene() -> Scene:
    return Scene(entity="m", onset_ns=START_NS, window_ns=BASE_NS)


def _rows(episodes: int) -> Iterator[str]:
    known = columns(1)
    yield f"{'named first':<40}{'rate':>7}{'least':>7}"
    every = []
    for name, drift in DRIFTS.items():
        right = [is_feature_first(known, drift, 10_000 + seed) for seed in range(episodes)]
        every += right
        yield f"{f'feature of {FEATURES}, {name}':<40}{np.mean(right):>7.1%}{'':>7}"
    yield f"{f'feature of {FEATURES}, all drifts':<40}{np.mean(every):>7.1%}{'95 %':>7}"
    for skewed in (False, True):
        found = [is_segment_first(20_000 + seed, skewed=skewed) for seed in range(5 * episodes)]
        name = f"segment of {SEGMENTS}, {'unequal' if skewed else 'equal'} rows"
        yield f"{name:<40}{np.mean(found):>7.1%}{'95 %':>7}"
    errors = np.concatenate(
        [onset_errors(30_000 + 10 * seed) for seed in range(max(episodes // 20, 1))]
    )
    stages = [is_stage_first(40_000 + seed, errors) for seed in range(5 * episodes)]
    yield f"{f'stage of {STAGES}':<40}{np.mean(stages):>7.1%}{'95 %':>7}"
    near = np.mean(np.abs(errors) <= 1)
    yield f"{'onset within a window, .25 sd':<40}{near:>7.1%}{'90 %':>7}  of {len(errors)}"
    shifts = []
    for cause, name in SHIFTS.items():
        told = [shift_named(known, cause, 50_000 + seed) for seed in range(episodes)]
        shifts += [one == name for one in told]
        unsure = np.mean([one == "cannot tell" for one in told])
        share = np.mean([one == name for one in told])
        yield f"{f'{name} told, {cause}':<40}{share:>7.1%}{'':>7}  cannot tell {unsure:.1%}"
    yield f"{'mix or behaviour told, all':<40}{np.mean(shifts):>7.1%}{'95 %':>7}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=200, help="episodes of each kind")
    started = time.process_time()
    for line in _rows(parser.parse_args().episodes):
        print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
