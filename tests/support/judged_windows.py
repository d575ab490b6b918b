"""Counts of windows with a known true distribution, in the bins of a real reference.

Each numeric feature is a monotone function of a latent standard normal, and each category feature a
softmax over one. So a given drift of the latent has the same size for features of every shape.
Counts of a window are drawn from the exact probabilities of the bins, without creating rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtr

from nilometer.alert.calibrated.baseline import learn as learn_baseline
from nilometer.alert.calibrated.baseline import merged, window_length
from nilometer.alert.calibrated.columns import Column, Floats, Total
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.evidence import BUDGET
from nilometer.alert.calibrated.group import Subject
from nilometer.alert.calibrated.judge import EntityState, Judge
from nilometer.alert.calibrated.model import Judged
from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.slots import BASE_SECONDS, NS_PER_SECOND, Calendar
from nilometer.batch import reference_of
from nilometer.profile.numeric import Bounds
from nilometer.profile.reference import Reference

DAY = 288  # windows
BASE_NS = BASE_SECONDS * NS_PER_SECOND
START_NS = 1_750_636_800 * NS_PER_SECOND  # a Monday, 2025-06-23
ROWS = 20_000  # rows of the reference
GRID = np.linspace(-6.0, 6.0, 120_001)

SHAPES: dict[str, Callable[[Floats], Floats]] = {
    "normal": lambda u: np.asarray(stats.norm.ppf(u)),
    "lognormal": lambda u: np.exp(stats.norm.ppf(u)),
    "gamma": lambda u: np.asarray(stats.gamma.ppf(u, 0.3)),
    "poisson": lambda u: np.asarray(stats.poisson.ppf(u, 3)),
    "bimodal": lambda u: np.where(
        u < 0.4,
        stats.norm.ppf(np.clip(u / 0.4, 1e-9, 1 - 1e-9)),
        6 + stats.norm.ppf(np.clip((u - 0.4) / 0.6, 1e-9, 1 - 1e-9)),
    ),
    "zeros": lambda u: np.where(
        u < 0.6, 0.0, stats.expon.ppf(np.clip((u - 0.6) / 0.4, 0, 1 - 1e-12))
    ),
    "uniform": lambda u: u,
    "heavy": lambda u: np.asarray(stats.t.ppf(u, 3)),
}
Integers = NDArray[np.int64]
MISSING = (0.0, 0.0, 0.0, 0.01, 0.0, 0.05, 0.0, 0.0)  # share of missing cells of each shape


@dataclass
class Truth:
    """The true parameters of W windows of F features. Tests change it in place.

    Attributes:
        rows: Rows of each window, shape (W,).
        mean: Mean of the latent, shape (F, W).
        deviation: Its standard deviation, shape (F, W).
        missing: Share of missing cells, shape (F, W).
        fixed: Share of the third category, shape (F, W); NaN leaves it as it is.
        cluster: Number of identical copies of each row, at least 1.
    """

    rows: Integers
    mean: Floats
    deviation: Floats
    missing: Floats
    fixed: Floats
    cluster: int = 1


class World:
    """Features with a reference that the project's own code has built.

    Args:
        numbers: Number of numeric features; they have the shapes in `SHAPES`, in turn.
        sizes: Number of names of each category feature.
        seed: Seed of the reference.
    """

    def __init__(self, numbers: int, sizes: tuple[int, ...] = (), seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        shapes = [list(SHAPES)[i % len(SHAPES)] for i in range(numbers)]
        columns = {}
        for i, shape in enumerate(shapes):
            values = SHAPES[shape](np.clip(ndtr(rng.normal(size=ROWS)), 1e-12, 1 - 1e-12))
            lost = rng.random(ROWS) < MISSING[i % len(SHAPES)]
            columns[f"n{i}"] = pa.array(values, mask=lost)
        for i, size in enumerate(sizes):
            drawn = rng.choice(size, ROWS, p=_shares(size))
            columns[f"c{i}"] = pa.array([f"k{value}" for value in drawn])
        self.reference: Reference = reference_of(
            pa.table(columns), entity="m", name="training", source="test", created_ns=0
        )
        self.features = numbers + len(sizes)
        self.columns = [
            Column.of(name, self.reference.columns[name])
            for name in (f"input.{column}" for column in columns)
        ]
        self._numbers = [
            _NumberBins(column, shape, self.reference.columns[column.summary].bounds)
            for column, shape in zip(self.columns[:numbers], shapes, strict=True)
        ]
        self._categories = [
            _CategoryBins(column, size, i)
            for i, (column, size) in enumerate(zip(self.columns[numbers:], sizes, strict=True))
        ]

    def truth(
        self,
        windows: int,
        rows: int,
        *,
        seasonal: float = 0.0,
        overdispersed: float = 0.0,
        cluster: int = 1,
        seed: int = 0,
    ) -> Truth:
        """Return the parameters of windows without drift.

        Args:
            windows: Number of windows.
            rows: Mean number of rows of a window.
            seasonal: Amplitude of a daily swing of the mean, in sd; volume varies eightfold with
                it.
            overdispersed: Deviation of the mean between windows, in sd, with a correlation of .7.
            cluster: Number of identical copies of each row.
            seed: Seed of the variation between windows.
        """
        rng = np.random.default_rng(seed)
        mean = np.zeros((self.features, windows))
        volume = np.full(windows, rows)
        time = (np.arange(windows) % DAY) / DAY
        if seasonal:
            mean += seasonal * np.sin(2 * np.pi * (time + rng.random((self.features, 1))))
            busy = 0.2 + 1.6 * np.sin(np.pi * time) ** 2
            volume = np.maximum(rng.poisson(np.maximum(20, rows * busy)), 10)
        if overdispersed:
            step = rng.normal(0, overdispersed * np.sqrt(1 - 0.7**2), mean.shape)
            level = np.zeros(self.features)
            for i in range(windows):
                level = 0.7 * level + step[:, i]
                mean[:, i] += level
        missing = np.zeros_like(mean)
        for i in range(len(self._numbers)):
            missing[i] = MISSING[i % len(SHAPES)]
        return Truth(
            rows=volume,
            mean=mean,
            deviation=np.ones_like(mean),
            missing=missing,
            fixed=np.full_like(mean, np.nan),
            cluster=cluster,
        )

    def counts(self, truth: Truth, seed: int = 0) -> list[Floats]:
        """Return vectors of each column, shape (W, width), drawn from *truth*."""
        rng = np.random.default_rng(seed)
        found = []
        for i, column in enumerate(self.columns):
            lost = rng.binomial(truth.rows // truth.cluster, truth.missing[i]) * truth.cluster
            left = (truth.rows - lost) // truth.cluster
            if i < len(self._numbers):
                own = self._numbers[i].draw(left, truth.mean[i], truth.deviation[i], rng)
            else:
                bins = self._categories[i - len(self._numbers)]
                own = bins.draw(left, truth.mean[i], truth.fixed[i], rng)
            own = own * truth.cluster
            vectors = np.zeros((len(truth.rows), column.width))
            self._fill(vectors, column, own, lost)
            found.append(vectors)
        return found

    @staticmethod
    def _fill(vectors: Floats, column: Column, own: Floats, lost: Integers) -> None:
        totals = column.width - len(Total)
        vectors[:, column.bins] = lost
        if column.bins:
            vectors[:, : column.bins] = own[:, : column.bins]
            outside = own[:, column.bins :]
            vectors[:, column.bins + 2 : column.bins + 2 + outside.shape[1]] = outside
            vectors[:, totals + Total.NUMBERS] = own[:, : column.bins].sum(axis=1)
            if len(column.rates) > 4:
                vectors[:, totals + Total.NUMBERS] += outside[:, 2]
        else:
            vectors[:, 2 : 2 + own.shape[1]] = own
            vectors[:, totals + Total.CATEGORIES] = own.sum(axis=1)
        vectors[:, totals + Total.CELLS] = (
            lost + vectors[:, totals + Total.NUMBERS] + vectors[:, totals + Total.CATEGORIES]
        )
        vectors[:, totals + Total.REQUESTS] = vectors[:, totals + Total.CELLS]


class _NumberBins:
    """Exact probabilities of a numeric column's bins, and of values outside the reference."""

    def __init__(self, column: Column, shape: str, bounds: Bounds | None) -> None:
        assert bounds is not None
        assert bounds.low is not None
        assert bounds.high is not None
        values = _values(shape)

        def at(edge: float) -> float:
            return float(GRID[np.searchsorted(values, edge, "left")]) if edge <= values[-1] else 9.0

        self._column = column
        self._edges = np.array([at(edge) for edge in column.edges])
        self._low, self._high = at(bounds.low), at(float(np.nextafter(bounds.high, np.inf)))

    def draw(
        self, rows: Integers, mean: Floats, deviation: Floats, rng: np.random.Generator
    ) -> Floats:
        """Return counts, shape (W, bins + 2 or 3): in the bins, below, above, between."""
        cuts = np.unique(np.concatenate([self._edges, [self._low, self._high]]))
        cumulative = ndtr((cuts - mean[:, None]) / deviation[:, None])
        shares = np.diff(cumulative, axis=1, prepend=0.0, append=1.0)
        fine = rng.multinomial(rows, np.maximum(shares, 0) / shares.sum(axis=1, keepdims=True))
        below = fine[:, : np.searchsorted(cuts, self._low) + 1].sum(axis=1)
        above = fine[:, np.searchsorted(cuts, self._high) + 1 :].sum(axis=1)
        starts = np.concatenate([[0], np.searchsorted(cuts, self._edges) + 1])
        binned = np.add.reduceat(fine, starts, axis=1)
        binned[:, :-1][:, starts[1:] == starts[:-1]] = 0  # bins that this distribution cannot reach
        held = self._column.held
        empty = np.flatnonzero(~held)
        between = empty[(empty > 0) & (empty < len(held) - 1)]
        parts = [binned[:, held], below[:, None], above[:, None]]
        if len(self._column.rates) > 4:
            parts.append(binned[:, between].sum(axis=1)[:, None])
        return np.concatenate(parts, axis=1).astype(np.float64)


