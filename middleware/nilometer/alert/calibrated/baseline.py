"""The baseline of a column: normal values of each of its components.

There is one fit for the smooth components, one for the shape, and one for the rates of each
denominator. Components in one fit share their rows and their incidents.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nilometer.alert.calibrated.columns import Column, Floats
from nilometer.alert.calibrated.components import LEAST_SHAPE_DEGREES, Components, Layout
from nilometer.alert.calibrated.dispersion import Mask, long_run_ratio, tail_ratio, uneven
from nilometer.alert.calibrated.incidents import FARTHEST, MAD_TO_SD
from nilometer.alert.calibrated.normal import (
    MOST_DROPPED,
    Fitted,
    Normal,
    fit,
    seen_twice,
)
from nilometer.alert.calibrated.scores import chi_square_score
from nilometer.alert.calibrated.slots import HOLIDAY, WEEKDAY, Slots

LEAST_ROWS = 30  # fewest rows of a window that is judged
SMALL_WINDOW = 0.05  # quantile of the rows of windows; the shape needs half of that number
CLOCK_LIKE = 0.5  # windows with a larger mean shape always differ from the reference
LENGTHS = (1, 2, 3, 4, 6, 12, 24, 72, 288)  # window lengths, in base windows
MOST_ROWS_APART = 0.1  # largest share of the rows in windows with fewer than LEAST_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeNormal:
    """The normal values of the shape of one column.

    Attributes:
        normal: Normal values of the shape per row, ``(chi - degrees) / n``; one component.
        scale: Standard deviation of its score in each hour, at least 1, shape (hours,).
        least_rows: Fewest rows for which `scale` is valid.
    """

    normal: Normal
    scale: Floats
    least_rows: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The normal values of one column at one window length.

    Attributes:
        smooth: Normal values of the smooth components; None if none could be learned.
        shape: Normal values of the shape; None if the column has too few bins.
        rates: Normal values of the rates in `judged`; None without such rates.
        judged: Positions of the judged rates in the column, ascending.
        shares: Mean share of each judged rate, limited as by `within_reference`, shape (R,).
        windows: Number of windows that the baseline was learned from.
        dropped: Largest share of windows that one fit left out as incidents, 0 to 1.
        rows_per_request: Median rows of a request; NaN if the number of requests is unknown.
        knows_holidays: Whether holidays have means of their own, because two were learned from.
    """

    smooth: Normal | None
    shape: ShapeNormal | None
    rates: Normal | None
    judged: tuple[int, ...]
    shares: Floats
    windows: int
    dropped: float
    rows_per_request: float = math.nan
    knows_holidays: bool = False

    @property
    def unstable(self) -> bool:
        """Whether too many windows were incidents, so that this baseline must not be used."""
        return self.dropped > MOST_DROPPED

    @property
    def is_empty(self) -> bool:
        """Whether no component could be learned."""
        return self.smooth is None and self.rates is None


def learn(column: Column, counts: Floats, slots: Slots, teach: Mask) -> Baseline:
    """Learn the baseline of *column*.

    Args:
        column: The column.
        counts: Vectors of the column, shape (W, `column.width`), windows in order of time.
        slots: The slots of the windows.
        teach: Whether each window may be learned from, shape (W,).
    """
    layout = Layout([column])
    crowds = layout.rows_per_request(counts)[teach, 0]
    crowds = crowds[np.isfinite(crowds)]
    usual = float(np.median(crowds)) if len(crowds) else math.nan
    found = layout.components(layout.effective(counts, np.array([usual])))
    smooth = shape = None
    fits: list[Fitted] = []
    if len(layout.shaped):
        rows = found.numbers[:, 0]
        degree = int(layout.degrees[0])
        sampling = np.repeat(1 / np.maximum(rows, 1.0)[:, None], degree, axis=1)
        fitted = fit(found.smooth[:, 0, :degree], sampling, rows, slots, teach)
        if fitted is not None:
            fits.append(fitted)
            smooth = fitted.normal
            if layout.spare[0] >= LEAST_SHAPE_DEGREES:
                shape = _learn_shape(found, int(layout.spare[0]), slots, teach)
    judged, normals, shares = _learn_rates(column, found, slots, teach, fits)
    return Baseline(
        smooth=smooth,
        shape=shape,
        rates=Normal.joined(normals) if normals else None,
        judged=judged,
        shares=shares,
        windows=max((int(one.used.sum()) for one in fits), default=0),
        dropped=max((one.dropped for one in fits), default=0.0),
        rows_per_request=usual,
        knows_holidays=slots.per_day > 1 and _know_holidays(fits, slots),
    )


