"""The model of an entity: columns with their baselines, which are scored together.

All columns of one window length are scored in the same few array operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nilometer.alert.calibrated.baseline import (
    CLOCK_LIKE,
    LEAST_ROWS,
    Baseline,
    within_reference,
)
from nilometer.alert.calibrated.columns import Column, Floats
from nilometer.alert.calibrated.components import SMOOTH, Layout
from nilometer.alert.calibrated.normal import Normal
from nilometer.alert.calibrated.scores import binomial_score, chi_square_score, normal_score
from nilometer.alert.calibrated.slots import KINDS_OF_DAYS, Calendar, Slots
from nilometer.alert.calibrated.tolerance import DEFAULT, Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A column that is judged.

    Attributes:
        column: The column.
        baseline: Normal values of the column.
        tolerance: How far the column may be from normal.
        factor: Factor of every tolerance; above 1 while the baseline has seen little data.
    """

    column: Column
    baseline: Baseline
    tolerance: Tolerance = DEFAULT
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Stream:
    """One component of one column in one direction.

    Attributes:
        column: Position of the column in the model.
        component: Name of the component, such as ``position`` or ``missing``.
        sign: 1 for values above normal, -1 for values below.
    """

    column: int
    component: str
    sign: int


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of W windows; every array has the shape (W, S).

    Attributes:
        z: Score of each stream; NaN if the window is not judged.
        effect: Distance from normal in the direction of the stream, in the component's unit.
        variance: Variance of the effect.
        rows: Number of rows that the component was computed from.
    """

    z: Floats
    effect: Floats
    variance: Floats
    rows: Floats


class Model:
    """Scores the columns of one window length.

    Args:
        judged: The columns.
        calendar: Calendar of the entity for this window length.

    Attributes:
        layout: Positions of the counts in a joined vector.
        streams: Streams in the order of the scores; those of one column are adjacent.
        of_stream: Position of the column of each stream, ascending, shape (S,).
    """

    def __init__(self, judged: Sequence[Judged], calendar: Calendar) -> None:
        self.calendar = calendar
        self.layout = Layout([one.column for one in judged])
        self._usual = np.array([one.baseline.rows_per_request for one in judged])
        self._smooth = _SmoothScores(self.layout, judged)
        self._shapes = _ShapeScores(self.layout, judged)
        self._rates = _RateScores(judged, calendar)
        streams = [*self._smooth.streams, *self._shapes.streams, *self._rates.streams]
        order = sorted(range(len(streams)), key=lambda i: streams[i].column)
        self._order = np.array(order, np.intp)
        self.streams = tuple(streams[i] for i in order)
        self.of_stream = np.array([stream.column for stream in self.streams], np.intp)

    def scores(self, counts: Floats, slots: Slots) -> Scored:
        """Return the scores of windows.

        Args:
            counts: Joined vectors of the layout, shape (W, `layout.width`).
            slots: The slots of the windows.
        """
        found = self.layout.components(self.layout.effective(counts, self._usual))
        parts = [
            self._smooth.of(found.smooth, found.numbers, slots),
            self._shapes.of(found.chi, found.numbers, slots),
            self._rates.of(found.rates, found.totals, slots),
        ]
        joined = (
            np.concatenate([getattr(part, name) for part in parts], axis=1)[:, self._order]
            for name in Scored.__slots__
        )
        return Scored(*joined)


def _nothing(windows: int) -> Scored:
    return Scored(*np.zeros((4, windows, 0)))


class _SmoothScores:
    """Scores position, scale, skew and tails of every column that has them, in both directions."""

    def __init__(self, layout: Layout, judged: Sequence[Judged]) -> None:
        places: list[tuple[int, int]] = []
        owners: list[int] = []
        normals: list[Normal] = []
        for place, i in enumerate(layout.shaped):
            normal = judged[i].baseline.smooth
            if normal is None:
                continue
            degree = int(layout.degrees[place])
            places += [(place, component) for component in range(degree)]
            owners += [i] * degree
            normals.append(normal)
        self._columns, self._components = np.array(places, np.intp).reshape(-1, 2).T
        self._normal = Normal.joined(normals) if normals else None
        if self._normal is not None:
            base = np.array([judged[i].tolerance.smooth for i in owners])
            factor = np.array([judged[i].factor for i in owners])
            self._tolerance = np.maximum(base, self._normal.wander) * factor
        self.streams = [
            Stream(owner, SMOOTH[component], sign)
            for sign in (1, -1)
            for owner, (_, component) in zip(owners, places, strict=True)
        ]

    def of(self, smooth: Floats, numbers: Floats, slots: Slots) -> Scored:
        normal = self._normal
        if normal is None:
            return _nothing(len(smooth))
        rows = numbers[:, self._columns]
        effect = smooth[:, self._columns, self._components] - normal.mu(slots)
        variance = normal.variance(1 / np.maximum(rows, 1.0), slots)
        both = np.concatenate([effect, -effect], axis=1)
        wide, many = np.tile(variance, 2), np.tile(rows, 2)
        z = (both - np.tile(self._tolerance, 2)) / np.sqrt(wide)
        z = normal_score(z, np.tile(normal.degrees, 2))
        return Scored(np.where(many >= LEAST_ROWS, z, np.nan), both, wide, many)


class _ShapeScores:
    """Scores the shape of every column that has one; only larger values are a drift."""

    def __init__(self, layout: Layout, judged: Sequence[Judged]) -> None:
        found = [
            (place, i, shape)
            for place, i in enumerate(layout.shaped)
            if (shape := judged[i].baseline.shape) is not None
        ]
        self._columns = np.array([place for place, _, _ in found], np.intp)
        self._degrees = layout.spare[self._columns].astype(np.float64)
        self._least_rows = np.array([shape.least_rows for _, _, shape in found])
        self.streams = [Stream(i, "shape", 1) for _, i, _ in found]
        self._normal = None
        if found:
            self._normal = Normal.joined([shape.normal for _, _, shape in found])
            self._scale = np.stack([shape.scale for _, _, shape in found], axis=1)
            base = np.array([judged[i].tolerance.shape for _, i, _ in found])
            factor = np.array([judged[i].factor for _, i, _ in found])
            self._tolerance = np.maximum(base, self._normal.wander) * factor

    def of(self, chi: Floats, numbers: Floats, slots: Slots) -> Scored:
        normal = self._normal
        if normal is None:
            return _nothing(len(chi))
        rows = numbers[:, self._columns]
        divisor = np.maximum(rows, 1.0)
        own = chi[:, self._columns]
        mean = np.maximum(normal.mu(slots), 0.0)
        z = chi_square_score(own, self._degrees, rows * (mean + self._tolerance))
        z = normal_score(z / self._scale[slots.hour], normal.degrees)
        seen = (rows >= np.maximum(self._least_rows, LEAST_ROWS)) & (mean < CLOCK_LIKE)
        variance = normal.variance(2 * self._degrees / divisor**2, slots)
        effect = (own - self._degrees) / divisor - mean
        return Scored(np.where(seen, z, np.nan), effect, variance, rows)


class _RateScores:
    """Scores every judged rate above normal, and also below it if it can fall enough."""

    def __init__(self, judged: Sequence[Judged], calendar: Calendar) -> None:
        places: list[int] = []
        owners: list[int] = []
        names: list[str] = []
        normals: list[Normal] = []
        shares: list[Floats] = []
        first = 0
        for i, one in enumerate(judged):
            rates = one.column.rates
            if one.baseline.rates is not None:
                places += [first + place for place in one.baseline.judged]
                owners += [i] * len(one.baseline.judged)
                names += [rates[place].name for place in one.baseline.judged]
                normals.append(one.baseline.rates)
                shares.append(one.baseline.shares)
            first += len(rates)
        self._places = np.array(places, np.intp)
        self._normal = Normal.joined(normals) if normals else None
        self._below = np.zeros(0, np.intp)
        if self._normal is not None:
            tolerances = [judged[i].tolerance for i in owners]
            self._floor = np.array([tolerance.rate for tolerance in tolerances])
            self._deviations = np.array([tolerance.rate_deviations for tolerance in tolerances])
            self._factor = np.array([judged[i].factor for i in owners])
            self._rows = np.array([judged[i].column.rows for i in owners])
            learned = np.concatenate(shares)
            self._shares = learned * (1 - learned)  # variance of one row in the learned windows
            mean = np.clip(self._normal.mu(_every_slot(calendar)), 0.0, 1.0)
            room = (mean > self._tolerance(mean)).any(axis=0)
            self._below = np.flatnonzero(room)
        self.streams = [Stream(owners[i], names[i], 1) for i in range(len(owners))]
        self.streams += [Stream(owners[i], names[i], -1) for i in self._below]

    def _tolerance(self, mean: Floats) -> Floats:
        normal = self._normal
        if normal is None:
            return mean
        relative = self._deviations * np.sqrt(mean * (1 - mean))
        widest = np.maximum(np.maximum(self._floor, relative), normal.wander)
        return np.asarray(widest * self._factor)

    def of(self, rates: Floats, totals: Floats, slots: Slots) -> Scored:
        normal = self._normal
        if normal is None:
            return _nothing(len(rates))
        share, rows = rates[:, self._places], totals[:, self._places]
        divisor = np.maximum(rows, 1.0)
        mean = np.clip(normal.mu(slots), 0.0, 1.0)
        known = within_reference(mean, self._rows)
        sampling = known * (1 - known) / divisor
        variance = normal.variance(self._shares / divisor, slots)
        effective = divisor * np.minimum(sampling / variance, 1.0)
        tolerance = self._tolerance(mean)
        up = binomial_score(share * effective, effective, mean + tolerance)
        some = self._below
        least = 1 - np.maximum(mean - tolerance, 0.0)[:, some]
        down = binomial_score((1 - share[:, some]) * effective[:, some], effective[:, some], least)
        down = np.where(mean[:, some] > tolerance[:, some], down, np.nan)
        z = np.concatenate([up, down], axis=1)
        effect = share - mean
        both = np.concatenate([effect, -effect[:, some]], axis=1)
        many = np.concatenate([rows, rows[:, some]], axis=1)
        wide = np.concatenate([variance, variance[:, some]], axis=1)
        return Scored(np.where(many >= LEAST_ROWS, z, np.nan), both, wide, many)


def _every_slot(calendar: Calendar) -> Slots:
    """Return one window of each slot of a calendar."""
    moments = np.tile(np.arange(calendar.per_day), KINDS_OF_DAYS)
    kinds = np.repeat(np.arange(KINDS_OF_DAYS), calendar.per_day)
    return Slots(np.zeros(len(moments), np.intp), moments, kinds, calendar.per_day)
