"""Recognises a conversion of units between two distributions of the same values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.tdigest import TDigest

LEVELS = np.linspace(0.05, 0.95, 19)  # quantiles that are compared; the tails are noisy
TIGHT = 0.015  # largest deviation of a rank from the formula without noise, 0 to 1
NOISE = 1.5  # deviation of a rank by noise, times sqrt(1/n + 1/m); exceeded in 2 % of samples
SAME = 0.02  # a factor this close to 1 is none, nor is a shift of this share of the middle half
KNOWN_WITHIN = 0.03  # relative difference from a known factor

# Factor, shift and meaning of known conversions. The inverse of each is known, too.
_KNOWN = (
    (1.8, 32.0, "Celsius", "Fahrenheit"),
    (1.0, 273.15, "Celsius", "kelvin"),
    (100.0, 0.0, "units such as euros or shares", "hundredths such as cents or per cent"),
    (1000.0, 0.0, "units", "thousandths"),
    (1e6, 0.0, "units", "millionths"),
    (60.0, 0.0, "minutes", "seconds"),
    (3600.0, 0.0, "hours", "seconds"),
    (24.0, 0.0, "days", "hours"),
    (1.609344, 0.0, "miles", "kilometres"),
    (3.28084, 0.0, "metres", "feet"),
    (2.54, 0.0, "inches", "centimetres"),
    (2.204623, 0.0, "kilograms", "pounds"),
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A linear formula between two columns.

    Attributes:
        formula: The formula in words, such as ``1.8 times as large, plus 32``.
        meaning: Known units that it converts, beginning with a comma; or empty.
    """

    formula: str
    meaning: str


def conversion(sent: TDigest, received: TDigest) -> Conversion | None:
    """Return the linear formula that turns one distribution into the other; None without one.

    Args:
        sent: Quantiles before the conversion.
        received: Quantiles after it.
    """
    x, y = sent.quantile(LEVELS), received.quantile(LEVELS)
    spread = float(y[14] - y[4])  # interquartile range
    if spread <= 0 or x[14] <= x[4]:
        return None
    through_zero = float((x @ y) / (x @ x))
    slope, shift = (float(one) for one in np.polyfit(x, y, 1))
    allowed = max(TIGHT, NOISE * (1 / sent.count + 1 / received.count) ** 0.5)
    if _deviation(received, through_zero * x, spread) <= allowed:
        slope, shift = through_zero, 0.0
    elif _deviation(received, slope * x + shift, spread) > allowed:
        return None
    if abs(slope - 1) <= SAME and abs(shift) <= SAME * spread:
        return None
    return Conversion(_formula(slope, shift), _meaning(slope, shift, spread))


def _deviation(received: TDigest, expected: NDArray[np.float64], spread: float) -> float:
    """Return how far the ranks of the *expected* quantiles are from their levels at most, 0 to 1."""
    near = 1e-3 * spread  # so that a value that is frequent has all its ranks
    below, above = received.rank(expected - near), received.rank(expected + near)
    return float(np.maximum(below - LEVELS, LEVELS - above).max())


def _formula(slope: float, shift: float) -> str:
    if abs(slope - 1) <= SAME:
        return f"{abs(shift):.3g} {'more' if shift > 0 else 'less'}"
    times = f"{slope:.3g} times as large"
    if not shift:
        return times
    return f"{times}, {'plus' if shift > 0 else 'minus'} {abs(shift):.3g}"


def _meaning(slope: float, shift: float, spread: float) -> str:
    for factor, added, before, after in _KNOWN:
        pairs = ((factor, added, before, after), (1 / factor, -added / factor, after, before))
        for known, known_shift, unit, other in pairs:
            close = abs(slope / known - 1) <= KNOWN_WITHIN
            if close and abs(shift - known_shift) <= KNOWN_WITHIN * max(spread, abs(known_shift)):
                return f", as if {unit} became {other}"
    return ""