class _CategoryBins:
    """Exact probabilities of a category column's names."""

    def __init__(self, column: Column, size: int, place: int) -> None:
        self._shares = _shares(size)
        self._sign = np.random.default_rng(99 + place).choice([-1.0, 1.0], size)
        names = {rate.name: i for i, rate in enumerate(column.rates[2:])}
        self._names = len(names)
        self._to = np.array([names.get(f"= k{value}", names["other"]) for value in range(size)])

    def draw(self, rows: Integers, mean: Floats, fixed: Floats, rng: np.random.Generator) -> Floats:
        """Return counts of each dictionary name, other and unseen; shape (W, names)."""
        shares = self._shares * np.exp(mean[:, None] * self._sign)
        shares /= shares.sum(axis=1, keepdims=True)
        moved = np.isfinite(fixed)
        if moved.any() and len(self._shares) > 2:
            rest = shares[moved]
            rest[:, 2] = 0.0
            shares[moved] = rest / rest.sum(axis=1, keepdims=True) * (1 - fixed[moved])[:, None]
            shares[moved, 2] = fixed[moved]
        joined = np.zeros((len(mean), self._names))
        for name in range(self._names):
            joined[:, name] = shares[:, self._to == name].sum(axis=1)
        return rng.multinomial(rows, joined / joined.sum(axis=1, keepdims=True)).astype(np.float64)


