"""What is judged of an entity: its task, and the columns of its logged predictions."""

import hashlib
from collections.abc import Collection
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from nilometer.profile.performance import ValueMatrix
from nilometer.profile.performance.classification import MAX_CLASSES
from nilometer.profile.performance.ranking import CUTOFFS, MAX_CUTOFF, MAX_CUTOFFS
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import NAME
from nilometer.values.errors import ConfigError
from nilometer_collector.limits.bounds import PRINTABLE

KIND = "performance"  # kind of the declared objects that hold a definition
SHORTEST_STEP = 300  # seconds; a roll-up of 5 minutes then holds one window
LONGEST_STEP = 86_400

Task: TypeAlias = Literal["binary", "multiclass", "classes", "regression", "ranking"]
Text: TypeAlias = Annotated[str, Meta(max_length=256, pattern=f"^{PRINTABLE}*$")]
ClassName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256, pattern=f"^{PRINTABLE}*$")]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=3650 * 86_400)]


class PairValue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of one row with this predicted and this true class; costs are negative."""

    predicted: ClassName
    truth: ClassName
    value: Annotated[float, Meta(ge=-1e12, le=1e12)]


class PerformanceDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the predictions of an entity are judged. Fields that are left out get their defaults.

    Attributes:
        entity: Name of the monitored entity.
        task: Kind of the predictions.
        predicted: Output column of the predicted class or number. Empty for a binary or multiclass
            task predicts by the scores.
        score: Output column with the score of the positive class, for a binary task.
        scores: Output column with the score of each class, for a multiclass task.
        positive: Name of the positive class of a binary task.
        negative: Name of the other class of a binary task.
        threshold: Lowest score that predicts the positive class, if `predicted` is empty.
        classes: Classes that ground truth may have; empty allows every class, or the two of a
            binary task.
        cutoffs: Ranks *k* down to which ranked lists are judged.
        values: Value of pairs of classes; a pair that is left out is worth 0.
        value_unit: Unit of the values, such as ``EUR``.
        step_seconds: Length of the windows, a multiple of 300 that divides a day.
        usual_lag_seconds: Time from a prediction to its ground truth that is usual. 0 learns it from
            earlier windows.
        mature_ratio: Share of the predictions with ground truth from which on a window is mature.
        within_seconds: Longest time from a prediction to the time that a row of ground truth names,
            where a row has a subject instead of an id.
        wait_seconds: Longest time for which ground truth waits for its prediction.
    """

    entity: Annotated[str, Meta(pattern=f"^{NAME.pattern}$")]
    task: Task
    predicted: Text = ""
    score: Text = ""
    scores: Annotated[dict[ClassName, ClassName], Meta(max_length=MAX_CLASSES)] = {}
    positive: ClassName = "1"
    negative: ClassName = "0"
    threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    classes: Annotated[list[ClassName], Meta(max_length=MAX_CLASSES)] = []
    cutoffs: Annotated[
        list[Annotated[int, Meta(ge=1, le=MAX_CUTOFF)]],
        Meta(min_length=1, max_length=MAX_CUTOFFS),
    ] = msgspec.field(default_factory=lambda: list(CUTOFFS))
    values: Annotated[list[PairValue], Meta(max_length=MAX_CLASSES * MAX_CLASSES)] = []
    value_unit: Annotated[str, Meta(max_length=64, pattern=f"^{PRINTABLE}*$")] = ""
    step_seconds: Annotated[int, Meta(ge=SHORTEST_STEP, le=LONGEST_STEP)] = 3600
    usual_lag_seconds: Seconds = 0.0
    mature_ratio: Annotated[float, Meta(gt=0, le=1)] = 0.5
    within_seconds: Annotated[float, Meta(gt=0, le=366 * 86_400)] = 3600.0
    wait_seconds: Annotated[float, Meta(ge=0, le=366 * 86_400)] = 7 * 86_400.0

    def check(self) -> None:
        """Check the fields against each other.

        Raises:
            ConfigError: If they contradict each other; the message begins with the field.
        """
        if LONGEST_STEP % self.step_seconds or self.step_seconds % SHORTEST_STEP:
            raise ConfigError(
                f"step_seconds = {self.step_seconds}: must be a multiple of {SHORTEST_STEP} that "
                f"divides {LONGEST_STEP}"
            )
        self._check_columns()
        if self.values and not self.has_classes:
            raise ConfigError(f"values = {len(self.values)} pairs: task {self.task} has no classes")
        if len({(one.predicted, one.truth) for one in self.values}) < len(self.values):
            raise ConfigError("values: name a pair twice")
        if len(set(self.classes)) < len(self.classes):
            raise ConfigError("classes: name a class twice")
        if self.task == "binary" and self.positive == self.negative:
            raise ConfigError(f"negative = {self.negative!r}: must differ from `positive`")

    @property
    def has_classes(self) -> bool:
        """Whether ground truth is a class."""
        return self.task in {"binary", "multiclass", "classes"}

    @property
    def allowed(self) -> Collection[str]:
        """Classes that ground truth may have; empty allows every class."""
        if self.task == "binary" and not self.classes:
            return (self.positive, self.negative)
        return self.classes

    @property
    def step_ns(self) -> int:
        """Length of the windows in nanoseconds."""
        return self.step_seconds * NANOSECONDS

    @property
    def value_matrix(self) -> ValueMatrix:
        """The value of each pair of classes."""
        return ValueMatrix(
            values={(one.predicted, one.truth): one.value for one in self.values},
            unit=self.value_unit,
        )

    @property
    def digest(self) -> str:
        """Digest of the fields that decide the content of a window, 16 characters."""
        judged = (
            *(self.task, self.predicted, self.score, sorted(self.scores.items()), self.positive),
            *(self.negative, self.threshold, self.cutoffs),
        )
        return hashlib.sha256(msgspec.json.encode(judged)).hexdigest()[:16]

    def _check_columns(self) -> None:
        needed = {
            "binary": ("score", self.score),
            "multiclass": ("scores", self.scores),
            "classes": ("predicted", self.predicted),
            "regression": ("predicted", self.predicted),
            "ranking": ("", True),
        }
        field, value = needed[self.task]
        if not value:
            raise ConfigError(f"{field}: is empty: task {self.task} needs the output column")
        if self.task == "multiclass" and len(self.scores) < 2:
            raise ConfigError("scores: must name at least 2 classes")
        for name, given, task in (
            ("score", self.score, "binary"),
            ("scores", self.scores, "multiclass"),
        ):
            if given and self.task != task:
                raise ConfigError(f"{name}: is only for task {task}, and the task is {self.task}")
        if self.task == "ranking" and self.predicted:
            raise ConfigError("predicted: is not used by task ranking")
