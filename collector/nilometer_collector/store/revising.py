"""Revises windows of judged predictions: adds labels to their contents, and takes labels out."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from nilometer.predictions import PredictionRecord
from nilometer.profile import Coverage, SummarySample
from nilometer.profile.performance import Classification, Ranking, Regression
from nilometer.values.entity import PERFORMANCE
from nilometer.values.window import Window
from nilometer.wire.samples import sample_from_bytes, sample_to_bytes
from nilometer_collector.ground_truth.definition import PerformanceDefinition
from nilometer_collector.ground_truth.joining import NO_WINDOW, Changed, Decided
from nilometer_collector.ground_truth.judging_rows import (
    Judged,
    JudgedRow,
    judged,
    merged,
    without,
)
from nilometer_collector.ground_truth.lags import lags_of, summed
from nilometer_collector.ground_truth.truths import KnownTruth, Outcome, PredictionKey
from nilometer_collector.store import label_text
from nilometer_collector.store.join_tables import JoinTables, predictions_of
from nilometer_collector.store.prediction_verbs import MOST_SOUGHT
from nilometer_collector.store.shipments import SampleRow
from nilometer_collector.store.truth_records import JudgedWindow, RevisedWindow, WindowKey


def revised(
    tables: JoinTables, definition: PerformanceDefinition, decided: Decided
) -> tuple[dict[PredictionKey, KnownTruth], list[RevisedWindow]]:
    """Return the labels to store, and the windows with their new contents.

    A change that its window cannot take becomes `Outcome.EXPIRED`.
    """
    window_of = _windows_of(definition)
    places = {
        key: window_of(change.prediction)
        for key, change in decided.changes.items()
        if change.after.window == NO_WINDOW
    }
    ids = tables.window_ids(definition.entity, set(places.values())) if places else {}
    by_window: dict[int, dict[PredictionKey, Changed]] = {}
    for key, change in decided.changes.items():
        if change.after.window == NO_WINDOW:
            told = change.after
            change.after = KnownTruth(told.value, told.known_ns, told.source, ids[places[key]])
        by_window.setdefault(change.after.window, {})[key] = change
    stored = tables.judged_windows(by_window.keys())
    labels: dict[PredictionKey, KnownTruth] = {}
    revised = []
    for window, changes in sorted(by_window.items()):
        one = _Revision(tables, definition, stored[window], changes)
        content = one.content()
        for key in changes.keys() - one.taken.keys():
            for at in changes[key].rows:
                decided.outcomes[at] = Outcome.EXPIRED
        if content is None or not one.taken:
            continue
        labels |= {key: change.after for key, change in one.taken.items()}
        revised.append(one.revised(content))
    return labels, revised


def _windows_of(
    definition: PerformanceDefinition,
) -> Callable[[PredictionRecord], WindowKey]:
    """Return a function from predictions to the windows in which they are judged."""
    step_ns = definition.step_ns
    known: dict[tuple[int, int], WindowKey] = {}

    def window_of(prediction: PredictionRecord) -> WindowKey:
        labels = prediction.labels
        start_ns = prediction.time_ns - prediction.time_ns % step_ns
        # Predictions of a shape share one label set, which lives as long as they do.
        place = (start_ns, id(labels))
        found = known.get(place)
        if found is None:
            found = WindowKey(start_ns, start_ns + step_ns, label_text.to_text(labels))
            known[place] = found
        return found

    return window_of


class _Revision:
    """The new content of one window.

    Attributes:
        taken: Changes that the content includes.
    """

    def __init__(
        self,
        tables: JoinTables,
        definition: PerformanceDefinition,
        window: JudgedWindow,
        changes: dict[PredictionKey, Changed],
    ) -> None:
        self._tables, self._definition = tables, definition
        self._window = window
        self._before = sample_from_bytes(window.payload) if window.payload else None
        self.taken = changes

    def content(self) -> Judged | None:
        """Return the content with all changes, or with those that it can take; else None.

        Counts are added and taken out. A digest cannot be taken out, and another definition judges
        rows differently. Then the content is made anew from the log, if the log has all its rows.
        """
        if not self._window.labelled:
            return self._judged(self.taken.values())
        before = self._before
        if before is None:  # it is damaged
            return self._made_anew(None)
        kept = before.content
        if self._window.definition == self._definition.digest and isinstance(
            kept, Classification | Regression | Ranking
        ):
            more = merged([kept, self._judged(self.taken.values())])
            corrected = [one for one in self.taken.values() if one.before is not None]
            if not corrected:
                return more
            old = [
                JudgedRow(one.prediction.outputs, one.before.value)
                for one in corrected
                if one.before is not None
            ]
            return without(more, judged(self._definition, old)) or self._made_anew(kept)
        return self._made_anew(None)

    def revised(self, content: Judged) -> RevisedWindow:
        """Return the window with *content*."""
        window, key = self._window, self._window.key
        new = [one for one in self.taken.values() if one.before is None]
        lags = [(one.after.known_ns or one.arrived_ns) - one.prediction.time_ns for one in new]
        sample = SummarySample(
            entity=self._definition.entity,
            summary=PERFORMANCE,
            labels=label_text.from_text(key.labels),
            window=Window(key.start_ns, key.end_ns),
            coverage=Coverage(profiled=content.cells),
            content=content,
        )
        payload = sample_to_bytes(sample)
        after = replace(
            window,
            definition=self._definition.digest,
            labelled=window.labelled + len(new),
            lags=summed([window.lags, lags_of(lags)]),
            payload=payload,
        )
        before = self._before
        before_row = None if before is None else SampleRow.of(before, window.payload)
        return RevisedWindow(window, before_row, after, SampleRow.of(sample, payload))

    def _judged(self, changes: Iterable[Changed]) -> Judged:
        rows = [JudgedRow(one.prediction.outputs, one.after.value) for one in changes]
        return judged(self._definition, rows)

    def _made_anew(self, kept: Judged | None) -> Judged | None:
        """Return the content of all labels of the window, made from the log.

        A window lacks labels after an erasure, or when they are old. It is not made anew from the rest.

        Args:
            kept: Content that can take new labels, if the log lacks rows; None without one.
        """
        changed = {key: change.after for key, change in self.taken.items()}
        labels = {**self._tables.labels_of(self._window.id), **changed}
        new = sum(one.before is None for one in self.taken.values())
        if len(labels) < self._window.labelled + new:
            return self._with_new_labels(kept)
        keys = sorted(labels)
        parts = []
        for at in range(0, len(keys), MOST_SOUGHT):
            some = keys[at : at + MOST_SOUGHT]
            found = predictions_of(self._tables, self._definition.entity, some)
            rows = [
                JudgedRow(one.outputs, labels[key].value)
                for key in some
                if isinstance(one := found.get(key), PredictionRecord)
            ]
            if len(rows) < len(some):
                return self._with_new_labels(kept)
            parts.append(judged(self._definition, rows))
        return merged(parts)

    def _with_new_labels(self, kept: Judged | None) -> Judged | None:
        new = {key: one for key, one in self.taken.items() if one.before is None}
        self.taken = new if kept is not None else {}
        return merged([kept, self._judged(new.values())]) if kept is not None and new else None
