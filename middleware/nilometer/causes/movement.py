"""How far one feature moved, and which interval or category gained or lost most.

The strength of a movement is the lower bound of its effect in standard deviations of the time before:
of a smooth component (position, scale, skew, tails), of the whole shape (Cohen's w), or of a share. The
differences between comparable times before count as noise. A few times do not show them well for one
feature, so each feature's are shrunk to the median over all features.

Source: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd ed. (1988), chapter 7, for w.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from nilometer.alert.calibrated.components import SMOOTH, orthonormal
from nilometer.causes.cause import Share
from nilometer.causes.intervals import interval
from nilometer.causes.scene import FeatureSides, Floats
from nilometer.causes.shares import Counted, quantile
from nilometer.compare.bins import OTHER, UNSEEN, CommonBins, common_bins
from nilometer.profile.category import MASK_PREFIX
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn

LEAST_ROWS = 30  # fewest rows of each side
LEAST_TIMES = 3  # fewest comparable times whose differences are usable
PRIOR_TIMES = 4.0  # weight of the median over all features, in times
MOST_NAMES = 3  # new categories that a sentence names
NOT_A_NUMBER = "not a number"
MISSING, NOT_FINITE, OF_TYPE = "missing", "not finite", "of type "
_PLACES = frozenset({NOT_A_NUMBER, "a number", "null-like", OTHER, UNSEEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A share of a feature that changed.

    Attributes:
        where: Interval, category or state of the cells in words, such as ``in [0, 5)``.
        of: ``values`` or ``cells``, the denominator.
        counted: Counts of both sides.
        first: Position of the first bin; -1 for a share that is no bin.
        last: Position of the last bin.
    """

    where: str
    of: str
    counted: Counted
    first: int = -1
    last: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """The movement of one feature.

    Attributes:
        strength: Lower bound of the effect, in standard deviations; 0 without a movement.
        component: Component with this bound, such as ``position`` or ``missing``.
        told: Share that tells the movement best.
        other: Share that moved the other way; None if the first one is no bin.
        shares: All bins, for a picture.
    """

    strength: float
    component: str
    told: Moved
    other: Moved | None
    shares: tuple[Share, ...]


Movements: TypeAlias = Mapping[str, Movement | None]  # by summary; None if not comparable


@dataclass(frozen=True, slots=True)
class _Bins:
    """Counts of both sides in common bins.

    Attributes:
        wander: Usual variance of a component between times; None if it is unknown.
        past: Counts of each comparable time, shape (d, k).
        now: Counts since the onset, shape (k,).
        names: Name of each bin.
        ordered: Number of bins that have an order, the first ones; 0 for categories.
    """

    past: Floats
    now: Floats
    names: Sequence[str]
    ordered: int
    wander: float | None = None

    @property
    def before(self) -> Floats:
        """Counts of all comparable times, shape (k,)."""
        return np.asarray(self.past.sum(axis=0))

    def usual(self, low: int, high: int) -> float:
        """Return the standard deviation of the share of bins *low* to *high* between times."""
        rows = self.past.sum(axis=1)
        return _usual(self.past[:, low : high + 1].sum(axis=1), rows, self.wander)

    @property
    def times(self) -> tuple[Floats, Floats]:
        """Numbers of each time, shape (d, k), and since the onset, in bins with numbers before."""
        past, now = self.past[:, : self.ordered], self.now[: self.ordered]
        held = past.sum(axis=0) > 0
        return past[:, held], now[held]

    def counted(self, low: int, high: int) -> Counted:
        """Return the counts of the bins *low* to *high*, inclusive."""
        before = self.before
        return Counted(
            float(before[low : high + 1].sum()),
            float(before.sum()),
            float(self.now[low : high + 1].sum()),
            float(self.now.sum()),
        )


def movements_of(features: Sequence[FeatureSides]) -> Movements:
    """Return how far each feature moved.

    A side with fewer than `LEAST_ROWS` cells, or names that cannot be compared, gives None.
    """
    every = {one.summary: _common(one) for one in features}
    wanders = [
        wander
        for bins in every.values()
        if bins is not None and (wander := _wander(bins)) is not None
    ]
    usual = max(float(np.median(wanders)), 0.0) if wanders else None
    found: dict[str, Movement | None] = {}
    for one in features:
        bins = every[one.summary]
        cells = min(sum(past.cells for past in one.before), one.now.cells)
        if bins is None or cells < LEAST_ROWS:
            found[one.summary] = None
        else:
            found[one.summary] = _movement(one, replace(bins, wander=usual))
    return found


def _movement(sides: FeatureSides, bins: _Bins) -> Movement:
    found = [*_of_cells(sides, bins.wander)]
    if min(bins.before.sum(), bins.now.sum()) >= LEAST_ROWS:
        found += _of_bins(bins, sides)
    strength, component, told = max(found, key=lambda one: one[0])
    other = _other(bins, told)
    return Movement(
        strength=strength,
        component=component,
        told=told,
        other=other,
        shares=_picture(bins, told) if told.first >= 0 else _cells_picture(told),
    )


