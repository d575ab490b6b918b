"""Logged predictions: the verbs that `Store.predictions` implements."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nilometer.predictions import PredictionRecord
from nilometer_collector.store.prediction_records import (
    Logged,
    PredictionPage,
    PredictionTotals,
)

MOST_SOUGHT = 10_000  # ids or subjects in one call of `find` or `of_subjects`
MOST_READ = 10_000  # records in one page


class Predictions(Protocol):
    """Logged predictions, each stored once by entity, prediction id and row.

    `Store.ship` adds them in its transaction. A prediction whose id was used before, with another
    content, makes the id ambiguous: the first content is kept with a mark, and nothing may join it.
    """

    def find(self, entity: str, ids: Sequence[str]) -> dict[str, Logged]:
        """Return the predictions of *entity* with *ids*, by id; unknown ids are left out.

        A corrupt row is logged and left out.

        Args:
            entity: Name of the entity.
            ids: At most `MOST_SOUGHT` prediction ids.
        """
        ...

    def of_subjects(
        self, entity: str, subjects: Sequence[str], start_ns: int, end_ns: int
    ) -> dict[str, list[PredictionRecord]]:
        """Return the predictions about *subjects* by subject, oldest event first.

        Rows of an ambiguous id are left out.

        Args:
            entity: Name of the entity.
            subjects: At most `MOST_SOUGHT` values of the entity's subject field.
            start_ns: Start of the half-open span of event times, Unix nanoseconds.
            end_ns: End of the span.
        """
        ...

    def read(
        self, entity: str, start_ns: int, end_ns: int, after: int = 0, limit: int = MOST_READ
    ) -> PredictionPage:
        """Return the next page of predictions of *entity* with an event time in [start, end).

        Args:
            entity: Name of the entity.
            start_ns: Start of the span, Unix nanoseconds.
            end_ns: End of the span.
            after: `PredictionPage.last` of the page before; 0 for the first page.
            limit: Most rows that the page examines.
        """
        ...

    def erase(self, entity: str, ids: Sequence[str]) -> int:
        """Erase the predictions with *ids*; return the number of erased rows.

        Their labels go, too, stored or waiting. Counts that include them stay.
        """
        ...

    def erase_subject(self, entity: str, subject: str) -> int:
        """Erase all predictions about *subject*; return the number of erased rows.

        Their labels go, too. A label that waits is erased if it names the subject.
        """
        ...

    def retire(self, now_ns: int, keep_ns: int) -> int:
        """Remove predictions by the day of their arrival, a limited number at a time.

        Whole days are removed, so a row may be kept for up to one day longer.

        Args:
            now_ns: Wall time, Unix nanoseconds.
            keep_ns: Time to keep a prediction, in nanoseconds.

        Returns:
            Number of removed rows; 0 if nothing can be removed now.
        """
        ...

    def totals(self) -> Mapping[str, PredictionTotals]:
        """Return the number of predictions of each entity that has any, without reading them."""
        ...
