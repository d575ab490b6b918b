"""The model of an entity: scores columns with their baselines together.

All columns of one window length are scored in the same few array operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nilometer.alert.calibrated.baseline import (
    CLOCK_LIKE,
    LEAST_ROWS,
    Baseline,
    ShapeNormal,
    within_reference,
)
from nilometer.alert.calibrated.columns import Column, Floats
from nilometer.alert.calibrated.components import SMOOTH, Components, Layout
from nilometer.alert.calibrated.factors import Factors
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
        streams: Streams in the order of the scores; streams of one column are adjacent.
        of_stream: Position of the column of each stream, ascending, shape (S,).
    """

    def __init__(self, judged: Sequence[Judged], calendar: Calendar) -> None:
        self.calendar = calendar
        self.layout = Layout([one.column for one in judged])
        self._usual = np.array([one.baseline.rows_per_request for one in judged])
        self._parts: list[_Part] = []
        for kind in (_SmoothScores, _ShapeScores, _RateScores):
            part = kind.of(self.layout, judged, calendar)
            if part is not None:
                self._parts.append(part)
        streams = [stream for part in self._parts for stream in part.streams]
        order = sorted(range(len(streams)), key=lambda i: streams[i].column)
        self._order = np.array(order, np.intp)
        self.streams = tuple(streams[i] for i in order)
        self.of_stream = np.array([stream.column for stream in self.streams], np.intp)

    def z(self, counts: Floats, slots: Slots) -> Floats:
        """Return only the scores, shape (W, S), faster than `scores` and with its arguments."""
        found = self.layout.components(self.layout.effective(counts, self._usual))
        parts = [part.z(part.seen(found, slots), slots) for part in self._parts]
        return self._joined(parts, len(counts))

    def scores(self, counts: Floats, slots: Slots) -> Scored:
        """Return the scores of windows.

        Args:
            counts: Joined vectors of the layout, shape (W, `layout.width`).
            slots: The slots of the windows.
        """
        found = self.layout.components(self.layout.effective(counts, self._usual))
        both = [(part, part.seen(found, slots)) for part in self._parts]
        effects = [part.on_both_sides(seen.effect) for part, seen in both]
        for (part, _), effect in zip(both, effects, strict=True):
            np.negative(effect[:, part.components :], out=effect[:, part.components :])
        return Scored(
            z=self._joined([part.z(seen, slots) for part, seen in both], len(counts)),
            effect=self._joined(effects, len(counts)),
            variance=self._joined(
                [part.on_both_sides(seen.variance) for part, seen in both], len(counts)
            ),
            rows=self._joined([part.on_both_sides(seen.rows) for part, seen in both], len(counts)),
        )

    def _joined(self, parts: Sequence[Floats], windows: int) -> Floats:
        """Join the values of all streams of each part, in the order of the streams."""
        if not parts:
            return np.zeros((windows, 0))
        return np.take(np.concatenate(parts, axis=1), self._order, axis=1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The components of a part in W windows; every array has the shape (W, j).

    Attributes:
        value: Value of each component: the smooth component, the chi-square, or the rate.
        mean: Normal mean of each component.
        effect: Distance above normal.
        variance: Variance of the effect.
        rows: Number of rows that the component was computed from.
    """

    value: Floats
    mean: Floats
    effect: Floats
    variance: Floats
    rows: Floats


class _Part(Protocol):
    """Components of one kind, of all columns that have them.

    Attributes:
        streams: Streams above normal, one for each component, then streams below normal.
        components: Number of components.
    """

    streams: list[Stream]
    components: int

    def seen(self, found: Components, slots: Slots) -> _Seen:
        """Return the components of windows with their normal values."""
        ...

    def z(self, seen: _Seen, slots: Slots) -> Floats:
        """Return the score of each stream; NaN if the window is not judged."""
        ...

    def on_both_sides(self, values: Floats) -> Floats:
        """Return component *values*, shape (W, j), for the streams above and below normal."""
        ...


class _SmoothScores:
    """Scores position, scale, skew and tails of every column that has them, in both directions."""

    def __init__(
        self,
        places: Sequence[tuple[int, int]],
        owners: Sequence[int],
        normal: Normal,
        judged: Sequence[Judged],
    ) -> None:
        self._columns, self._components = np.array(places, np.intp).T
        self._normal = normal
        base = np.array([judged[i].tolerance.smooth for i in owners])
        self._tolerance = np.maximum(base, normal.wander)
        self._factors = _factors_of([judged[i] for i in owners])
        self._degrees = np.tile(normal.degrees, 2)
        self.components = len(owners)
        self.streams = [
            Stream(owner, SMOOTH[component], sign)
            for sign in (1, -1)
            for owner, (_, component) in zip(owners, places, strict=True)
        ]

    @classmethod
    def of(
        cls, layout: Layout, judged: Sequence[Judged], calendar: Calendar
    ) -> "_SmoothScores | None":
        """Return the scores; None if no column has such components."""
        del calendar
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
        return cls(places, owners, Normal.joined(normals), judged) if normals else None

    def seen(self, found: Components, slots: Slots) -> _Seen:
        rows = found.numbers[:, self._columns]
        value, mean = found.smooth[:, self._columns, self._components], self._normal.mu(slots)
        variance = self._normal.variance(1 / np.maximum(rows, 1.0), slots)
        return _Seen(value, mean, value - mean, variance, rows)

    def z(self, seen: _Seen, slots: Slots) -> Floats:
        deviation = np.sqrt(seen.variance)
        tolerance = self._tolerance * self._factors.at(slots)
        above = (seen.effect - tolerance) / deviation
        below = (-seen.effect - tolerance) / deviation
        few = seen.rows < LEAST_ROWS
        above[few] = below[few] = np.nan
        return normal_score(np.concatenate([above, below], axis=1), self._degrees)

    def on_both_sides(self, values: Floats) -> Floats:
        return np.concatenate([values, values], axis=1)


class _ShapeScores:
    """Scores the shape of every column that has one; only larger values are a drift."""

    def __init__(
        self,
        layout: Layout,
        judged: Sequence[Judged],
        shapes: Sequence[tuple[int, int, ShapeNormal]],
    ) -> None:
        self._columns = np.array([place for place, _, _ in shapes], np.intp)
        self._degrees = layout.spare[self._columns].astype(np.float64)
        least = np.array([shape.least_rows for _, _, shape in shapes])
        self._least_rows = np.maximum(least, LEAST_ROWS)
        self._normal = Normal.joined([shape.normal for _, _, shape in shapes])
        self._scale = np.stack([shape.scale for _, _, shape in shapes], axis=1)
        base = np.array([judged[i].tolerance.shape for _, i, _ in shapes])
        self._tolerance = np.maximum(base, self._normal.wander)
        self._factors = _factors_of([judged[i] for _, i, _ in shapes])
        self.components = len(shapes)
        self.streams = [Stream(i, "shape", 1) for _, i, _ in shapes]

    @classmethod
    def of(
        cls, layout: Layout, judged: Sequence[Judged], calendar: Calendar
    ) -> "_ShapeScores | None":
        """Return the scores; None if no column has a shape."""
        del calendar
        shapes = [
            (place, i, shape)
            for place, i in enumerate(layout.shaped)
            if (shape := judged[i].baseline.shape) is not None
        ]
        return cls(layout, judged, shapes) if shapes else None

    def seen(self, found: Components, slots: Slots) -> _Seen:
        rows, value = found.numbers[:, self._columns], found.chi[:, self._columns]
        divisor = np.maximum(rows, 1.0)
        mean = np.maximum(self._normal.mu(slots), 0.0)
        variance = self._normal.variance(2 * self._degrees / divisor**2, slots)
        return _Seen(value, mean, (value - self._degrees) / divisor - mean, variance, rows)

    def z(self, seen: _Seen, slots: Slots) -> Floats:
        noncentral = seen.rows * (seen.mean + self._tolerance * self._factors.at(slots))
        z = chi_square_score(seen.value, self._degrees, noncentral) / self._scale[slots.hour]
        z[(seen.rows < self._least_rows) | (seen.mean >= CLOCK_LIKE)] = np.nan
        return normal_score(z, self._normal.degrees)

    def on_both_sides(self, values: Floats) -> Floats:
        return values


class _RateScores:
    """Scores every judged rate above normal, and also below it if it can fall enough."""

    def __init__(
        self,
        places: Sequence[int],
        owners: Sequence[int],
        judged: Sequence[Judged],
        calendar: Calendar,
    ) -> None:
        self._places = np.array(places, np.intp)
        each = [judged[i].baseline for i in dict.fromkeys(owners)]
        self._normal = Normal.joined([one.rates for one in each if one.rates is not None])
        tolerances = [judged[i].tolerance for i in owners]
        self._floor = np.array([tolerance.rate for tolerance in tolerances])
        self._deviations = np.array([tolerance.rate_deviations for tolerance in tolerances])
        self._factors = _factors_of([judged[i] for i in owners])
        self._rows = np.array([judged[i].column.rows for i in owners])
        learned = np.concatenate([one.shares for one in each])
        self._shares = learned * (1 - learned)  # variance of one row in the learned windows
        every = _every_slot(calendar)
        mean = np.clip(self._normal.mu(every), 0.0, 1.0)
        rates = [
            judged[i].column.rates[place]
            for i in dict.fromkeys(owners)
            for place in judged[i].baseline.judged
        ]
        labels = [rate.name for rate in rates]
        may_fall = np.array([not rate.rises_only for rate in rates])
        falls = (mean > self._tolerance(mean, every)).any(axis=0)
        self._below = np.flatnonzero(falls & may_fall)
        self.components = len(owners)
        self.streams = [Stream(owner, name, 1) for owner, name in zip(owners, labels, strict=True)]
        self.streams += [Stream(owners[i], labels[i], -1) for i in self._below.tolist()]

    @classmethod
    def of(
        cls, layout: Layout, judged: Sequence[Judged], calendar: Calendar
    ) -> "_RateScores | None":
        """Return the scores; None if no column has judged rates."""
        del layout
        places: list[int] = []
        owners: list[int] = []
        first = 0
        for i, one in enumerate(judged):
            if one.baseline.rates is not None:
                places += [first + place for place in one.baseline.judged]
                owners += [i] * len(one.baseline.judged)
            first += len(one.column.rates)
        return cls(places, owners, judged, calendar) if owners else None

    def _tolerance(self, mean: Floats, slots: Slots) -> Floats:
        relative = self._deviations * np.sqrt(mean * (1 - mean))
        widest = np.maximum(np.maximum(self._floor, relative), self._normal.wander)
        return np.asarray(widest * self._factors.at(slots))

    def seen(self, found: Components, slots: Slots) -> _Seen:
        value, rows = found.rates[:, self._places], found.totals[:, self._places]
        mean = np.clip(self._normal.mu(slots), 0.0, 1.0)
        variance = self._normal.variance(self._shares / np.maximum(rows, 1.0), slots)
        return _Seen(value, mean, value - mean, variance, rows)

    def z(self, seen: _Seen, slots: Slots) -> Floats:
        mean, some = seen.mean, self._below
        divisor = np.maximum(seen.rows, 1.0)
        known = within_reference(mean, self._rows)
        sampling = known * (1 - known) / divisor
        effective = divisor * np.minimum(sampling / seen.variance, 1.0)
        tolerance = self._tolerance(mean, slots)
        low, allowed = mean[:, some], tolerance[:, some]
        # For a fall, count the complement: too few hits are too many misses.
        share = np.concatenate([seen.value, 1 - seen.value[:, some]], axis=1)
        most = np.concatenate([mean + tolerance, 1 - np.maximum(low - allowed, 0.0)], axis=1)
        rows = self.on_both_sides(effective)
        z = binomial_score(share * rows, rows, most)
        z[self.on_both_sides(seen.rows) < LEAST_ROWS] = np.nan
        z[:, self.components :][low <= allowed] = np.nan
        return z

    def on_both_sides(self, values: Floats) -> Floats:
        return np.concatenate([values, values[:, self._below]], axis=1)


def _factors_of(judged: Sequence[Judged]) -> Factors:
    """Return the factors of the tolerances of components, each of which has one of *judged*."""
    return Factors([one.factor for one in judged], [one.baseline.knows_holidays for one in judged])


def _every_slot(calendar: Calendar) -> Slots:
    """Return one window of each slot of a calendar."""
    moments = np.tile(np.arange(calendar.per_day), KINDS_OF_DAYS)
    kinds = np.repeat(np.arange(KINDS_OF_DAYS), calendar.per_day)
    return Slots(np.zeros(len(moments), np.intp), moments, kinds, calendar.per_day)
