"""A confusion matrix that a user logs: predictions by true and by predicted class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeAlias

from nilometer.profile.logged.amounts import Amount, Amounts, Head
from nilometer.profile.logged.logged import Logged
from nilometer.values.labels import OVERFLOW_KEY

MAX_LABELS = 64  # most classes of one sample
MAX_MERGED_LABELS = 256  # most classes of merged samples, besides the overflow class

Classes: TypeAlias = tuple[str, str]  # true, predicted


@dataclass(frozen=True, slots=True)
class ConfusionMatrix(Logged[Classes]):
    """Counts by true and predicted class; samples may have different classes.

    Merged samples keep the `MAX_MERGED_LABELS` smallest classes. All others are merged to the class
    `OVERFLOW_KEY`.

    Attributes:
        labels: Names of the classes, ascending.
    """

    kind: ClassVar[str] = "confusion_matrix"

    labels: tuple[str, ...] = ()
    amounts: Amounts[Classes] = field(default_factory=Amounts)

    @classmethod
    def of(cls, labels: Sequence[str], counts: Sequence[Sequence[int]], head: Head) -> Self:
        """Return the confusion matrix of one sample.

        Args:
            labels: Names of the *k* classes, each once.
            counts: Counts of shape (k, k): a row for each true class, a column for each predicted.
            head: Properties of the sample: aggregation, unit and stamp.

        Raises:
            ValueError: If a label repeats or is `OVERFLOW_KEY`, the number of labels is not 1 to
                `MAX_LABELS`, or the shape of the counts differs.
        """
        if not 1 <= len(labels) <= MAX_LABELS or len(set(labels)) < len(labels):
            raise ValueError(f"labels: must be 1 to {MAX_LABELS}, each once")
        if OVERFLOW_KEY in labels:
            raise ValueError(f"labels: {OVERFLOW_KEY} is reserved")
        if len(counts) != len(labels) or any(len(row) != len(labels) for row in counts):
            raise ValueError("counts: must have a row and a column for each label")
        cells = {
            (truth, predicted): Amount.of(float(count), head.aggregation)
            for truth, row in zip(labels, counts, strict=True)
            for predicted, count in zip(labels, row, strict=True)
        }
        return cls(tuple(sorted(labels)), Amounts.of(head, cells))

    @property
    def counts(self) -> list[list[float]]:
        """The counts, a row for each true class and a column for each predicted one."""
        value = self.amounts.value
        return [[value((truth, one)) or 0.0 for one in self.labels] for truth in self.labels]

    @property
    def accuracy(self) -> float | None:
        """Share of correct predictions.

        It is None without predictions. It is also None if one class over the limit was predicted for
        another one, or for itself, because these are not told apart.
        """
        if self.amounts.value((OVERFLOW_KEY, OVERFLOW_KEY)):
            return None
        counts = self.counts
        total = sum(map(sum, counts))
        return sum(row[at] for at, row in enumerate(counts)) / total if total else None

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[Classes]) -> Self:
        """Return the merged confusion matrix, of all classes up to the limit."""
        found = {label for part in parts for label in part.labels}
        labels = sorted(found - {OVERFLOW_KEY})
        if len(labels) <= MAX_MERGED_LABELS:
            return cls(tuple(sorted(found)), amounts)
        place = {label: label for label in labels[:MAX_MERGED_LABELS]}
        amounts = amounts.folded(
            lambda key: (place.get(key[0], OVERFLOW_KEY), place.get(key[1], OVERFLOW_KEY))
        )
        return cls(tuple(sorted({*place, OVERFLOW_KEY})), amounts)

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """``count``, the number of samples, and ``accuracy_ratio``."""
        return {
            **super(ConfusionMatrix, cls).statistics(),
            "accuracy_ratio": lambda content: content.accuracy,
        }
