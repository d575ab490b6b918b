"""Two samples: compares a summary of a candidate with the same summary of a stable side.

Both sides serve the same windows, so seasons and common movement cancel. A component is the
difference of the sides, and has the sampling variance of both. The usual noise of the stable side,
such as noise of clustered rows, increases the variance. So a candidate needs no history.

A failure needs the evidence of an alarm (`evidence`), with the same budget. A pass needs the evidence
that closes an alarm: the difference is within `PASS_FACTOR` tolerances.
"""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from nilometer.alert.calibrated.baseline import LEAST_ROWS, Baseline, within_reference
from nilometer.alert.calibrated.columns import Column, Floats
from nilometer.alert.calibrated.components import (
    LEAST_SHAPE_DEGREES,
    SMOOTH,
    Layout,
    orthonormal,
)
from nilometer.alert.calibrated.effects import Effect, effect_of
from nilometer.alert.calibrated.evidence import (
    BUDGET,
    RECOVERED,
    THETA,
    Budget,
    EvidenceState,
    recovery,
)
from nilometer.alert.calibrated.normal import Normal
from nilometer.alert.calibrated.scores import binomial_score, chi_square_score, normal_score
from nilometer.alert.calibrated.tolerance import DEFAULT, Tolerance

Flags = NDArray[np.bool_]

PASS_FACTOR = 2.0  # largest difference for a pass, in tolerances
LEAST_EXPECTED = 5.0  # fewest values of both sides in a bin of a usual window
PRIOR_ROWS = 50.0  # weight of the usual spread or share in an estimate for one window, in rows


class Outcome(Enum):
    """The outcome of a comparison."""

    PASS = "pass"  # noqa: S105  within twice the tolerance
    HOLD = "hold"  # not decided yet
    FAIL = "fail"  # beyond the tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The windows of one summary on both sides.

    Attributes:
        column: Bins and rates that both sides are counted in.
        stable: Vectors of the stable side, shape (W, `column.width`).
        candidate: Vectors of the candidate in the same windows.
        baseline: Baseline of the stable side, for its noise; None assumes independent rows.
        tolerance: Largest difference that counts as none.
        length: Length of the windows in base windows.
        share: Share of the budget, above 0; all summaries together have at most 1.
        least_windows: Fewest windows that a pass needs.
    """

    column: Column
    stable: Floats
    candidate: Floats
    baseline: Baseline | None = None
    tolerance: Tolerance = DEFAULT
    length: int = 1
    share: float = 1.0
    least_windows: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The outcome for one summary.

    Attributes:
        outcome: The outcome; a failure is final.
        windows: Number of judged windows, up to a failure.
        component: Component that fails, or else the least certain component; empty if no window
            was judged.
        direction: 1 if the candidate is above, -1 if below.
        effect: Difference in this direction over all judged windows; None without any.
        tolerance: Tolerance of the component.
        log_evidence: Natural logarithm of the evidence for a difference divided by the budget.
        passed: Share of the streams whose evidence suffices for a pass, 0 to 1.
    """

    outcome: Outcome
    windows: int
    component: str = ""
    direction: int = 1
    effect: Effect | None = None
    tolerance: float = 0.0
    log_evidence: float = -np.inf
    passed: float = 0.0


@dataclass(frozen=True, slots=True)
class _Streams:
    """Scores of S streams in W windows; arrays have the shape (W, S) unless noted.

    Attributes:
        z: Scores of differences beyond the tolerance; NaN if a window is not judged.
        inside: Scores of differences beyond `PASS_FACTOR` tolerances.
        effect: Difference in the direction of the stream.
        variance: Variance of the difference.
        rows: Rows of the candidate.
        tolerance: Tolerance of each stream, shape (S,).
        names: Component and direction of each stream.
    """

    z: Floats
    inside: Floats
    effect: Floats
    variance: Floats
    rows: Floats
    tolerance: Floats
    names: tuple[tuple[str, int], ...]

    def difference(
        self, place: int, windows: NDArray[np.intp], outcome: Outcome, passed: float
    ) -> Difference:
        """Return the *outcome* with the effect of the stream at *place* in *windows*."""
        component, direction = self.names[place]
        columns = (self.effect, self.variance, self.rows, self.z)
        return Difference(
            outcome=outcome,
            windows=len(windows),
            component=component,
            direction=direction,
            effect=effect_of(component, *(values[windows, place] for values in columns)),
            tolerance=float(self.tolerance[place]),
            passed=passed,
        )


