"""Ground truth: the verbs that `Store.truths` implements."""

from collections.abc import Sequence
from typing import Protocol

from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.store.truth_records import (
    ChunkAnswer,
    JudgedWindow,
    SourceProgress,
    TruthChunk,
    TruthTotals,
)


class Truths(Protocol):
    """Labels of predictions, and the windows in which they are counted.

    A label is counted once, in the window of its prediction. The transaction that stores a label
    also replaces the sample of that window.
    """

    def join(
        self, chunk: TruthChunk, definition: PerformanceDefinition, now_ns: int
    ) -> ChunkAnswer:
        """Join the rows of *chunk* with the logged predictions, in one transaction.

        A chunk of the same source and number is joined once; a repetition returns the first answer.

        Raises:
            StoreUnavailable: If the database fails. The chunk is safe to send again.
        """
        ...

    def join_waiting(self, definition: PerformanceDefinition, now_ns: int, limit: int) -> int:
        """Look for the predictions of rows that wait and are due, at most *limit*.

        A row that has waited for `wait_seconds` is counted as unknown.

        Returns:
            Number of rows that do not wait any more, or wait for longer now.
        """
        ...

    def progress(self, entity: str, source: bytes) -> SourceProgress:
        """Return how far *source* has been joined."""
        ...

    def totals(self, entity: str) -> TruthTotals:
        """Return what became of all ground truth of *entity*."""
        ...

    def windows(self, entity: str, start_ns: int, end_ns: int, limit: int) -> list[JudgedWindow]:
        """List the windows of *entity* that overlap [start, end), newest first, at most *limit*."""
        ...

    def retire(self, now_ns: int, keep_ns: int) -> int:
        """Remove old labels, their windows, and chunks, a limited number at a time.

        The samples of the windows stay, but they are not revised any more.

        Args:
            now_ns: Wall time, Unix nanoseconds.
            keep_ns: Time in nanoseconds to keep a chunk, and a window after its end and after its last
                label. If that is as long as predictions are kept, no label is counted twice.

        Returns:
            Number of removed rows.
        """
        ...

    def waiting_entities(self, now_ns: int) -> Sequence[str]:
        """List the entities with rows that wait and are due."""
        ...
