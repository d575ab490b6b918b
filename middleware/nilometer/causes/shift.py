"""Causes: whether the output moved because its inputs moved, or with the same inputs.

The mean prediction ``sum p m`` has the shares ``p`` of the bins of a feature and the mean prediction
``m`` of each bin. Its change is ``sum (p - q) m_before + sum p (m - m_before)``. The first part is the
mix of the inputs, the second part is what changed inside the bins.

A bin mean of one feature contains what other features, which are correlated with it, add. So the mix of
a feature that moved alone may be off. A change is only told as behaviour if no input moved far enough to
explain half of it, with whatever bin means: by the inequality of Cauchy and Schwarz,
``|sum (p - q) m| <= w sd(m)``, with Cohen's w of the shares.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from nilometer.causes.cause import Cause, CauseKind, Share, Untold
from nilometer.causes.movement import Movements
from nilometer.causes.scene import FeatureSides, Scene
from nilometer.causes.shares import percent, quantile
from nilometer.compare.components import Components, components, main_effect
from nilometer.profile.bin_sums import BinSums, SumKey, merged_sums, variance_within
from nilometer.values.entity import Role, role_of

LEAST_MIX = 0.25  # smallest explained part of a change that is told as mix
MOST_MIX = 0.5  # largest part that inputs may explain of a change that is told as behaviour
LEAST_MOVED = 0.1  # strength of an input from which it moved: that of a warning
LEAST_ROWS = 5.0  # fewest rows of both sides of a bin whose mean is compared


@dataclass(frozen=True, slots=True)
class Split:
    """The change of a mean prediction, split by one feature. All figures have the prediction's unit.

    Attributes:
        summary: Name of the feature's summary.
        mix: Change that follows from the new shares of the bins.
        within: Change inside the bins.
        mix_noise: Standard error of `mix`.
        noise: Standard deviation of the whole change without a change.
        deviation: Standard deviation of the prediction before.
        bent: Lower bound of the root mean square change of the bin means.
        capacity: Upper bound of what the new shares can explain, with whatever bin means.
    """

    summary: str
    mix: float
    within: float
    mix_noise: float
    noise: float
    deviation: float
    bent: float
    capacity: float

    @property
    def change(self) -> float:
        """Mean prediction now minus before."""
        return self.mix + self.within


def sums_of(features: Sequence[FeatureSides]) -> dict[SumKey, dict[str, tuple[BinSums, BinSums]]]:
    """Return the sums of predictions before and since the onset, by value and summary."""
    found: dict[SumKey, dict[str, tuple[BinSums, BinSums]]] = {}
    for one in features:
        past = merged_sums(side.sums for side in one.before)
        for key, now in one.now.sums.items():
            if key in past:
                found.setdefault(key, {})[one.summary] = past[key], now
    return found


def split(summary: str, before: BinSums, now: BinSums) -> Split | None:
    """Return the split of the change of a mean prediction; None if a side has no rows."""
    parts = components(before, now)
    if parts is None:
        return None
    both = 1.0 / before.rows + 1.0 / now.rows
    held = parts.reference_shares > 0
    shares, means = parts.reference_shares[held], parts.reference_means[held]
    mean = float(shares @ means)
    deviation = sqrt(variance_within(before) + float(shares @ (means - mean) ** 2))
    gap = parts.current_shares[held] - shares
    _, most = _bounds(float((gap * gap / shares).sum()) / both, int(held.sum()) - 1)
    return Split(
        summary=summary,
        mix=float(parts.mix.sum()),
        within=float(parts.within.sum()),
        mix_noise=parts.mix_error,
        noise=deviation * sqrt(both),
        deviation=deviation,
        bent=deviation * sqrt(both) * _bent(before, now, parts, deviation),
        capacity=deviation * sqrt(most * both),
    )


def _bent(before: BinSums, now: BinSums, parts: Components, deviation: float) -> float:
    """Return the lower bound of the change of the bin means, in standard deviations of the mean."""
    past, current = np.asarray(before.counts, float), np.asarray(now.counts, float)
    full = np.minimum(past, current) >= LEAST_ROWS
    if not full.any() or not deviation:
        return 0.0
    gap = parts.current_means[full] - parts.reference_means[full]
    noise = deviation**2 * (1.0 / past[full] + 1.0 / current[full])
    least, _ = _bounds(float((gap * gap / noise).sum()), int(full.sum()))
    return sqrt(least)


def _bounds(squares: float, degrees: int) -> tuple[float, float]:
    """Return lower and upper bound of the non-centrality of a chi-square (normal approximation)."""
    beyond = max(squares - degrees, 0.0)
    noise = quantile(2) * sqrt(2.0 * (max(degrees, 1) + 2.0 * beyond))
    return max(squares - degrees - noise, 0.0), max(squares - degrees + noise, 0.0)


def importances(features: Sequence[FeatureSides]) -> dict[str, float]:
    """Return the importance of each feature with sums: the square root of its main effect before.

    It is the deviation of the mean prediction over the bins, in deviations of the prediction. Of
    several predictions, the largest counts.
    """
    found: dict[str, float] = {}
    for by_summary in sums_of(features).values():
        for summary, (before, _) in by_summary.items():
            found[summary] = max(found.get(summary, 0.0), sqrt(main_effect(before)))
    return found


def shift(scene: Scene, movements: Movements) -> Iterator[Cause | Untold]:
    """Yield whether each output moved by mix or by behaviour; one answer for each summed output."""
    known = {name: one.strength for name, one in movements.items() if one is not None}
    compared = [name for name in known if role_of(name) is Role.INPUT]
    inputs = [name for name in compared if known[name] >= LEAST_MOVED]
    outputs = {name for name in known if role_of(name) is Role.OUTPUT and known[name] > 0.0}
    by_value: dict[str, list[Split]] = {}
    for key, by_summary in sums_of(scene.features).items():
        for summary, (before, now) in by_summary.items():
            found = split(summary, before, now)
            if found is not None:
                by_value.setdefault(key.value, []).append(found)
    for value, splits in sorted(by_value.items()):
        yield _of_splits(value, splits, frozenset(inputs))
    summed = {value.partition("=")[0] for value in by_value}
    for output in sorted(outputs - summed):
        yield _without_sums(scene, output, inputs, compared, known[output])


def _of_splits(output: str, splits: Sequence[Split], inputs: frozenset[str]) -> Cause | Untold:
    lead = max(splits, key=lambda one: abs(one.change))
    level = quantile(2)
    beyond = max(abs(lead.change) - level * lead.noise, 0.0)
    bent = max(one.bent for one in splits)
    size = max(abs(lead.change) if beyond else 0.0, bent)
    doubt = f"Cannot tell whether the inputs or the model moved {output}"
    if not size:
        why = f"its mean changed by {lead.change:.3g}, which is within its noise"
        return Untold(CauseKind.SHIFT, f"{doubt}: {why}.")
    strength = size / max(lead.deviation, 1e-12)
    moved = [one for one in splits if one.summary in inputs]
    best = max(moved or splits, key=lambda one: one.mix / (lead.change or 1.0))
    part = best.mix / (lead.change or 1.0)
    if moved and beyond and part >= LEAST_MIX and abs(best.mix) > level * best.mix_noise:
        sentence = (
            f"{output} moved because {best.summary} moved: the new shares of its values explain "
            f"{percent(min(part, 1.0))} of the change of the mean by {lead.change:.3g} (mix shift)."
        )
        return _cause(output, sentence, strength, best)
    still = [abs(one.mix) + level * one.mix_noise for one in splits if one not in moved]
    most = max([*still, *(one.capacity for one in moved)])
    if most <= MOST_MIX * size:
        what = (
            f"the change of its mean by {lead.change:.3g}" if beyond else "the change inside bins"
        )
        sentence = (
            f"{output} moved with the same inputs: no input moved far enough to explain more than "
            f"{percent(most / size)} of {what} (behaviour shift)."
        )
        return _cause(output, sentence, strength, best)
    why = (
        f"the new shares of {best.summary} explain {percent(max(part, 0.0))} of the change of its "
        "mean, and inputs that are correlated may hide the rest"
    )
    return Untold(CauseKind.SHIFT, f"{doubt}: {why}.")


def _cause(output: str, sentence: str, strength: float, best: Split) -> Cause:
    is_mix = abs(best.mix) > abs(best.within)
    return Cause(
        kind=CauseKind.SHIFT,
        sentence=sentence,
        score=strength,
        summary=output,
        shares=(
            Share(f"explained by {best.summary}", 0.0, best.mix, is_mix),
            Share("with the same inputs", 0.0, best.within, not is_mix),
        ),
    )


def _without_sums(
    scene: Scene, output: str, inputs: Sequence[str], compared: Sequence[str], strength: float
) -> Cause | Untold:
    if inputs or not compared or scene.left_out:
        why = (
            f"{len(inputs)} inputs moved, too, and no sums of the prediction by bin are stored"
            if inputs
            else "not every input was compared"
        )
        doubt = f"Cannot tell whether the inputs or the model moved {output}"
        return Untold(CauseKind.SHIFT, f"{doubt}: {why}.")
    return Cause(
        kind=CauseKind.SHIFT,
        sentence=(
            f"{output} moved while none of the {len(compared)} compared inputs did: the model changed, "
            "or a change of inputs together that single inputs do not show (behaviour shift)."
        ),
        score=strength,
        summary=output,
    )
