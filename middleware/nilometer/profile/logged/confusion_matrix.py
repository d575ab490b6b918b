"""A confusion matrix that a user logs: predictions by true and by predicted class."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeAlias

from nilometer.profile.logged.amounts import Amount, Amounts, Head
from nilometer.profile.logged.logged import Logged

MAX_LABELS = 64  # most classes of one sample
MAX_MERGED_LABELS = 256  # most classes of merged samples

Classes: TypeAlias = tuple[str, str]  # true, predicted


@dataclass(frozen=True, slots=True)
class ConfusionMatrix(Logged[Classes]):
    """Counts by true and predicted class; samples may have different classes.

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
            ValueError: If a label repeats, the number of labels is not 1 to `MAX_LABELS`, or the
                shape of the counts differs.
        """
        if not 1 <= len(labels) <= MAX_LABELS or len(set(labels)) < len(labels):
            raise ValueError(f"labels: must be 1 to {MAX_LABELS}, each once")
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
        """Share of correct predictions; None without predictions."""
        counts = self.counts
        total = sum(map(sum, counts))
        return sum(row[at] for at, row in enumerate(counts)) / total if total else None

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[Classes]) -> Self:
        """Return the merged confusion matrix, of all classes.

        Raises:
            ValueError: If it has over `MAX_MERGED_LABELS` classes.
        """
        labels = sorted({label for part in parts for label in part.labels})
        if len(labels) > MAX_MERGED_LABELS:
            raise ValueError(f"a confusion matrix of over {MAX_MERGED_LABELS} classes is not kept")
        return cls(tuple(labels), amounts)

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """``count``, the number of samples, and ``accuracy_ratio``."""
        return {
            **super(ConfusionMatrix, cls).statistics(),
            "accuracy_ratio": lambda content: content.accuracy,
        }
