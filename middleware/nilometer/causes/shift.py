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
from nilometer.causes.scene import PredictionSums, Scene
from nilometer.causes.shares import percent, quantile
from nilometer.values.entity import Role, role_of

LEAST_MIX = 0.25  # smallest explained part of a change that is told as mix
MOST_MIX = 0.5  # largest part that inputs may explain of a change that is told as behaviour
LEAST_MOVED = 0.1  # strength of an input from which it moved: that of a warning
LEAST_ROWS = 5.0  # fewest rows of both sides of a bin whose mean is compared


@dataclass(frozen=True, slots=True)
class Split:
    """The change of a mean prediction, split by one feature. All figures have the prediction's unit.

    Attributes:
        sums: Sums that were split.
        mix: Change that follows from the new shares of the bins.
        within: Change inside the bins.
        mix_noise: Standard deviation of `mix` without a change.
        noise: Standard deviation of the whole change without a change.
        bent: Lower bound of the root mean square change of the bin means.
        capacity: Upper bound of what the new shares can explain, with whatever bin means.
    """

    sums: PredictionSums
    mix: float
    within: float
    mix_noise: float
    noise: float
    bent: float
    capacity: float

    @property
    def change(self) -> float:
        """Mean prediction now minus before."""
        return self.mix + self.within


def split(sums: PredictionSums) -> Split | None:
    """Return the split of the change of a mean prediction; None if a side has no rows."""
    rows, count = float(sums.before.sum()), float(sums.now.sum())
    if not rows or not count:
        return None
    shares, current = sums.before / rows, sums.now / count
    mean = float(sums.before_sums.sum()) / rows
    held = sums.before > 0
    usual = np.full(len(shares), mean)
    np.divide(sums.before_sums, sums.before, out=usual, where=held)
    mix = float(((current - shares) * usual).sum())
    change = float(sums.now_sums.sum()) / count - mean
    both = 1.0 / rows + 1.0 / count
    explained = float((shares * (usual - mean) ** 2).sum())
    squares = float(((current - shares)[held] ** 2 / shares[held]).sum()) / both
    _, most = _bounds(squares, int(held.sum()) - 1)
    return Split(
        sums,
        mix=mix,
        within=change - mix,
        mix_noise=sqrt(explained * both),
        noise=sums.deviation * sqrt(both),
        bent=sums.deviation * sqrt(both) * _bent(sums),
        capacity=sums.deviation * sqrt(most * both),
    )


def _bent(sums: PredictionSums) -> float:
    """Return the lower bound of the change of the bin means, in standard deviations of the mean."""
    full = np.minimum(sums.before, sums.now) >= LEAST_ROWS
    if not full.any() or not sums.deviation:
        return 0.0
    before, now = sums.before[full], sums.now[full]
    gap = sums.now_sums[full] / now - sums.before_sums[full] / before
    squares = float((gap * gap / (1.0 / before + 1.0 / now)).sum()) / sums.deviation**2
    least, _ = _bounds(squares, int(full.sum()))
    return sqrt(least)


def _bounds(squares: float, degrees: int) -> tuple[float, float]:
    """Return lower and upper bound of the non-centrality of a chi-square (normal approximation)."""
    beyond = max(squares - degrees, 0.0)
    noise = quantile(2) * sqrt(2.0 * (max(degrees, 1) + 2.0 * beyond))
    return max(squares - degrees - noise, 0.0), max(squares - degrees + noise, 0.0)


def importances(sums: Sequence[PredictionSums]) -> dict[str, float]:
    """Return the deviation of the mean prediction over the bins of each feature, by summary.

    It is in standard deviations of the prediction; of several outputs, the largest counts.
    """
    found: dict[str, float] = {}
    for one in sums:
        held = one.before > 0
        if not held.any() or not one.deviation:
            continue
        means = one.before_sums[held] / one.before[held]
        shares = one.before[held] / one.before.sum()
        variance = float((shares * (means - (shares * means).sum()) ** 2).sum())
        found[one.summary] = max(found.get(one.summary, 0.0), sqrt(variance) / one.deviation)
    return found


def shift(scene: Scene, movements: Movements) -> Iterator[Cause | Untold]:
    """Yield whether each output moved by mix or by behaviour; one answer for each output."""
    known = {name: one.strength for name, one in movements.items() if one is not None}
    compared = [name for name in known if role_of(name) is Role.INPUT]
    inputs = [name for name in compared if known[name] >= LEAST_MOVED]
    outputs = {name for name in known if role_of(name) is Role.OUTPUT and known[name] > 0.0}
    by_output: dict[str, list[Split]] = {}
    for one in scene.sums:
        found = split(one)
        if found is not None:
            by_output.setdefault(one.output, []).append(found)
    for output, splits in sorted(by_output.items()):
        yield _of_splits(output, splits, frozenset(inputs))
    for output in sorted(outputs - by_output.keys()):
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
    strength = size / max(lead.sums.deviation, 1e-12)
    moved = [one for one in splits if one.sums.summary in inputs]
    best = max(moved or splits, key=lambda one: one.mix / (lead.change or 1.0))
    part = best.mix / (lead.change or 1.0)
    if moved and beyond and part >= LEAST_MIX and abs(best.mix) > level * best.mix_noise:
        sentence = (
            f"{output} moved because {best.sums.summary} moved: the new shares of its values explain "
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
        f"the new shares of {best.sums.summary} explain {percent(max(part, 0.0))} of the change of its "
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
            Share(f"explained by {best.sums.summary}", 0.0, best.mix, is_mix),
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
