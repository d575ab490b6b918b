"""Predictions, and their ground truth, that wait for the next commit; for entities in the settings."""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from nilometer.predictions import (
    GroundTruth,
    PredictionBatch,
    PredictionRecord,
    batches_of,
    ground_truth_from_bytes,
)
from nilometer.profiling.budget import Budget
from nilometer.profiling.prediction_log import LeftOut, PredictionLog
from nilometer.values.privacy import Privacy
from nilometer.wire.frames import Batch
from nilometer.wire.predictions import batch_to_row, ground_truth_to_row
from nilometer_agent.outbox.logged import KIND
from nilometer_agent.outbox.rows import NewRow
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

MAX_ENTITIES = 10_000  # logs that are kept; they are made anew when needed
ROWS_OF_A_BATCH = 1000  # about 60 KiB
MOST_BYTES = 192 << 10  # size of a row; the collector takes 256 KiB
RECORD_BYTES = 800  # memory of a record with a few columns
GROUND_TRUTH_BYTES = 300  # memory of a row of ground truth
PRIVACY = "privacy"  # reason if the collector asks for a level that forbids the log


EntityTruth: TypeAlias = tuple[str, GroundTruth]  # entity, and ground truth of one prediction


class TruthBatch(Batch, array_like=True, kw_only=True):
    """A batch that is made in the agent's own process, with ground truth of earlier predictions.

    Attributes:
        ground_truth: Rows as `nilometer.predictions.ground_truth` packs them.
    """

    ground_truth: bytes = b""


class LoggedPredictions:
    """The records and the ground truth since the last commit. Only the engine's thread may call.

    Args:
        settings: Settings of the agent, which name the entities, inputs and subjects.
        plans: Keeper of the plan, by which a collector may ask for strict privacy.
        budget: Memory budget to which records are charged.

    Attributes:
        left_out: Number of predicted rows that are not logged, by reason.
    """

    def __init__(self, settings: AgentSettings, plans: PlanKeeper, budget: Budget) -> None:
        self._settings = settings
        self._plans = plans
        self._budget = budget
        self._records: list[PredictionRecord] = []
        self._ground_truth: list[EntityTruth] = []
        self._logs: dict[str, PredictionLog | None] = {}
        self.left_out: Counter[str] = Counter()

    def of(self, entity: str) -> PredictionLog | None:
        """Return the log of *entity*; None if its predictions are not logged."""
        if not self._settings.prediction_log:
            return None
        if entity not in self._logs:
            if len(self._logs) >= MAX_ENTITIES:
                self._logs.clear()
            self._logs[entity] = self._made(entity)
        return self._logs[entity] if self._is_allowed else None

    def note_batch(self, entity: str, observations: int, *, in_process: bool) -> None:
        """Count the predictions of a batch that cannot be logged."""
        if not self._settings.prediction_log or not self._is_named(entity):
            return
        if not self._is_allowed:
            self.left_out[PRIVACY] += observations
        elif in_process:
            self.left_out[LeftOut.IN_PROCESS.value] += observations

    def add_ground_truth(self, entity: str, packed: bytes) -> None:
        """Keep ground truth of *entity*, if its predictions are logged.

        Raises:
            BatchUnreadable: If *packed* is not ground truth.
        """
        if not self._is_named(entity):
            return
        rows = ground_truth_from_bytes(packed)
        if not self._is_allowed:
            self.left_out[PRIVACY] += len(rows)
            return
        self._ground_truth += [(entity, row) for row in rows]
        self._budget.held += GROUND_TRUTH_BYTES * len(rows) + len(packed)

    def take_into(self, taken: list[PredictionRecord], ground_truth: list[EntityTruth]) -> None:
        """Move the records, and then the ground truth, each in one statement, and so atomically."""
        taken[len(taken) :], self._records = self._records, []
        ground_truth[len(ground_truth) :], self._ground_truth = self._ground_truth, []

    @property
    def _is_allowed(self) -> bool:
        """Whether the privacy level, which a collector may have tightened, allows the log."""
        strict = self._plans.active.disclosure.privacy is Privacy.STRICT
        return not strict or self._settings.prediction_log_in_strict

    def _is_named(self, entity: str) -> bool:
        return any(fnmatchcase(entity, one) for one in self._settings.prediction_log)

    def _made(self, entity: str) -> PredictionLog | None:
        if not self._is_named(entity):
            return None
        subjects = self._settings.prediction_log_subjects
        subject = next((of for one, of in subjects.items() if fnmatchcase(entity, one)), "")
        inputs = [name.partition(".")[2] for name in self._settings.prediction_log_inputs]
        return PredictionLog(entity, inputs, subject, self._add, self._leave_out)

    def _add(self, records: Sequence[PredictionRecord]) -> None:
        self._records += records
        self._budget.held += RECORD_BYTES * len(records)

    def _leave_out(self, reason: LeftOut, rows: int) -> None:
        self.left_out[reason.value] += rows


def rows_of(records: Sequence[PredictionRecord]) -> list[NewRow]:
    """Return *records* as rows of at most `MOST_BYTES`, for the outbox of predictions."""
    return [row for batch in batches_of(records, ROWS_OF_A_BATCH) for row in _rows_of(batch)]


def _rows_of(batch: PredictionBatch) -> list[NewRow]:
    """Return the rows of *batch*, which is split while it is too large for the collector."""
    payload = batch_to_row(batch)
    if len(payload) <= MOST_BYTES or len(batch) == 1:
        return [NewRow(KIND, payload, len(batch))]
    halves = batches_of(batch.records(), (len(batch) + 1) // 2)
    return [row for half in halves for row in _rows_of(half)]


def rows_of_ground_truth(ground_truth: Sequence[EntityTruth]) -> list[NewRow]:
    """Return *ground_truth* as rows of one entity each, for the outbox of predictions."""
    by_entity: dict[str, list[GroundTruth]] = {}
    for entity, one in ground_truth:
        by_entity.setdefault(entity, []).append(one)
    return [
        row
        for entity, every in by_entity.items()
        for start in range(0, len(every), ROWS_OF_A_BATCH)
        for row in _truth_rows(entity, every[start : start + ROWS_OF_A_BATCH])
    ]


def _truth_rows(entity: str, some: Sequence[GroundTruth]) -> list[NewRow]:
    """Return ground truth as rows, which are split while they are too large for the collector."""
    payload = ground_truth_to_row(entity, some)
    if len(payload) <= MOST_BYTES or len(some) == 1:
        return [NewRow(KIND, payload, len(some))]
    middle = len(some) // 2
    return _truth_rows(entity, some[:middle]) + _truth_rows(entity, some[middle:])
