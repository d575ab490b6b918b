"""Delta profiles, which cover the observations since the last `take`."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeAlias

from nilometer.decode.columns import Column
from nilometer.profile import Coverage, FeatureSpec, Profile, SpecOf
from nilometer.profile.derived import Derivation
from nilometer.profile.derived.vector_sums import vector_sums
from nilometer.profile.profile import spec_for
from nilometer.profile.recorder import RECORDER_BYTES, FeatureRecorder, as_numbers, count_types
from nilometer.profiling.admission import Names
from nilometer.profiling.budget import Budget, recorders_bytes
from nilometer.profiling.found import Found, aligned
from nilometer.profiling.gathered import Gathered, side_of
from nilometer.profiling.predicted import Predicted, PredictionSums
from nilometer.profiling.scores import observe_scores
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import SCORES_SUFFIX, Role, summary_name
from nilometer.values.labels import Labels
from nilometer.values.reasons import UndecodableReason
from nilometer.values.steps import Steps
from nilometer.values.window import Window

Key: TypeAlias = tuple[Window, Labels, float]  # window, labels, and sampling share


class Deltas:
    """Open profiles of one entity, by window, labels and share. Not thread-safe.

    Args:
        entity: Name of the monitored entity.
        spec_of: Function that returns the spec of a feature; called once per feature and delta.
        user_profilers: Runner of the user's profilers; None without profilers.
        reductions: Names of the values that tensors are reduced to.
        names: Admitted names of the entity.
        budget: Budget that open profiles are charged to.

    Attributes:
        given: Number of observations received since the deltas were last taken. `accounted` equals
            it once all are profiled. It is smaller if an error interrupted the profiling.
    """

    def __init__(
        self,
        entity: str,
        spec_of: SpecOf,
        user_profilers: Runner | None,
        reductions: Sequence[str],
        names: Names,
        budget: Budget,
    ) -> None:
        self.given = 0
        self._entity = entity
        self._spec_of = partial(spec_for, spec_of)
        self._sums = PredictionSums(self._spec_of)
        self._user_profilers = user_profilers
        self._budget = budget
        self._grown = 0  # memory of recorders besides their fixed part, in bytes
        self._derivation = Derivation(reductions)
        self._names = names
        self._names_dropped = names.dropped
        self._expected: dict[tuple[int, Role], set[str]] = {}  # known columns by group and side
        self._made: set[str] = set()
        self._open: dict[Key, Profile] = {}

    def cover(self, key: Key, coverage: Coverage) -> None:
        """Add *coverage* to the profile of *key*."""
        self._delta(key).cover(coverage)

    @property
    def names(self) -> int:
        """Number of known columns."""
        return sum(map(len, self._expected.values())) + len(self._made)

    @property
    def accounted(self) -> int:
        """Number of observations in the coverage of the deltas."""
        return sum(delta.coverage.seen for delta in self._open.values())

    def take_into(self, taken: list[Profile]) -> None:
        """Move the deltas to *taken*, ordered by window and labels."""
        order = sorted(self._open, key=lambda key: (key[0], key[1].pairs, key[2]))
        moved = [self._open[key] for key in order]
        # A single statement, because an error in between would lose the deltas or count them twice.
        taken[len(taken) :], self._open, self.given, self._grown = moved, {}, 0, 0

    def add(self, key: Key, group: int, part: Gathered) -> Steps[None]:
        """Profile *part* in steps: one step per column, and several for a long column.

        If the budget has no room for the columns, all of them are dropped and the observations
        are counted as ``too_large``.

        Args:
            key: Key of the profile.
            group: Group of requests that usually have the same columns, see `places.Place`.
            part: Observations.
        """
        profile = self._delta(key)
        found, absent = yield from self._columns(group, part)
        fits = self._charge(profile, found, absent)
        if fits:
            predictions = self._sums.predicted(found, part)
            for summary, column in absent.items():
                self._miss(profile, summary, column, predictions)
            yield
            for summary, column in found.items():
                yield from self._observe(profile, key[0], summary, column, predictions)
            if self._user_profilers is not None and found:
                batch = aligned([*found.items(), *absent.items()])
                yield
                yield from self._run_user_profilers(self._user_profilers, key, batch)
            if self._budget.is_over:
                yield from self._fold()
        profile.observe_service((yield from part.service()))
        profile.cover(_coverage(part) if fits else _coverage_without_columns(part))
        yield

    def _columns(
        self, group: int, part: Gathered
    ) -> Steps[tuple[dict[str, Found], dict[str, Found]]]:
        """Find the columns of *part*, and the columns of its group that are missing in it."""
        found: dict[str, Found] = {}
        absent: dict[str, Found] = {}
        self._forget_dropped()
        for role, side in ((Role.INPUT, part.inputs), (Role.OUTPUT, part.outputs)):
            if not side.rows:
                continue
            known = self._names.known[role]
            expected = self._expected.setdefault((group, role), set()) if group else set()
            present = yield from side.present_in_steps()
            for name in expected - present.keys():
                without = part.rows_without(role, known[name])
                absent[summary_name(role, name)] = Found(name, side, rows_without=without)
            for name, cells in present.items():
                without = 0 if group else side.rows - cells.count
                if group and name in known:
                    expected.add(name)
                    without = part.rows_without(role, known[name])
                found[summary_name(role, name)] = Found(name, side, cells, without)
            yield
        for name, given in part.handed_over.items():
            role, field_name = side_of(name)
            summary = summary_name(role, field_name)
            if summary not in found:
                absent.pop(summary, None)
                found[summary] = Found.given(field_name, given)
        self._reserve_scores(part, found, absent)
        return found, absent

    def _reserve_scores(
        self, part: Gathered, found: dict[str, Found], absent: dict[str, Found]
    ) -> None:
        """Reserve the names of scores. The cells of a field with such a name become unnamed."""
        for summary in [*found, *absent]:
            if self._spec_of(summary).score is None:
                continue
            scores = f"{summary}{SCORES_SUFFIX}"
            self._names.reserve(scores, always=True)
            absent.pop(scores, None)
            field = found.pop(scores, None)
            if field is not None:
                part.unnamed += count_types(field.present.cells(field.name))

    def _forget_dropped(self) -> None:
        """Forget the columns whose names are no longer admitted."""
        if self._names_dropped != self._names.dropped:
            self._names_dropped = self._names.dropped
            for (_, role), expected in self._expected.items():
                expected.intersection_update(self._names.known[role])

    def _charge(
        self, profile: Profile, found: Mapping[str, Found], absent: Mapping[str, Found]
    ) -> bool:
        """Charge the memory for these columns' recorders; return whether the budget has room."""
        known = profile.features.keys()
        more, less = len(found.keys() - known), len(absent.keys() - known)
        fresh = recorders_bytes(more, less, profile.labels)
        return self._budget.take(fresh)

    def _miss(
        self, profile: Profile, summary: str, column: Found, predictions: Predicted | None
    ) -> None:
        """Count the missing cells of a known column, without creating cells."""
        rows = column.missing
        recorder = profile.feature(summary, self._spec_of)
        recorder.observe_missing(rows)
        if predictions is not None:
            is_whole = rows == predictions.rows
            self._sum(recorder, summary, None if is_whole else (), predictions)
        score = self._spec_of(summary).score
        if score is not None:
            observe_scores(profile.score(f"{summary}{SCORES_SUFFIX}", score), [None] * rows)

    def _observe(
        self,
        profile: Profile,
        window: Window,
        summary: str,
        column: Found,
        predictions: Predicted | None,
    ) -> Steps[None]:
        cells = column.present.cells(column.name)
        recorder = profile.feature(summary, self._spec_of)
        if predictions is None:
            yield from self._record(recorder, cells)
        else:
            numbers = as_numbers(cells)  # converted once for both
            counted = cells if numbers is None else numbers
            yield from self._record(recorder, counted)
            if column.side is None or column.rows_without:
                counted = ()  # it is not known which rows the cells belong to
            elif not column.is_whole:
                counted = column.aligned()
            self._sum(recorder, summary, counted, predictions)
        recorder.observe_missing(column.missing)
        yield
        score = self._spec_of(summary).score
        if score is not None:
            observe_scores(profile.score(f"{summary}{SCORES_SUFFIX}", score), column.aligned())
            yield
        yield from self._derive(profile, window, summary, cells)

    def _record(self, recorder: FeatureRecorder, cells: Column) -> Steps[None]:
        """Observe *cells*, and charge the additional memory of the recorder."""
        before = recorder.held_bytes
        yield from recorder.observe_in_steps(cells)
        self._charge_growth(recorder.held_bytes - before)

    def _sum(
        self,
        recorder: FeatureRecorder,
        summary: str,
        cells: Column | None,
        predictions: Predicted,
    ) -> None:
        """Add sums of *predictions*, and charge the additional memory of the recorder."""
        before = recorder.held_bytes
        self._sums.add(recorder, summary, cells, predictions)
        self._charge_growth(recorder.held_bytes - before)

    def _charge_growth(self, size: int) -> None:
        self._grown += size
        self._budget.held += size

    def _fold(self) -> Steps[None]:
        """Fold the waiting cells of all recorders to free their memory."""
        grown = 0
        for profile in list(self._open.values()):
            for recorder in list(profile.features.values()):
                yield from recorder.fold_in_steps()
                grown += recorder.held_bytes
        self._charge_growth(grown - self._grown)

    def _derive(self, profile: Profile, window: Window, summary: str, cells: Column) -> Steps[None]:
        spec = self._spec_of(summary)
        found = yield from self._derivation.columns_in_steps(
            summary,
            cells,
            expected=spec.expected,
            embedding=spec.embedding,
            now_ns=window.start_ns,
        )
        vectors = vector_sums(summary, found, spec.embedding)
        if vectors:
            recorder = profile.feature(summary, self._spec_of)
            before = recorder.held_bytes
            recorder.observe_vectors(vectors)
            self._charge_growth(recorder.held_bytes - before)
            yield
        for derived, column in found.items():
            yield from self._record_made(profile, derived, column)

    def _record_made(self, profile: Profile, summary: str, column: Column) -> Steps[None]:
        """Observe a derived column, or a column of a user's profiler."""
        if summary not in self._made or summary not in profile.features:
            made = summary in self._made or self._names.reserve(summary)
            if not made or not self._budget.take(RECORDER_BYTES):
                self._names.over_limit += 1
                return
            self._made.add(summary)
        yield from self._record(profile.feature(summary, self._open_spec), column)
        yield

    def _run_user_profilers(
        self, user_profilers: Runner, key: Key, batch: Mapping[str, Column]
    ) -> Steps[None]:
        window, labels, sample = key
        for values in user_profilers.run(batch):
            own = labels
            if len(values.labels):
                own = Labels.of({**labels.as_dict(), **values.labels.as_dict()})
            profile = self._delta((window, own, sample))
            for summary, column in values.columns.items():
                yield from self._record_made(profile, summary, column)

    def _open_spec(self, summary: str) -> FeatureSpec:
        """Return the spec of a derived feature, whose category names may be published."""
        return dataclasses.replace(self._spec_of(summary), readable=True)

    def _delta(self, key: Key) -> Profile:
        profile = self._open.get(key)
        if profile is None:
            window, labels, sample = key
            profile = self._open[key] = Profile(self._entity, labels, window, sample=sample)
        return profile


def _coverage(part: Gathered) -> Coverage:
    return Coverage(
        profiled=part.profiled,
        sampled_out=part.sampled_out,
        undecodable=dict(part.undecodable),
        lost_inputs=dict(part.lost_inputs),
        lost_outputs=dict(part.lost_outputs),
        unnamed=dict(part.unnamed),
        unread_times=part.unread_times,
    )


def _coverage_without_columns(part: Gathered) -> Coverage:
    """Return the coverage of a part without room for columns: profiled becomes ``too_large``."""
    undecodable = part.undecodable + Counter({UndecodableReason.TOO_LARGE.value: part.profiled})
    return Coverage(
        sampled_out=part.sampled_out,
        undecodable=dict(undecodable),
        unnamed=dict(part.unnamed),
        unread_times=part.unread_times,
    )