def counted_in(
    told: Moved, column: ReferenceColumn, profile: FeatureProfile
) -> tuple[float, float]:
    """Return the rows of *profile* in the share *told*, and all rows of its denominator.

    Args:
        told: Share of another profile of the same feature.
        column: Bins in which it was counted.
        profile: Profile of a part of the rows, such as a segment.
    """
    if told.first >= 0:
        bins = common_bins(column, profile)
        counts = () if bins is None else bins.current
        return float(sum(counts[told.first : told.last + 1])), float(sum(counts))
    cells = float(profile.cells)
    if told.where == MISSING:
        return float(profile.missing), cells
    if told.where == NOT_FINITE:
        return float(profile.non_finite), cells
    return float(profile.types.get(told.where.removeprefix(OF_TYPE), 0)), cells


def _common(sides: FeatureSides) -> _Bins | None:
    """Return both sides in the bins of the column; None if names cannot be compared."""
    now = common_bins(sides.column, sides.now)
    past = [common_bins(sides.column, one) for one in sides.before if one.count]
    known = [one for one in past if one is not None]
    if not known or len(known) < len(past):
        return None
    every = known if now is None else [*known, now]
    longest = max(every, key=lambda one: len(one.names))
    rows = [_padded(one, len(longest.names)) for one in known]
    empty = np.zeros(len(longest.names))
    names = longest.names
    return _Bins(
        np.array(rows),
        empty if now is None else _padded(now, len(names)),
        names,
        len(names) - names.count(NOT_A_NUMBER) if longest.ordered else 0,
    )


def _padded(bins: CommonBins, size: int) -> Floats:
    """Return the counts; a side without strange values lacks the last bin."""
    counts = np.zeros(size)
    counts[: len(bins.current)] = bins.current
    return counts


def _of_cells(sides: FeatureSides, wander: float | None) -> Iterator[tuple[float, str, Moved]]:
    """Yield the strength of missing cells and of each type."""
    past, now = sides.before, sides.now
    kinds = sorted({kind for one in (*past, now) for kind in one.types})
    expected = max(kinds, key=lambda kind: sum(one.types.get(kind, 0) for one in past), default="")
    states = [(MISSING, [one.missing for one in past], now.missing)]
    states.append((NOT_FINITE, [one.non_finite for one in past], now.non_finite))
    states += [
        (f"{OF_TYPE}{kind}", [one.types.get(kind, 0) for one in past], now.types.get(kind, 0))
        for kind in kinds
        if kind != expected
    ]
    rows = np.array([one.cells for one in past], np.float64)
    for where, before, count in states:
        counted = Counted(float(sum(before)), float(rows.sum()), float(count), float(now.cells))
        usual = _usual(np.array(before, np.float64), rows, wander)
        told = Moved(where=where, of="cells", counted=counted)
        yield counted.strength(len(states), usual), where, told


def _of_bins(bins: _Bins, sides: FeatureSides) -> Iterator[tuple[float, str, Moved]]:
    """Yield the strength of each smooth component, of the shape, and of the shares."""
    runs = [_run(bins, sides, sign) for sign in (1, -1)]
    told = max(runs, key=lambda one: _strength(bins, one))
    for one in runs:
        yield _strength(bins, one), "share", one
    if bins.ordered >= 2:
        for strength, component in _smooth(bins):
            yield strength, component, told


def _strength(bins: _Bins, one: Moved) -> float:
    """Return the strength of a run, which was chosen among all runs."""
    size = len(bins.names)
    tried = size * (size + 1) // 2 if bins.ordered else size
    return one.counted.strength(tried, bins.usual(one.first, one.last))


def _smooth(bins: _Bins) -> Iterator[tuple[float, str]]:
    past, now = bins.times
    total, count = past.sum(), now.sum()
    if len(now) < 2 or not count or not total:
        return
    shares = past.sum(axis=0) / total
    degree = min(len(SMOOTH), len(shares) - 1)
    basis = orthonormal(shares, degree)
    scores = (now / count) @ basis
    noise = 1.0 / count + 1.0 / total
    usual = np.sqrt(noise + _shrunk(_between(past, basis), len(past), bins.wander))
    spare = len(shares) - 1 - degree
    level = quantile(degree + (spare > 0))
    for name, score, deviation in zip(SMOOTH, scores, usual, strict=False):
        yield max(abs(float(score)) - level * float(deviation), 0.0), name
    if spare > 0:
        gap = now / count - shares
        chi = float((gap * gap / shares).sum() - (scores * scores).sum()) / noise
        beyond = max(chi - spare, 0.0)
        bound = beyond - level * float(np.sqrt(2.0 * (spare + 2.0 * beyond)))
        yield float(np.sqrt(max(bound, 0.0) * noise)), "shape"


def _wander(bins: _Bins) -> float | None:
    """Return the mean variance of the smooth components between times; None if it is unknown."""
    past, now = bins.times
    if len(now) < 2 or len(past) < LEAST_TIMES or not past.sum(axis=1).all():
        return None
    shares = past.sum(axis=0) / past.sum()
    return float(_between(past, orthonormal(shares, min(len(SMOOTH), len(shares) - 1))).mean())


