"""Rows of a classifier with their true classes -> `Classification`."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nilometer.profile.performance.classification import MAX_CLASSES, UNKNOWN, Classification
from nilometer.profile.performance.mean import NO_MEAN, Mean
from nilometer.profile.performance.score_cells import Floats, ScoreCells
from nilometer.profile.score import DECISION

# A smaller score counts as this one in the logarithmic loss, as in scikit-learn.
SMALLEST_LOSS_SCORE = float(np.finfo(np.float64).eps)

# Name of a class, which may be a scalar of numpy; None, NaN and "" are not known.
Label: TypeAlias = str | float | bool | np.generic | None
Mask: TypeAlias = NDArray[np.bool_]


def class_name(label: Label) -> str | None:
    """Return the name of a class; None if it is not known.

    Booleans, whole numbers and whole floats have the same names: ``True``, 1 and 1.0 are ``"1"``.
    """
    if label is None or label == "":
        return None
    if isinstance(label, str):
        return label.encode("utf-8", "replace").decode()  # UTF-8 cannot encode a lone surrogate
    scalar = label.item() if isinstance(label, np.generic) else label
    if isinstance(scalar, bool | int):
        return str(int(scalar))
    number = float(scalar)
    if math.isnan(number):
        return None
    return str(int(number)) if number.is_integer() else repr(number)


def classes_only(predicted: Sequence[Label], truth: Sequence[Label]) -> Classification:
    """Return the performance of predictions without scores; both arguments have shape (n,).

    Raises:
        ValueError: If the lengths differ.
    """
    return _Rows.of(predicted, truth).counted()


def binary(
    scores: ArrayLike,
    truth: Sequence[Label],
    predicted: Sequence[Label] | None = None,
    *,
    positive: str = "1",
    negative: str = "0",
    threshold: float = DECISION,
) -> Classification:
    """Return the performance of a binary classifier.

    Args:
        scores: Probabilities of the positive class, shape (n,).
        truth: True classes, shape (n,); a class that is neither is not the positive one.
        predicted: Predicted classes, shape (n,); None compares the scores with *threshold*.
        positive: Name of the positive class.
        negative: Name of the other class, for predictions by *threshold*.
        threshold: Lowest score that predicts the positive class, inside (0, 1).

    Raises:
        ValueError: If the lengths differ, or the threshold is out of bounds.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold = {threshold}: must be inside (0, 1)")
    if values.shape != (len(truth),):
        raise ValueError(f"scores: shape is {values.shape}, for {len(truth)} true classes")
    if predicted is None:
        by_score = np.where(values >= threshold, positive, negative)
        predicted = [
            None if missing else str(name)
            for name, missing in zip(by_score, np.isnan(values), strict=True)
        ]
    rows = _Rows.of(predicted, truth)
    values = values[rows.labelled]
    usable = (values >= 0.0) & (values <= 1.0)
    values = values[usable]
    guessed, true = rows.are_predicted(positive)[usable], rows.are(positive)[usable]
    thresholds = (threshold,) if threshold != DECISION and usable.any() else ()
    of_truth = np.where(true, values, 1.0 - values)
    return rows.counted(
        thresholds=thresholds,
        scores={positive: ScoreCells.of(values, guessed, true, thresholds)},
        losses=(_log_loss(of_truth), Mean.of((1.0 - of_truth) ** 2)),
        usable=usable,
    )


def multiclass(
    probabilities: ArrayLike,
    classes: Sequence[str],
    truth: Sequence[Label],
    predicted: Sequence[Label] | None = None,
) -> Classification:
    """Return the performance of a classifier with a score for each class.

    Args:
        probabilities: Scores, shape (n, k); a row is usable if all of them are from 0 to 1.
        classes: Names of the *k* classes, each once.
        truth: True classes, shape (n,); a row whose class is not scored counts as unscored.
        predicted: Predicted classes, shape (n,); None takes the class with the highest score.

    Raises:
        ValueError: If a shape differs, a name repeats, or there are over `MAX_CLASSES` classes.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if len(set(classes)) < len(classes) or not 2 <= len(classes) <= MAX_CLASSES:
        raise ValueError(f"classes: must be 2 to {MAX_CLASSES}, each once")
    if values.shape != (len(truth), len(classes)):
        raise ValueError(
            f"probabilities: shape is {values.shape}, for {len(truth)} true classes of "
            f"{len(classes)} names"
        )
    if predicted is None:
        best = np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
        nothing = np.asarray(np.isnan(values).all(axis=1))
        predicted = [
            None if missing else classes[at]
            for at, missing in zip(best.tolist(), nothing.tolist(), strict=True)
        ]
    rows = _Rows.of(predicted, truth)
    values = values[rows.labelled]
    place = {name: at for at, name in enumerate(classes)}
    of_class = np.array([place.get(name, -1) for name in rows.truth], dtype=np.intp)
    usable = ((values >= 0.0) & (values <= 1.0)).all(axis=1) & (of_class >= 0)
    values, of_class = values[usable], of_class[usable]
    is_true = of_class[:, None] == np.arange(len(classes))
    return rows.counted(
        scores={
            name: ScoreCells.of(values[:, at], rows.are_predicted(name)[usable], is_true[:, at])
            for name, at in sorted(place.items())
        },
        losses=(_log_loss(values[is_true]), Mean.of(((values - is_true) ** 2).sum(axis=1))),
        usable=usable,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Predictions and true classes of the labelled rows.

    Attributes:
        predicted: Names of the predicted classes; `UNKNOWN` without one.
        truth: Names of the true classes.
        labelled: Whether each given row has a true class.
    """

    predicted: list[str]
    truth: list[str]
    labelled: Mask

    @classmethod
    def of(cls, predicted: Sequence[Label], truth: Sequence[Label]) -> "_Rows":
        if len(predicted) != len(truth):
            raise ValueError(
                f"predicted: has {len(predicted)} classes, for {len(truth)} true classes"
            )
        names = [class_name(label) for label in truth]
        labelled = np.array([name is not None for name in names], dtype=bool)
        guesses = [
            class_name(guess) or UNKNOWN
            for guess, name in zip(predicted, names, strict=True)
            if name is not None
        ]
        return cls(guesses, [name for name in names if name is not None], labelled)

    def are_predicted(self, name: str) -> Mask:
        return np.array([guess == name for guess in self.predicted], dtype=bool)

    def are(self, name: str) -> Mask:
        return np.array([label == name for label in self.truth], dtype=bool)

    def counted(
        self,
        *,
        thresholds: tuple[float, ...] = (),
        scores: Mapping[str, ScoreCells] | None = None,
        losses: tuple[Mean, Mean] = (NO_MEAN, NO_MEAN),
        usable: Mask | None = None,
    ) -> Classification:
        confusion = Counter(zip(self.predicted, self.truth, strict=True))
        log_loss, brier = losses
        content = Classification(
            thresholds=thresholds,
            confusion=dict(confusion),
            correct=sum(count for (guess, label), count in confusion.items() if guess == label),
            scores=scores or {},
            log_loss=log_loss,
            brier=brier,
            unlabelled=int(np.count_nonzero(~self.labelled)),
            unscored=0 if usable is None else int(np.count_nonzero(~usable)),
        )
        return content.bounded()


def _log_loss(of_truth: Floats) -> Mean:
    return Mean.of(-np.log(np.maximum(of_truth, SMALLEST_LOSS_SCORE)))
