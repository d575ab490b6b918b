"""Sentences about a candidate: what differs from stable, how far, and how noisy it is."""

from nilometer.alert.calibrated.two_samples import PASS_FACTOR, Difference, Outcome
from nilometer.alert.calibrated.words import amount


def sentence_of(summary: str, found: Difference) -> str:
    """Return a sentence on the outcome of *summary*, which has judged windows."""
    measured = _measured(summary, found)
    match found.outcome:
        case Outcome.FAIL:
            return measured
        case Outcome.PASS:
            return (
                f"nothing of {summary} differs by more than {PASS_FACTOR:g} tolerances; least certain: "
                f"{measured}"
            )
        case Outcome.HOLD:
            return (
                f"not decided: {found.passed:.0%} of the components of {summary} are alike so far; least "
                f"certain: {measured}"
            )


def _measured(summary: str, found: Difference) -> str:
    effect = found.effect
    if effect is None:
        return f"the {found.component} of {summary}, of which no window was judged"
    value = effect.value * found.direction
    side = "above" if value >= 0 else "below"
    windows = "1 window" if effect.windows == 1 else f"{effect.windows} windows"
    return (
        f"the {found.component} of {summary} is {amount(abs(value), effect.unit)} {side} stable, noise "
        f"{amount(effect.noise, effect.unit)}, tolerance {amount(found.tolerance, effect.unit)}, {windows} "
        f"with {effect.rows:.0f} rows"
    )
