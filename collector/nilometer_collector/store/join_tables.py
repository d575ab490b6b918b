"""What a join of ground truth reads inside its transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from nilometer.predictions import PredictionRecord
from nilometer_collector.ground_truth.joining import Found
from nilometer_collector.ground_truth.truths import (
    KnownTruth,
    Outcome,
    Place,
    PredictionKey,
    ToldTruth,
)
from nilometer_collector.store.prediction_verbs import MOST_SOUGHT
from nilometer_collector.store.truth_records import JudgedWindow, WindowKey


class JoinTables(Protocol):
    """What a join reads, inside its transaction. It holds the lock of the entity's ground truth."""

    def find(self, entity: str, keys: Collection[PredictionKey]) -> Mapping[PredictionKey, Found]:
        """Return logged predictions with ids; those that are not in the log are left out."""
        ...

    def of_subjects(
        self, entity: str, subjects: Sequence[str], start_ns: int, end_ns: int
    ) -> Mapping[str, list[PredictionRecord]]:
        """Return logged predictions of a span by subject, oldest first."""
        ...

    def known(
        self, entity: str, keys: Collection[PredictionKey]
    ) -> Mapping[PredictionKey, KnownTruth]:
        """Return the stored labels of *keys*."""
        ...

    def waiting(self, entity: str, places: Collection[Place]) -> Mapping[Place, ToldTruth]:
        """Return the rows that wait at *places*."""
        ...

    def count_waiting(self, entity: str) -> int:
        """Return the number of rows of *entity* that wait, as it is stored, without counting them."""
        ...

    def window_ids(self, entity: str, keys: Collection[WindowKey]) -> Mapping[WindowKey, int]:
        """Return the id of each window; create those that do not exist."""
        ...

    def judged_windows(self, ids: Collection[int]) -> Mapping[int, JudgedWindow]:
        """Return windows by id."""
        ...

    def labels_of(self, window: int) -> Mapping[PredictionKey, KnownTruth]:
        """Return the labels that are counted in a window."""
        ...


def predictions_of(
    tables: JoinTables, entity: str, keys: Iterable[PredictionKey]
) -> dict[PredictionKey, Found]:
    """Return the logged predictions of *keys*; those that are not in the log are left out."""
    found: dict[PredictionKey, Found] = {}
    by_id: list[PredictionKey] = []
    for key in keys:
        if not key.time_ns:
            by_id.append(key)
            continue
        alike = [
            record
            for record in tables.of_subjects(entity, [key.name], key.time_ns, key.time_ns + 1).get(
                key.name, []
            )
            if record.row == key.row and not record.prediction_id
        ]
        if alike:
            found[key] = alike[0] if len(alike) == 1 else Outcome.AMBIGUOUS
    for at in range(0, len(by_id), MOST_SOUGHT):
        found |= tables.find(entity, by_id[at : at + MOST_SOUGHT])
    return found
