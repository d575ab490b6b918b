"""Records of predictions that wait for the next commit, for the entities that settings name."""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase

from nilometer.predictions import PredictionBatch, PredictionRecord, batches_of
from nilometer.profiling.budget import Budget
from nilometer.profiling.prediction_log import LeftOut, PredictionLog
from nilometer.values.privacy import Privacy
from nilometer.wire.predictions import batch_to_row
from nilometer_agent.outbox.logged import KIND
from nilometer_agent.outbox.rows import NewRow
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.plan import PlanKeeper

MAX_ENTITIES = 10_000  # logs that are kept; they are made anew when needed
ROWS_OF_A_BATCH = 1000  # about 60 KiB
MOST_BYTES = 192 << 10  # size of a row; the collector takes 256 KiB
RECORD_BYTES = 800  # memory of a record with a few columns
PRIVACY = "privacy"  # reason if the collector asks for a level that forbids the log


class LoggedPredictions:
    """The records since the last commit. Only the engine's thread may call.

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

    def take_into(self, taken: list[PredictionRecord]) -> None:
        """Move the records to *taken* in one statement, and so atomically."""
        taken[len(taken) :], self._records = self._records, []

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