def _between(past: Floats, basis: Floats) -> Floats:
    """Return the variance of each component between times beyond its sampling noise, shape (j,)."""
    rows = np.maximum(past.sum(axis=1), 1.0)
    if len(rows) < LEAST_TIMES:
        return np.zeros(basis.shape[1])
    return np.asarray(((past / rows[:, None]) @ basis).var(axis=0, ddof=1) - (1.0 / rows).mean())


def _shrunk(own: Floats, times: int, prior: float | None) -> Floats:
    """Return variances of *times* times, shrunk to *prior*, at least 0."""
    weight = 0.0 if prior is None else PRIOR_TIMES
    known = times - 1 if times >= LEAST_TIMES else 0
    mean = (known * own + weight * (prior or 0.0)) / max(known + weight, 1.0)
    return np.asarray(np.maximum(mean, 0.0))


def _run(bins: _Bins, sides: FeatureSides, sign: int) -> Moved:
    """Return the run of neighbouring bins that gained most (*sign* 1) or lost most (-1).

    A category is a run of its own. A bin joins a run if its own change is beyond its deviation.
    """
    before, now = bins.before, bins.now
    total, count = max(before.sum(), 1.0), max(now.sum(), 1.0)
    gap = sign * (now / count - before / total)
    both = (before + now) / (total + count)
    gap -= np.sqrt(both * (1.0 - both) * (1.0 / total + 1.0 / count))
    low = high = int(gap.argmax())
    if low < bins.ordered:
        low, high = _best_run(gap[: bins.ordered])
    return Moved(
        where=_where(bins, sides, low, high),
        of="values",
        counted=bins.counted(low, high),
        first=low,
        last=high,
    )


def _best_run(gains: Floats) -> tuple[int, int]:
    """Return the first and last position of the run with the largest sum (Kadane's algorithm)."""
    best, at = -np.inf, (0, 0)
    total, start = 0.0, 0
    for end, gain in enumerate(gains.tolist()):
        if total <= 0.0:
            total, start = 0.0, end
        total += gain
        if total > best:
            best, at = total, (start, end)
    return at


def _where(bins: _Bins, sides: FeatureSides, low: int, high: int) -> str:
    """Return the place of a run in words."""
    name = bins.names[low]
    if low < bins.ordered:
        return interval(name, bins.names[high])
    if name == UNSEEN:
        return f"names that were not there before{_new_names(sides)}"
    if name == OTHER:
        return "other names"
    return name if name in _PLACES else repr(name)


def _new_names(sides: FeatureSides) -> str:
    """Return the most frequent readable names that no time before had, in words."""
    known = {name for one in sides.before for name in one.categories.frequent.counts}
    known |= set(sides.column.dictionary.names if sides.column.dictionary else ())
    names = [
        name
        for name, _ in sides.now.categories.top(sides.now.categories.frequent.capacity)
        if name not in known and not name.startswith(MASK_PREFIX)
    ]
    return f", such as {', '.join(map(repr, names[:MOST_NAMES]))}" if names else ""


def _other(bins: _Bins, told: Moved) -> Moved | None:
    """Return the single bin that moved most in the other direction."""
    if told.first < 0:
        return None
    before, now = bins.before, bins.now
    gap = now / max(now.sum(), 1.0) - before / max(before.sum(), 1.0)
    at = int((gap if told.counted.change < 0 else -gap).argmax())
    if told.first <= at <= told.last or not gap[at]:
        return None
    where = interval(bins.names[at], bins.names[at]) if at < bins.ordered else repr(bins.names[at])
    return Moved(where=where, of="values", counted=bins.counted(at, at), first=at, last=at)


def _picture(bins: _Bins, told: Moved) -> tuple[Share, ...]:
    before = bins.before / max(bins.before.sum(), 1.0)
    now = bins.now / max(bins.now.sum(), 1.0)
    rows = zip(bins.names, before.tolist(), now.tolist(), strict=True)
    return tuple(
        Share(name, past, current, told.first <= at <= told.last)
        for at, (name, past, current) in enumerate(rows)
        if past or current
    )


def _cells_picture(told: Moved) -> tuple[Share, ...]:
    past, now = told.counted.share_before, told.counted.share_now
    return (
        Share(told.where, past, now, marked=True),
        Share("all other cells", 1.0 - past, 1.0 - now),
    )


def _usual(counts: Floats, rows: Floats, wander: float | None) -> float:
    """Return the standard deviation of a share between times beyond its sampling noise."""
    if not rows.all():
        return 0.0
    share = float(counts.sum() / rows.sum())
    own = np.zeros(1)
    if len(rows) >= LEAST_TIMES:
        own += (counts / rows).var(ddof=1) - (share * (1.0 - share) / rows).mean()
    prior = None if wander is None else wander * share * (1.0 - share)
    return float(np.sqrt(_shrunk(own, len(rows), prior)[0]))