def _shares(size: int) -> Floats:
    shares = 1 / np.arange(1, size + 1) ** 1.1
    if size >= 5:  # the third name has exactly 5 %
        shares[2] = 0.0
        shares = 0.95 * shares / shares.sum()
        shares[2] = 0.05
    return np.asarray(shares / shares.sum())


@cache
def _values(shape: str) -> Floats:
    return SHAPES[shape](np.clip(ndtr(GRID), 1e-12, 1 - 1e-12))


class Judgeable(Protocol):
    """What has columns to judge, such as a `World`."""

    @property
    def columns(self) -> Sequence[Column]:
        """The columns."""
        ...


def judge_of(
    world: Judgeable, counts: list[Floats], learn: int, factor: float = 1.0, agents: int = 1
) -> Judge:
    """Return a judge that has learned from the first *learn* windows, all on weekdays.

    Args:
        world: World that the columns are from.
        counts: Vectors of each column in each base window.
        learn: Number of base windows to learn from.
        factor: Factor by which every tolerance is multiplied.
        agents: Number of judges that share the budget, as agents that are cut off do.
    """
    subjects = []
    for column, vectors in zip(world.columns, counts, strict=True):
        totals = vectors[:learn, -len(Total) :]
        values = totals[:, Total.NUMBERS] + totals[:, Total.CATEGORIES]
        length = window_length(values if values.any() else totals[:, Total.CELLS])
        longer = merged(vectors[:learn], length)
        calendar = Calendar(window_seconds=length * BASE_SECONDS)
        starts = START_NS + np.arange(len(longer), dtype=np.int64) * length * BASE_NS
        baseline = learn_baseline(
            column, longer, calendar.slots(starts), np.ones(len(longer), bool)
        )
        judged = Judged(column=column, baseline=baseline, factor=factor)
        share = 1 / len(world.columns)
        subjects.append(
            Subject(key=PartKey(column.summary), judged=judged, length=length, share=share)
        )
    return Judge(subjects, budget=BUDGET * agents)


@dataclass(frozen=True)
class Seen:
    """The result of a judge after the learning span.

    Attributes:
        opened: Window in which a part of each summary first opened; the first judged window is 1.
        episodes: Number of episodes that opened.
        closed: Windows in which an episode closed.
    """

    opened: dict[str, int]
    episodes: int
    closed: list[int]


def replayed(world: Judgeable, judge: Judge, counts: list[Floats], learn: int) -> Seen:
    """Judge the windows after the learning span."""
    later = {
        PartKey(column.summary): vectors[learn:]
        for column, vectors in zip(world.columns, counts, strict=True)
    }
    opened: dict[str, int] = {}
    closed = []
    episodes = 0
    start = START_NS + learn * BASE_NS
    for window, (_, verdict) in enumerate(judge.replay(EntityState(), later, start), start=1):
        for event in verdict.parts:
            if event.change is PartChange.OPENED:
                opened.setdefault(event.key.summary, window)
        episodes += len(verdict.told.opened)
        closed += [window] * len(verdict.told.closed)
    return Seen(opened, episodes, closed)