def compared(pair: Pair, budget: float = BUDGET) -> Difference:
    """Return the outcome for *pair* over all its windows.

    Args:
        pair: The windows of both sides.
        budget: Mean number of base windows between false failures, over all summaries.
    """
    streams = _scored(pair)
    judged = np.flatnonzero(np.isfinite(streams.z).any(axis=1))
    if not len(judged):
        return Difference(outcome=Outcome.HOLD, windows=0)
    # A rare share cannot fall by two tolerances, so a pass needs no evidence for it.
    asked = np.asarray(np.isfinite(streams.inside).any(axis=0))
    count = len(streams.names)
    adds = Budget(
        np.zeros(count, np.intp), np.array([pair.share]), base_windows=pair.length, budget=budget
    )
    state, inside = EvidenceState.empty(count), np.zeros((count, len(THETA)))
    for number, window in enumerate(judged, start=1):
        state, alarms = adds.advance(state, streams.z[window], int(window) + 1)
        passed = _share_of(inside.mean(axis=1) >= RECOVERED, asked)
        if alarms:
            found = streams.difference(alarms[0].stream, judged[:number], Outcome.FAIL, passed)
            return replace(found, log_evidence=alarms[0].log_evidence)
        for place in np.flatnonzero(np.isfinite(streams.inside[window])):
            inside[place] = recovery(inside[place], float(streams.inside[window, place]))
    weakest = int(np.argmin(np.where(asked, inside.mean(axis=1), np.inf)))
    passed = _share_of(inside.mean(axis=1) >= RECOVERED, asked)
    enough = passed == 1.0 and len(judged) >= pair.least_windows
    found = streams.difference(weakest, judged, Outcome.PASS if enough else Outcome.HOLD, passed)
    evidence = max(float(state.m.mean(axis=1).sum()) * pair.share / count / budget, 1e-300)
    return replace(found, log_evidence=float(np.log(evidence)))


def _share_of(passed: Flags, known: Flags) -> float:
    return float(passed[known].mean()) if known.any() else 1.0


def _scored(pair: Pair) -> _Streams:
    """Return the scores of all streams of *pair*."""
    usual = 1.0 if pair.baseline is None else pair.baseline.rows_per_request
    layout = Layout([pair.column])
    sides = [
        layout.effective(counts, np.array([usual])) for counts in (pair.stable, pair.candidate)
    ]
    parts = [_rates(pair, layout, *sides)]
    if pair.column.bins >= 2:
        parts += _numbers(pair, *(side[:, : pair.column.bins] for side in sides))

    def joined(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts], axis=-1)

    return _Streams(
        joined("z"),
        joined("inside"),
        joined("effect"),
        joined("variance"),
        joined("rows"),
        joined("tolerance"),
        tuple(name for part in parts for name in part.names),
    )


def _numbers(pair: Pair, stable: Floats, candidate: Floats) -> list[_Streams]:
    """Return the streams of the smooth components and of the shape, from counts in bins."""
    stable, candidate = _joined_bins(stable, candidate)
    bins = stable.shape[1]
    if bins < 2:
        return []
    pooled = stable.sum(axis=0) + 0.5
    degree = min(len(SMOOTH), bins - 1)
    basis = orthonormal(pooled / pooled.sum(), degree)
    n, other = candidate.sum(axis=1), stable.sum(axis=1)
    able = (n >= LEAST_ROWS) & (other >= LEAST_ROWS)
    size = np.where(able, n * other / np.maximum(n + other, 1.0), 1.0)  # rows of one such sample
    own = candidate / np.maximum(n, 1.0)[:, None]
    theirs = stable / np.maximum(other, 1.0)[:, None]
    difference = (own - theirs) @ basis
    both = (candidate + stable) / np.maximum(n + other, 1.0)[:, None]
    spread = both @ basis**2 - (both @ basis) ** 2
    weight = ((n + other) / (n + other + PRIOR_ROWS))[:, None]
    spread = weight * spread + (1 - weight)
    noise, degrees = _noise(None if pair.baseline is None else pair.baseline.smooth, degree)
    variance = noise * spread / size[:, None]
    smooth = _both_ways(
        difference, variance, n, able, pair.tolerance.smooth, degrees, SMOOTH[:degree]
    )
    spare = bins - 1 - degree
    if spare < LEAST_SHAPE_DEGREES:
        return [smooth]
    expected = np.maximum(candidate + stable, 1e-9)
    chi = ((own - theirs) ** 2 / (expected / np.maximum(n + other, 1.0)[:, None])).sum(
        axis=1
    ) * size
    chi = np.maximum(chi - size * (difference**2 / spread).sum(axis=1), 0.0)
    usual = float(noise.mean())  # clustered rows raise the shape by the same factor
    return [smooth, _shape(pair.tolerance.shape, chi / usual, spare, size / usual, n, able)]


