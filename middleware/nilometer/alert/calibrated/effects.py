"""Effects: the distance by which a column has drifted since the onset, and its severity."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from nilometer.alert.alerter import Severity
from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.components import SMOOTH

CONFIDENCE = 2.33  # standard deviations of a one-sided bound with 99 % confidence


class Unit(Enum):
    """The unit of an effect."""

    DEVIATIONS = "standard deviations of the reference"
    SHAPE = "chi-square a row"
    SHARE = "share of all"

    @classmethod
    def of(cls, component: str) -> "Unit":
        """Return the unit of a component's effect."""
        if component in SMOOTH:
            return cls.DEVIATIONS
        return cls.SHAPE if component == "shape" else cls.SHARE


# Smallest lower bounds of the effect for a warning and for a critical episode. A shape of w ** 2 is
# as far from the reference as a position of w (Cohen's w).
_SEVERE = {
    Unit.DEVIATIONS: (0.1, 0.5),
    Unit.SHAPE: (0.1**2, 0.5**2),
    Unit.SHARE: (0.005, 0.05),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """How far a component is beyond normal, in the direction of its stream.

    Attributes:
        value: Mean over the judged windows, weighted by rows.
        bound: Lower bound of the effect, with 99 % confidence.
        windows: Number of windows in the mean.
        rows: Number of rows in the mean.
        unit: Unit of value and bound.
    """

    value: float
    bound: float
    windows: int
    rows: float
    unit: Unit

    @property
    def severity(self) -> Severity:
        """Severity that follows from the lower bound: INFO, WARNING or CRITICAL."""
        warning, critical = _SEVERE[self.unit]
        if self.bound >= critical:
            return Severity.CRITICAL
        return Severity.WARNING if self.bound >= warning else Severity.INFO

    @property
    def noise(self) -> float:
        """Standard deviation of the value."""
        return (self.value - self.bound) / CONFIDENCE

    @property
    def size(self) -> float:
        """Lower bound divided by the bound of a warning, to compare effects of different units."""
        warning, _ = _SEVERE[self.unit]
        return self.bound / warning


def effect_of(
    component: str, effect: Floats, variance: Floats, rows: Floats, judged: Floats
) -> Effect | None:
    """Return the effect over the windows since the onset; None if none was judged.

    Args:
        component: Name of the component.
        effect: Effect in each window, shape (W,).
        variance: Variance of the effect, shape (W,).
        rows: Number of rows of each window, shape (W,).
        judged: Scores, shape (W,); NaN if the window was not judged.
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
