"""Changes of quantiles, in standard deviations of the reference.

A change within the sampling noise of the rank counts as 0. Otherwise a quantile at a step of the
distribution would jump by chance from one value to the next, for example for prices and flags.
"""

import math

import numpy as np

from nilometer.compare.comparator import Comparator, Fewest, Sides
from nilometer.compare.cumulative import deviation_of

NOISE = 3.3  # deviations of the rank that count as noise; one window in 1,000 exceeds them


def quantile_change(q: float, sides: Sides) -> float | None:
    """Return the absolute change of quantile *q*; None if a side has no numbers.

    Args:
        q: Share of the values below the quantile, 0 to 1.
        sides: Both sides, with numbers.

    Returns:
        A number of standard deviations of the reference, >= 0; 0 within the sampling noise.
    """
    past, now = sides.past.numbers, sides.now.numbers
    if not past.count or not now.count:
        return None
    noise = NOISE * math.sqrt(q * (1 - q) * (1 / past.count + 1 / now.count))
    around = np.clip([q - noise, q, q + noise], 0.0, 1.0)
    low, before, high = past.digest.quantile(around).tolist()
    found = float(now.digest.quantile(q))
    if low <= found <= high:
        return 0.0
    scale = deviation_of(past, now)
    change = abs(found - before) / scale if scale else math.inf
    return change if math.isfinite(change) else None


def _quantile(percent: int, fewest: int) -> Comparator:
    q = percent / 100
    return Comparator(
        name=f"p{percent:02d}_change",
        distance=lambda sides: quantile_change(q, sides),
        about=f"absolute change of the {q:g} quantile, if it is beyond sampling noise",
        unit="standard deviations",
        bias="0; a change that one window in a thousand shows without drift counts as 0",
        source="Mosteller 1946",
        fewest=Fewest(reference=fewest, current=fewest),
        needs_order=True,
    )


# The estimate of a tail quantile needs about five values beyond the quantile.
QUANTILES = tuple(
    _quantile(percent, fewest)
    for percent, fewest in ((1, 500), (5, 100), (50, 30), (95, 100), (99, 500))
)
