"""Scores: predicted probabilities, counted in bins that suit rare events and decisions.

There are 99 edges of equal distance .01, and 63 edges whose logits are evenly spaced from -10 to
10. Both include .5, so there are 162 bins. Equal widths alone would hide rare events, and quantiles
of a reference would hide calibration. Decision thresholds are edges as well. The count and the sum
of the scores in each bin are kept by predicted class, and by true class once it is known. That is
enough for a calibration curve, an area under a curve, a Brier score, or an estimate without ground
truth.

A matrix of class probabilities is profiled by the largest value of each row, which gives the
predicted class. The margin over the second largest value, and the row's entropy in nats, are
profiled as well.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.content import DataType, TypeCounts
from nilometer.sketch.codec import between, scaled_counts
from nilometer.sketch.moments import Moments

Floats = NDArray[np.float64]

EQUAL_WIDTH = np.arange(1, 100) / 100.0
LOGITS = np.linspace(-10.0, 10.0, 63)
UNION_EDGES: Floats = np.unique(
    np.concatenate([EQUAL_WIDTH, np.where(LOGITS == 0.0, 0.5, 1.0 / (1.0 + np.exp(-LOGITS)))])
)
DECISION = 0.5  # threshold if no other is set
MAX_CLASSES = 100  # pairs of predicted and true class; others are predicted `other`
OTHER = "other"

Pair: TypeAlias = tuple[str, str]  # predicted class, true class; the latter is empty if unknown


def score_edges(thresholds: Sequence[float]) -> Floats:
    """Return ascending edges that include the decision *thresholds*; 161 without any."""
    return np.unique(np.concatenate([UNION_EDGES, np.asarray(thresholds, dtype=np.float64)]))


@dataclass(frozen=True, slots=True, eq=False)
class ScoreBins:
    """The scores of one pair of classes.

    Attributes:
        counts: Number of scores in each bin, shape (bins,), int64.
        sums: Sum of the scores in each bin, shape (bins,).
    """

    counts: NDArray[np.int64]
    sums: Floats

    @property
    def count(self) -> int:
        """Number of scores."""
        return int(self.counts.sum())


@dataclass(slots=True)
class ScoreProfile:
    """The scores of one output. Has one owner; parts merge exactly, except for rounded sums.

    Attributes:
        thresholds: Decision thresholds that are edges, ascending, inside (0, 1).
        classes: Bins by predicted and true class.
        score: Moments of all scores, from the sums of p and of its squares.
        margin: Moments of the margin, for rows of several probabilities.
        entropy: Moments of the entropy in nats, for rows of several probabilities.
        outside: Count of finite scores below 0 or above 1, which are in no bin.
        not_a_number: Count of cells that are missing, not finite or not a number.
    """

    kind: ClassVar[str] = "scores"

    thresholds: tuple[float, ...] = ()
    classes: dict[Pair, ScoreBins] = field(default_factory=dict)
    score: Moments = field(default_factory=Moments)
    margin: Moments = field(default_factory=Moments)
    entropy: Moments = field(default_factory=Moments)
    outside: int = 0
    not_a_number: int = 0

    @property
    def count(self) -> int:
        """Number of scores in bins."""
        return sum(bins.count for bins in self.classes.values())

    @property
    def cells(self) -> int:
        """Number of scores in bins."""
        return self.count

    @property
    def type_counts(self) -> TypeCounts:
        """The number of scores, because each is a number."""
        return TypeCounts(numbers=self.count)

    @property
    def data_type(self) -> DataType:
        """``number``, or ``empty`` without scores."""
        return self.type_counts.data_type

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The statistics; scores are from 0 to 1."""
        return _STATISTICS

    @property
    def edges(self) -> Floats:
        """Edges of the bins: a value equal to an edge belongs to the bin on its right."""
        return score_edges(self.thresholds)

    def observe(self, scores: Floats, truth: Sequence[str] | None = None) -> None:
        """Add *scores* of a binary classifier, shape (n,), with their true classes if known.

        The predicted class is the number of thresholds (.5 by default) that a score reaches:
        ``"0"`` or ``"1"`` with one threshold.
        """
        cuts = np.asarray(self.thresholds or (DECISION,))
        predicted = np.searchsorted(cuts, scores, side="right")
        self._add(scores, predicted, truth)

    def observe_matrix(self, rows: Floats, truth: Sequence[str] | None = None) -> None:
        """Add *rows* of class probabilities, shape (n, k), k at least 2."""
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        whole = rows[finite]
        self.not_a_number += int(rows.shape[0] - whole.shape[0])
        if not whole.size:
            return
        kept = (
            None
            if truth is None
            else [t for t, ok in zip(truth, finite.tolist(), strict=True) if ok]
        )
        top = np.sort(whole, axis=1)
        self.margin = self.margin.merge(Moments.of(top[:, -1] - top[:, -2]))
        inside = np.clip(whole, 1e-300, None)
        self.entropy = self.entropy.merge(Moments.of(-(whole * np.log(inside)).sum(axis=1)))
        self._add(top[:, -1], whole.argmax(axis=1), kept)

    def merge(self, other: Self) -> Self:
        """Return the profile of both."""
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """Return one profile of all; the result is bit-identical for every order of *profiles*.

        A threshold that not all profiles have is no longer an edge. Its bins are joined exactly.
        """
        parts = sorted(profiles, key=_canonical)
        common = set(parts[0].thresholds if parts else ())
        merged = cls(tuple(sorted(common.intersection(*(part.thresholds for part in parts)))))
        edges = merged.edges
        for part in parts:
            # Start of each joined bin among the bins of this part, which has at least all these
            # edges.
            starts = np.concatenate([[0], part.edges.searchsorted(edges) + 1])
            for pair, bins in sorted(part.classes.items()):
                merged._put(
                    pair, np.add.reduceat(bins.counts, starts), np.add.reduceat(bins.sums, starts)
                )
            merged.score = merged.score.merge(part.score)
            merged.margin = merged.margin.merge(part.margin)
            merged.entropy = merged.entropy.merge(part.entropy)
            merged.outside += part.outside
            merged.not_a_number += part.not_a_number
        return merged

    def scaled(self, factor: float) -> Self:
        """Return the counts times *factor*, at least 1, rounded alike for bins and moments."""
        found = {pair: self.classes[pair] for pair in sorted(self.classes)}
        size = self.edges.size + 1
        every = scaled_counts([n for bins in found.values() for n in bins.counts.tolist()], factor)
        classes = {
            pair: ScoreBins(
                np.array(every[at * size : (at + 1) * size], dtype=np.int64), bins.sums * factor
            )
            for at, (pair, bins) in enumerate(found.items())
        }
        return type(self)(
            self.thresholds,
            classes,
            self.score.scaled(factor),
            self.margin.scaled(factor),
            self.entropy.scaled(factor),
            round(self.outside * factor),
            round(self.not_a_number * factor),
        )

    def suppressed(self, fewest: int) -> Self:
        """Return itself, because the names of classes are defined by the model."""
        del fewest
        return self

    def coarsened(self, fewest: int) -> Self:
        """Return the profile in which every number represents at least *fewest* scores.

        Counts are kept, because the edges are public ranges. Each score is replaced by the middle
        of its bin, because otherwise the difference between overlapping sums could reveal a score.
        Margin and entropy are left out if there are fewer rows than *fewest*.
        """
        edges = np.concatenate([[0.0], self.edges, [1.0]])
        middles = (edges[:-1] + edges[1:]) / 2
        counts = np.zeros(middles.size)
        for bins in self.classes.values():
            counts += bins.counts
        return type(self)(
            self.thresholds,
            {
                pair: ScoreBins(bins.counts, bins.counts * middles)
                for pair, bins in self.classes.items()
            },
            Moments.of_weighted(middles[counts > 0], counts[counts > 0]),
            self.margin if self.margin.count >= fewest else Moments(),
            self.entropy if self.entropy.count >= fewest else Moments(),
            self.outside,
            self.not_a_number,
        )

    def by_predicted(self) -> Mapping[str, int]:
        """Return the scores by predicted class."""
        counts: dict[str, int] = {}
        for (predicted, _), bins in self.classes.items():
            counts[predicted] = counts.get(predicted, 0) + bins.count
        return dict(sorted(counts.items()))

    def describe(self) -> str:
        """Return a table of classes and other counts, as text."""
        rows = [f"{'predicted':<12} {'true':<12} {'count':>10} {'mean score':>11}"]
        for (predicted, true), bins in sorted(self.classes.items()):
            mean = float(bins.sums.sum()) / max(bins.count, 1)
            rows.append(f"{predicted:<12} {true or '-':<12} {bins.count:>10} {mean:>11.4g}")
        rows.append(f"outside [0, 1] {self.outside}, not a number {self.not_a_number}")
        return "\n".join(rows)

    def _add(
        self, scores: Floats, predicted: NDArray[np.intp], truth: Sequence[str] | None
    ) -> None:
        finite = np.isfinite(scores)
        inside = finite & (scores >= 0.0) & (scores <= 1.0)
        self.not_a_number += int(scores.size - np.count_nonzero(finite))
        self.outside += int(np.count_nonzero(finite) - np.count_nonzero(inside))
        kept = np.flatnonzero(inside)
        if not kept.size:
            return
        self.score = self.score.merge(Moments.of(scores[kept]))
        labels = np.array(["" if truth is None else str(truth[at]) for at in kept.tolist()])
        classes = predicted[kept]
        edges = self.edges
        for predicted_class in np.unique(classes).tolist():
            for true in np.unique(labels).tolist():
                chosen = kept[(classes == predicted_class) & (labels == true)]
                if chosen.size:
                    ordered = np.sort(scores[chosen])
                    below = ordered.searchsorted(edges, "left")
                    sums = np.concatenate([[0.0], np.cumsum(ordered)])
                    ends = np.concatenate([[0], below, [ordered.size]])
                    pair = (str(predicted_class), true)
                    self._put(pair, between(below, ordered.size), np.diff(sums[ends]))

    def _put(self, pair: Pair, counts: NDArray[np.int64], sums: Floats) -> None:
        held = self.classes.get(pair)
        if held is None and len(self.classes) >= MAX_CLASSES:
            pair = (OTHER, pair[1] if (OTHER, pair[1]) in self.classes else "")
            held = self.classes.get(pair)
        if held is not None:
            counts, sums = held.counts + counts, held.sums + sums
        self.classes[pair] = ScoreBins(counts, sums)


_STATISTICS: Mapping[str, Callable[[ScoreProfile], float | None]] = {
    "count": lambda scores: float(scores.count),
    "mean": lambda scores: scores.score.mean if scores.score.count else None,
}


def _canonical(profile: ScoreProfile) -> tuple[object, ...]:
    """Return a sort key that does not depend on arrival, so that float sums are always equal."""
    moments = profile.score
    pairs = tuple((pair, bins.count) for pair, bins in sorted(profile.classes.items()))
    return (moments.count, moments.mean, moments.m2, pairs)
