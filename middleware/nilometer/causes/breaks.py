"""The time at which a share changed, in a series of windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nilometer.causes.scene import Floats
from nilometer.causes.shares import Counted

FEWEST = 2  # fewest windows of each side of a break


@dataclass(frozen=True, slots=True)
class Break:
    """The largest change of a share in a series of windows.

    Attributes:
        at: Position of the first window after the change.
        counted: Counts of the windows before and after.
        strength: Lower bound of the change in standard deviations, over all positions that were tried.
    """

    at: int
    counted: Counted
    strength: float


def largest_break(counts: Sequence[float], rows: Sequence[float], tried: int = 1) -> Break | None:
    """Return the position that splits a series into the two most different shares.

    What the windows of both sides vary beyond the noise of their rows counts as noise, too.

    Args:
        counts: Counted rows of each window, oldest first.
        rows: All rows of each window.
        tried: Number of series that were searched.

    Returns:
        The break, of any strength; None if a side would have fewer than `FEWEST` windows with rows.
    """
    count, total = np.asarray(counts, np.float64), np.asarray(rows, np.float64)
    if len(count) < 2 * FEWEST:
        return None
    places = range(FEWEST, len(count) - FEWEST + 1)
    sides = [_counted(count, total, at) for at in places]
    usable = [(at, one) for at, one in zip(places, sides, strict=True) if _has_rows(one)]
    if not usable:
        return None
    at, best = max(usable, key=lambda one: abs(one[1].score))
    beyond = max(_dispersion(count, total, at) - 1.0, 0.0)
    strength = best.strength(tried * len(usable), float(np.sqrt(beyond)) * best.deviation)
    return Break(at, best, strength)


def _counted(count: Floats, total: Floats, at: int) -> Counted:
    return Counted(
        float(count[:at].sum()),
        float(total[:at].sum()),
        float(count[at:].sum()),
        float(total[at:].sum()),
    )


def _has_rows(one: Counted) -> bool:
    return min(one.before_rows, one.now_rows) > 0.0


def _dispersion(count: Floats, total: Floats, at: int) -> float:
    """Return the mean square of the standard scores of the windows around the share of their side."""
    held = total > 0
    squares, degrees = 0.0, -2
    for side in (slice(None, at), slice(at, None)):
        rows, part = total[side][held[side]], count[side][held[side]]
        share = min(max(part.sum() / rows.sum(), 0.5 / rows.sum()), 1.0 - 0.5 / rows.sum())
        squares += float(((part - share * rows) ** 2 / (rows * share * (1.0 - share))).sum())
        degrees += len(rows)
    return squares / max(degrees, 1)
