"""Performance of a classifier: predictions with their true classes, in counts that merge exactly.

Kept are the confusion counts, and for each scored class the histogram of its scores by whether the
class was predicted and whether it was true. All metrics are functions of these counts, so they
exist for any union of labels and windows. The logarithmic loss and the Brier score are means over
rows from exact sums.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self, TypeAlias

import numpy as np

from nilometer.profile.content import TypeCounts
from nilometer.profile.performance import rates
from nilometer.profile.performance.estimate import Estimate, share
from nilometer.profile.performance.judged import Judged, value_of
from nilometer.profile.performance.mean import NO_MEAN, Mean
from nilometer.profile.performance.rates import Rate
from nilometer.profile.performance.score_cells import Floats, ScoreCells
from nilometer.values.labels import OVERFLOW_KEY

MAX_CLASSES = 64  # most classes of a content; others are merged to `OVERFLOW_KEY`
FEWEST_OF_CLASS = 5  # rows in and out of each scored class, for an interval of the logarithmic loss
UNKNOWN = ""  # predicted class of a row without a prediction
_NOT_AVERAGED = frozenset({UNKNOWN, OVERFLOW_KEY})

Pair: TypeAlias = tuple[str, str]  # predicted class, true class


@dataclass(frozen=True, slots=True)
class Classification(Judged):
    """Predicted and true classes, with scores if known.

    Contents keep the `MAX_CLASSES` smallest names of classes. All others are merged to the class
    `OVERFLOW_KEY`, whose scores are not kept: it has empty cells if one of them was scored.

    Attributes:
        thresholds: Decision thresholds that are edges of the bins, ascending, inside (0, 1).
        confusion: Number of rows by predicted and true class.
        correct: Number of rows whose prediction is right.
        scores: Cells by scored class. A binary classifier scores its positive class only.
        log_loss: Logarithmic loss of the rows with scores, in nats.
        brier: Squared distance between the scores and the truth; of all classes added, if several
            are scored.
        unlabelled: Number of rows without a true class, which count nowhere else.
        unscored: Number of rows whose score is missing, not a number, or outside [0, 1].
    """

    kind: ClassVar[str] = "classification"

    thresholds: tuple[float, ...] = ()
    confusion: Mapping[Pair, int] = field(default_factory=dict)
    correct: int = 0
    scores: Mapping[str, ScoreCells] = field(default_factory=dict)
    log_loss: Mean = NO_MEAN
    brier: Mean = NO_MEAN
    unlabelled: int = 0
    unscored: int = 0

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """Return one content of all; no order or grouping of *contents* changes a bit of it.

        A threshold that not all contents with scored rows have is no longer an edge.
        """
        parts = list(contents)
        # Rows with a loss are scored, even if all of their classes were merged to `OVERFLOW_KEY`.
        scored = [part for part in parts if part.log_loss.count]
        common = set(scored[0].thresholds if scored else ())
        thresholds = tuple(sorted(common.intersection(*(part.thresholds for part in scored))))
        cells: dict[str, ScoreCells] = {}
        confusion: dict[Pair, int] = {}
        for part in parts:
            for pair, count in part.confusion.items():
                confusion[pair] = confusion.get(pair, 0) + count
            for name, found in part.scores.items():
                joined = (
                    found.joined(part.thresholds, thresholds)
                    if part.log_loss.count
                    else ScoreCells.empty(thresholds)
                )
                cells[name] = cells[name].plus(joined) if name in cells else joined
        merged = cls(
            thresholds,
            confusion,
            sum(part.correct for part in parts),
            dict(sorted(cells.items())),  # means over classes add in one order
            Mean.merge_all(part.log_loss for part in parts),
            Mean.merge_all(part.brier for part in parts),
            sum(part.unlabelled for part in parts),
            sum(part.unscored for part in parts),
        )
        return merged.bounded()

    def without(self, part: Self) -> Self:
        """Return the content of the rows that are not in *part*, which are some of these rows.

        It has the same bits as a content that was made of the other rows only.

        Raises:
            ValueError: If the counts of *part* cannot be told apart: classes of one of the contents
                were merged to `OVERFLOW_KEY`, the thresholds differ, or *part* has other rows.
        """
        if OVERFLOW_KEY in {*self.classes, *part.classes}:
            raise ValueError("classes: some of them are merged, so that rows cannot be taken out")
        if part.log_loss.count and part.thresholds != self.thresholds:
            raise ValueError(f"thresholds: are {part.thresholds}, not {self.thresholds}")
        confusion = dict(self.confusion)
        for pair, count in part.confusion.items():
            confusion[pair] = confusion.get(pair, 0) - count
        log_loss = self.log_loss.without(part.log_loss)
        thresholds = self.thresholds if log_loss.count else ()
        scores = {name: ScoreCells.empty(thresholds) for name in self.scores}
        if log_loss.count:
            for name, cells in self.scores.items():
                taken = part.scores.get(name) if part.log_loss.count else None
                scores[name] = cells if taken is None else cells.minus(taken)
        rest = replace(
            self,
            thresholds=thresholds,
            confusion={pair: count for pair, count in confusion.items() if count},
            correct=self.correct - part.correct,
            scores=scores,
            log_loss=log_loss,
            brier=self.brier.without(part.brier),
            unlabelled=self.unlabelled - part.unlabelled,
            unscored=self.unscored - part.unscored,
        )
        counts = (*confusion.values(), rest.unlabelled, rest.unscored, log_loss.count)
        if min(counts, default=0) < 0:
            raise ValueError("rows: some of the rows to take out are not in the content")
        return rest

    @property
    def count(self) -> int:
        """Number of rows with a true class."""
        return sum(self.confusion.values())

    @property
    def cells(self) -> int:
        """Number of rows, including those without a true class."""
        return self.count + self.unlabelled

    @property
    def type_counts(self) -> TypeCounts:
        """The number of rows with a true class, because classes are categories."""
        return TypeCounts(categories=self.count)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all predicted, true and scored classes, ascending."""
        return tuple(sorted({name for pair in self.confusion for name in pair} | set(self.scores)))

    @property
    def positive(self) -> str | None:
        """The scored class of a binary classifier; None for other classifiers."""
        if len(self.scores) != 1 or OVERFLOW_KEY in self.scores:
            return None
        return next(iter(self.scores))

    @property
    def matrix(self) -> Floats:
        """Number of rows by predicted and true class, shape (k, k), in the order of `classes`."""
        place = {name: at for at, name in enumerate(self.classes)}
        matrix = np.zeros((len(place), len(place)))
        for (predicted, true), count in self.confusion.items():
            matrix[place[predicted], place[true]] = count
        return matrix

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The number of labelled rows, and the values of all metrics."""
        return {
            "count": lambda rows: float(rows.count),
            **{name: value_of(name) for name in METRICS},
        }

    def estimate(self, metric: str) -> Estimate | None:
        """Return a metric of `METRICS` with its interval; None if the rows do not define it."""
        return METRICS[metric](self)

    def estimates(self) -> Mapping[str, Estimate]:
        """Return all metrics that the rows define, by name."""
        found = {name: metric(self) for name, metric in METRICS.items()}
        return {name: one for name, one in found.items() if one is not None}

    def bounded(self) -> Self:
        """Return the content with at most `MAX_CLASSES` classes besides `OVERFLOW_KEY`."""
        names = [name for name in self.classes if name != OVERFLOW_KEY]
        if len(names) <= MAX_CLASSES and OVERFLOW_KEY not in self.scores:
            return self
        kept = set(names[:MAX_CLASSES])
        confusion: dict[Pair, int] = {}
        for (predicted, true), count in self.confusion.items():
            pair = (
                predicted if predicted in kept else OVERFLOW_KEY,
                true if true in kept else OVERFLOW_KEY,
            )
            confusion[pair] = confusion.get(pair, 0) + count
        scores = {name: cells for name, cells in self.scores.items() if name in kept}
        if len(scores) < len(self.scores):
            scores[OVERFLOW_KEY] = ScoreCells.empty(self.thresholds)
        return replace(self, confusion=confusion, scores=scores)


def _accuracy(rows: Classification) -> Estimate | None:
    count = rows.count
    if not count:
        return None
    value = rows.correct / count
    return share(value, value * (1.0 - value) / count, count)


def _by_class(rows: Classification, rate: Callable[[Floats, int], Rate | None]) -> Estimate | None:
    """Return the rate of the positive class, or its mean over all classes that have rows."""
    matrix = rows.matrix
    if rows.positive is not None:
        found = rate(matrix, rows.classes.index(rows.positive))
    else:
        found_in = {name for pair in rows.confusion for name in pair} - _NOT_AVERAGED
        named = [at for at, name in enumerate(rows.classes) if name in found_in]
        undefined = Rate(0.0, np.zeros(matrix.shape), float(rows.count))
        each = [rate(matrix, at) or undefined for at in named]
        found = rates.mean_of(each) if each and rows.count else None
    return None if found is None else found.as_share(matrix)


def _by_score(rows: Classification, rate: Callable[[Floats], Rate | None]) -> Estimate | None:
    """Return the rate of the scored class, or its mean over all scored classes."""
    found = []
    for cells in rows.scores.values():
        counts = cells.counts.astype(np.float64)
        one = rate(counts)
        if one is not None:
            found.append((one, one.variance(counts)))
    if not found:
        return None
    # Classes of the same rows depend on each other, so their deviations may all add up.
    deviation = sum(math.sqrt(variance) for _, variance in found) / len(found)
    value = sum(one.value for one, _ in found) / len(found)
    rows_of = min(one.rows for one, _ in found)
    return share(value, deviation**2, rows_of, min(one.freedom for one, _ in found))


def _log_loss(rows: Classification) -> Estimate | None:
    found = rows.log_loss.as_amount
    true = [int(cells.counts[:, 1].sum()) for cells in rows.scores.values()]
    fewest = min((min(of, rows.log_loss.count - of) for of in true), default=0)
    if found is not None and fewest < FEWEST_OF_CLASS:
        return Estimate(found.value, 0.0, math.inf, found.rows)
    return found


def _brier(rows: Classification) -> Estimate | None:
    """Return a share for one scored class; of several classes the distances add to over 1."""
    return rows.brier.as_amount if rows.positive is None else rows.brier.as_share


def _calibration_error(rows: Classification) -> Estimate | None:
    found = []
    for cells in rows.scores.values():
        error = cells.calibration_error(rows.thresholds)
        if error is not None:
            rate, noise = error
            one = rate.as_number(cells.counts.astype(np.float64))
            found.append((one, noise))
    if not found:
        return None
    # The part that chance explains lowers only the lower end: it may be all of the error.
    low = sum(max(one.low - noise, 0.0) for one, noise in found)
    middle, high = (sum(getattr(one, end) for one, _ in found) for end in ("value", "high"))
    scored = found[0][0].rows
    return Estimate(middle / len(found), low / len(found), min(high / len(found), 1.0), scored)


# Metrics by name. Precision, recall and F1 are those of the positive class of a binary classifier,
# and means over all classes of any other.
METRICS: Mapping[str, Callable[[Classification], Estimate | None]] = {
    "accuracy_ratio": _accuracy,
    "precision_ratio": lambda rows: _by_class(rows, rates.precision),
    "recall_ratio": lambda rows: _by_class(rows, rates.recall),
    "f1": lambda rows: _by_class(rows, rates.f1),
    "roc_auc": lambda rows: _by_score(rows, rates.roc_auc),
    "average_precision": lambda rows: _by_score(rows, rates.average_precision),
    "log_loss_nats": _log_loss,
    "brier": _brier,
    "calibration_error": _calibration_error,
}