def _know_holidays(fits: Sequence[Fitted], slots: Slots) -> bool:
    kinds = [seen_twice(slots, one.used) for one in fits]
    return bool(kinds) and all(bool(one[WEEKDAY] and one[HOLIDAY]) for one in kinds)


def _learn_rates(
    column: Column, found: Components, slots: Slots, teach: Mask, fits: list[Fitted]
) -> tuple[tuple[int, ...], list[Normal], Floats]:
    """Return the positions, normals and mean shares of the judged rates; add to *fits*."""
    learned: list[tuple[int, ...]] = []
    normals: list[Normal] = []
    shares: list[Floats] = []
    for total in dict.fromkeys(rate.of for rate in column.rates):
        places = tuple(i for i, rate in enumerate(column.rates) if rate.of == total)
        rows = found.totals[:, places[0]]
        known = teach & (rows >= 1)
        if not known.any():
            continue
        rates = found.rates[:, places]
        share = within_reference(rates[known].mean(axis=0), column.rows)
        sampling = share * (1 - share) / np.maximum(rows, 1.0)[:, None]
        fitted = fit(rates, sampling, rows, slots, teach)
        if fitted is None:
            continue
        fits.append(fitted)
        learned.append(places)
        normals.append(fitted.normal)
        shares.append(share)
    # Rates of one denominator are adjacent, so these positions ascend.
    return tuple(_flat(learned)), normals, np.concatenate([np.zeros(0), *shares])


def _flat(parts: Iterable[tuple[int, ...]]) -> list[int]:
    return [place for part in parts for place in part]


def within_reference(share: Floats, rows: Floats | float) -> Floats:
    """Return *share*, kept at least one row of *rows* away from 0 and 1."""
    return np.asarray(np.clip(share, 1 / rows, 1 - 1 / rows))


def _learn_shape(found: Components, degrees: int, slots: Slots, teach: Mask) -> ShapeNormal | None:
    chi, rows = found.chi[:, 0], found.numbers[:, 0]
    divisor = np.maximum(rows, 1.0)
    excess = ((chi - degrees) / divisor)[:, None]
    fitted = fit(excess, 2 * degrees / divisor[:, None] ** 2, rows, slots, teach)
    judged = teach & (rows >= LEAST_ROWS)
    if fitted is None or not judged.any():
        return None
    mean = np.maximum(fitted.normal.mu(slots)[:, 0], 0.0)
    z = chi_square_score(chi, degrees, rows * mean)
    away = np.abs(z - np.median(z[judged]))
    kept = judged & (away <= FARTHEST * max(MAD_TO_SD * float(np.median(away[judged])), 1.0))
    square = max(float((z[kept] ** 2).mean()), 1.0)
    scale = np.sqrt(square * long_run_ratio(z[:, None], kept)[0])
    scale *= tail_ratio(z[kept][:, None] / np.sqrt(square))[0]
    hourly = uneven((z / scale)[:, None], kept, slots.hour, slots.hours)[:, 0]
    return ShapeNormal(
        normal=fitted.normal,
        scale=scale * np.sqrt(hourly),
        least_rows=float(0.5 * np.quantile(rows[judged], SMALL_WINDOW)),
    )


def merged(counts: Floats, length: int) -> Floats:
    """Merge *length* windows each; return vectors of shape (W // length, width)."""
    whole = len(counts) // length * length
    return np.asarray(counts[:whole].reshape(whole // length, length, counts.shape[1]).sum(axis=1))


def window_length(rows: Floats, shortest: int = 1, lengths: Sequence[int] = LENGTHS) -> int:
    """Return the length of the windows over which a column is judged, in base windows.

    The length depends on rows, not on windows, so quiet nights do not make it longer.

    Args:
        rows: Number of rows of each base window, shape (W,); the first one begins at midnight.
        shortest: Length of the windows that agents send, in base windows, at least 1.
        lengths: Possible lengths, ascending divisors of a day.

    Returns:
        The smallest of *lengths* that is at least *shortest* and puts nine tenths of the rows in
        windows with 30 rows or more. The largest of *lengths* if none does.
    """
    total = float(rows.sum())
    for length in lengths:
        if length < shortest:
            continue
        longer = merged(rows[:, None], length)[:, 0]
        if total and float(longer[longer < LEAST_ROWS].sum()) <= MOST_ROWS_APART * total:
            return length
    return lengths[-1]