def _both_ways(
    difference: Floats,
    variance: Floats,
    rows: Floats,
    able: Flags,
    tolerance: float,
    degrees: Floats,
    names: tuple[str, ...],
) -> _Streams:
    effect = np.concatenate([difference, -difference], axis=1)
    deviation = np.sqrt(np.tile(variance, 2))
    many = np.tile(degrees, 2)
    seen = able[:, None]
    z, inside = (
        np.where(seen, normal_score((effect - width) / deviation, many), np.nan)
        for width in (tolerance, PASS_FACTOR * tolerance)
    )
    return _Streams(
        z,
        inside,
        effect,
        np.tile(variance, 2),
        np.repeat(rows[:, None], effect.shape[1], axis=1),
        np.full(effect.shape[1], tolerance),
        tuple((name, sign) for sign in (1, -1) for name in names),
    )


def _shape(
    tolerance: float, chi: Floats, spare: int, size: Floats, rows: Floats, able: Flags
) -> _Streams:
    z, inside = (
        np.where(able, chi_square_score(chi, float(spare), size * width), np.nan)[:, None]
        for width in (tolerance, PASS_FACTOR * tolerance)
    )
    effect = ((chi - spare) / size)[:, None]
    variance = (2 * spare / size**2)[:, None]
    width = np.array([tolerance])
    return _Streams(z, inside, effect, variance, rows[:, None], width, (("shape", 1),))


def _rates(pair: Pair, layout: Layout, stable: Floats, candidate: Floats) -> _Streams:
    """Return the streams of the rates, above and below."""
    one, other = layout.components(candidate), layout.components(stable)
    able = (one.totals >= LEAST_ROWS) & (other.totals >= LEAST_ROWS)
    size = one.totals * other.totals / np.maximum(one.totals + other.totals, 1.0)
    total = np.maximum(other.totals.sum(axis=0), 1.0)
    usual = within_reference((other.rates * other.totals).sum(axis=0) / total, total + 1.0)
    share = (other.rates * other.totals + PRIOR_ROWS * usual) / (other.totals + PRIOR_ROWS)
    noise = np.ones(len(usual))
    if pair.baseline is not None and pair.baseline.rates is not None:
        places = list(pair.baseline.judged)
        noise[places] = _noise(pair.baseline.rates, len(places))[0]
    effective = np.where(able, size / noise, 1.0)
    effect = one.rates - other.rates
    variance = share * (1 - share) / effective
    relative = pair.tolerance.rate_deviations * np.sqrt(usual * (1 - usual))
    tolerance = np.maximum(pair.tolerance.rate, relative)
    seen = np.clip(share + effect, 0.0, 1.0)
    scores = []
    for width in (tolerance, PASS_FACTOR * tolerance):
        up = binomial_score(seen * effective, effective, share + width)
        least = 1 - np.maximum(share - width, 0.0)
        down = binomial_score((1 - seen) * effective, effective, least)
        down = np.where(usual > width, down, np.nan)
        scores.append(np.where(np.tile(able, 2), np.concatenate([up, down], axis=1), np.nan))
    scores[1] = np.where(np.isnan(scores[0]), np.nan, scores[1])
    names = [rate.name for rate in pair.column.rates]
    return _Streams(
        scores[0],
        scores[1],
        np.concatenate([effect, -effect], axis=1),
        np.tile(variance, 2),
        np.tile(one.totals, 2),
        np.tile(tolerance, 2),
        tuple((name, sign) for sign in (1, -1) for name in names),
    )


def _noise(normal: Normal | None, components: int) -> tuple[Floats, Floats]:
    """Return the factor of the sampling variance of each component, and its degrees of freedom.

    Movement of both sides cancels. So the part of the variance between windows that does not
    depend on rows is left out.
    """
    factor, degrees = np.ones(components), np.full(components, 1e6)
    if normal is not None:
        known = min(components, len(normal.phi))
        factor[:known] = ((normal.phi + normal.excess) * normal.inflation)[:known]
        degrees[:known] = normal.degrees[:known]
    return factor, degrees


def _joined_bins(stable: Floats, candidate: Floats) -> tuple[Floats, Floats]:
    """Join neighbouring bins that have too few values in a usual window of both sides."""
    both = stable + candidate
    rows = both.sum(axis=1)
    if not rows.any():
        return stable[:, :1], candidate[:, :1]
    usual = both.sum(axis=0) / rows.sum() * float(np.median(rows[rows > 0]))
    starts, gathered = [0], 0.0
    for place, expected in enumerate(usual):
        if gathered >= LEAST_EXPECTED:
            starts.append(place)
            gathered = 0.0
        gathered += float(expected)
    if gathered < LEAST_EXPECTED and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(stable, starts, axis=1), np.add.reduceat(candidate, starts, axis=1)
