"""Effects: how far a column has drifted since the onset, and how bad that is."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from nilometer.alert.alerter import Severity
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.components import SMOOTH

CONFIDENCE = 2.33  # standard deviations: a one-sided bound that holds in 99 of 100 cases


class Unit(Enum):
    """What an effect is measured in."""

    DEVIATIONS = "standard deviations of the reference"
    SHAPE = "chi-square a row"
    SHARE = "share of all"

    @classmethod
    def of(cls, component: str) -> "Unit":
        """The unit of a component's effect."""
        if component in SMOOTH:
            return cls.DEVIATIONS
        return cls.SHAPE if component == "shape" else cls.SHARE


# Lower bounds of the effect from which an episode is a warning, and critical. A shape of w squared
# is as far from the reference as a position of w is (Cohen's w).
_SEVERE = {
    Unit.DEVIATIONS: (0.1, 0.5),
    Unit.SHAPE: (0.1**2, 0.5**2),
    Unit.SHARE: (0.005, 0.05),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """How far a component is beyond normal, in the direction of its stream.

    Attributes:
        value: Row-weighted mean over the judged windows.
        bound: What it is at least, with 99 % confidence.
        windows: Windows that it rests on.
        rows: Rows that it rests on.
        unit: Unit of value and bound.
    """

    value: float
    bound: float
    windows: int
    rows: float
    unit: Unit

    @property
    def severity(self) -> Severity:
        """INFO, WARNING or CRITICAL, by the lower bound."""
        warning, critical = _SEVERE[self.unit]
        if self.bound >= critical:
            return Severity.CRITICAL
        return Severity.WARNING if self.bound >= warning else Severity.INFO

    @property
    def size(self) -> float:
        """The lower bound in multiples of what makes a warning: compares effects of all units."""
        warning, _ = _SEVERE[self.unit]
        return self.bound / warning


def effect_of(
    component: str, effect: Floats, variance: Floats, rows: Floats, judged: Floats
) -> Effect | None:
    """The effect over the windows since the onset; None where none was judged.

    Args:
        component: Name of the component.
        effect: Effect in each window, shape (W,).
        variance: Its variance, shape (W,).
        rows: Rows of each window, shape (W,).
        judged: Scores, shape (W,); NaN where the window was not judged.
    """
    seen = np.isfinite(judged)
    windows = int(seen.sum())
    if not windows:
        return None
    weight = rows[seen] / rows[seen].sum()
    value = float((weight * effect[seen]).sum())
    deviation = float(np.sqrt((weight**2 * variance[seen]).sum()))
    bound = value - CONFIDENCE * deviation
    return Effect(value, bound, windows, float(rows[seen].sum()), Unit.of(component))
