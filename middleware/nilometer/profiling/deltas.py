"""Profiles that hold what came since they were last taken, and the columns that go into them."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from nilometer.decode.columns import Column
from nilometer.profile import Coverage, FeatureSpec, Profile, SpecOf
from nilometer.profile.derived import Derivation
from nilometer.profile.recorder import RECORDER_BYTES, FeatureRecorder
from nilometer.profiling.admission import Names
from nilometer.profiling.budget import Budget, recorders_bytes
from nilometer.profiling.found import Found, aligned
from nilometer.profiling.gathered import Gathered, side_of
from nilometer.profiling.scores import observe_scores
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import SCORES_SUFFIX, Role, summary_name
from nilometer.values.labels import Labels
from nilometer.values.reasons import UndecodableReason
from nilometer.values.steps import Steps
from nilometer.values.window import Window

MAX_MADE = 3000  # derived columns of one entity, and those of profilers, on top of its features

Key: TypeAlias = tuple[Window, Labels, float]  # the last: the share that is profiled


class Deltas:
    """Open profiles of one entity, by window, labels and share. One owner.

    Args:
        entity: Name of the monitored entity.
        spec_of: What is known of a feature; asked at its first sight in each delta.
        event_time_field: Input column that holds the event time, and is not profiled.
        user_profilers: Runs the profilers of users; None where there are none.
        reductions: Names of what tensors are reduced to.
        names: The entity's names that have a place.
        budget: Memory that open profiles are charged to.

    Attributes:
        given: Observations that came since the deltas were last taken. Once all of them are
            profiled, so many are accounted for; fewer are where something was raised in between.
    """

    def __init__(
        self,
        entity: str,
        spec_of: SpecOf,
        event_time_field: str,
        user_profilers: Runner | None,
        reductions: Sequence[str],
        names: Names,
        budget: Budget,
    ) -> None:
        self.given = 0
        self._entity = entity
        self._spec_of = spec_of
        self._event_time_field = event_time_field
        self._user_profilers = user_profilers
        self._budget = budget
        self._grown = 0  # bytes that recorders hold beside their fixed part
        self._derivation = Derivation(reductions)
        self._names = names
        self._names_dropped = names.dropped
        self._expected: dict[Role, set[str]] = {Role.INPUT: set(), Role.OUTPUT: set()}
        self._made: set[str] = set()
        self._open: dict[Key, Profile] = {}

    def cover(self, key: Key, coverage: Coverage) -> None:
        """Book observations."""
        self._delta(key).cover(coverage)

    @property
    def names(self) -> int:
        """Names of columns that are known."""
        return sum(map(len, self._expected.values())) + len(self._made)

    @property
    def accounted(self) -> int:
        """Observations that the deltas account for."""
        return sum(delta.coverage.seen for delta in self._open.values())

    def take_into(self, taken: list[Profile]) -> None:
        """Move the deltas to *taken*, by window and labels."""
        order = sorted(self._open, key=lambda key: (key[0], key[1].pairs, key[2]))
        moved = [self._open[key] for key in order]
        # One statement: an error in between would lose them or count them twice.
        taken[len(taken) :], self._open, self.given, self._grown = moved, {}, 0, 0

    def add(self, key: Key, part: Gathered) -> Steps[None]:
        """Profile *part*, in steps: a column is one, or a few where it is long.

        Columns for which the budget has no room are left out, all of them, and the observations
        that had them are ``too_large``.
        """
        profile = self._delta(key)
        found, absent = yield from self._columns(part)
        fits = self._charge(profile, found, absent)
        if fits:
            for summary, rows in absent.items():
                self._miss(profile, summary, rows)
            yield
            for summary, column in found.items():
                yield from self._observe(profile, key[0], summary, column)
            if self._user_profilers is not None and found:
                batch = aligned(found, absent)
                yield
                yield from self._run_user_profilers(self._user_profilers, key, batch)
            if self._budget.is_over:
                yield from self._fold()
        profile.observe_service((yield from part.service()))
        profile.cover(_coverage(part) if fits else _coverage_without_columns(part))
        yield

    def _columns(self, part: Gathered) -> Steps[tuple[dict[str, Found], dict[str, int]]]:
        """The columns that *part* has, and the rows of its side for each known one that it has not."""
        found: dict[str, Found] = {}
        absent: dict[str, int] = {}
        self._forget_dropped()
        for role, side in ((Role.INPUT, part.inputs), (Role.OUTPUT, part.outputs)):
            if not side.rows:
                continue
            expected, known = self._expected[role], self._names.known[role]
            present = yield from side.present_in_steps()
            present.pop(self._event_time_field, None)
            for name in expected - present.keys():
                absent[summary_name(role, name)] = side.rows
            for name, cells in present.items():
                if name in known:
                    expected.add(name)
                found[summary_name(role, name)] = Found(name, side, cells)
            yield
        for name, given in part.handed_over.items():
            role, field_name = side_of(name)
            summary = summary_name(role, field_name)
            if summary not in found:
                absent.pop(summary, None)
                found[summary] = Found.given(field_name, given)
        return found, absent

    def _forget_dropped(self) -> None:
        """Expect no names any more that have lost their places."""
        if self._names_dropped != self._names.dropped:
            self._names_dropped = self._names.dropped
            for role, known in self._names.known.items():
                self._expected[role] &= known.keys()

    def _charge(
        self, profile: Profile, found: Mapping[str, Found], absent: Mapping[str, int]
    ) -> bool:
        """Whether the budget has room for the recorders that these columns need."""
        known = profile.features.keys()
        fresh = recorders_bytes(len(found.keys() - known), len(absent.keys() - known))
        return self._budget.take(fresh)

    def _miss(self, profile: Profile, summary: str, rows: int) -> None:
        """Count the cells of a known column that no row has; none of them is made."""
        profile.feature(summary, self._spec_of).observe_missing(rows)
        score = self._spec_of(summary).score
        if score is not None:
            observe_scores(profile.score(f"{summary}{SCORES_SUFFIX}", score), [None] * rows)

    def _observe(
        self, profile: Profile, window: Window, summary: str, column: Found
    ) -> Steps[None]:
        cells = column.present.cells(column.name)
        recorder = profile.feature(summary, self._spec_of)
        yield from self._record(recorder, cells)
        recorder.observe_missing(column.rows - column.present.count)
        yield
        score = self._spec_of(summary).score
        if score is not None:
            observe_scores(profile.score(f"{summary}{SCORES_SUFFIX}", score), column.aligned())
            yield
        yield from self._derive(profile, window, summary, cells)

    def _record(self, recorder: FeatureRecorder, cells: Column) -> Steps[None]:
        """Observe *cells*, and charge what the recorder has grown by."""
        before = recorder.held_bytes
        yield from recorder.observe_in_steps(cells)
        self._charge_growth(recorder.held_bytes - before)

    def _charge_growth(self, size: int) -> None:
        self._grown += size
        self._budget.held += size

    def _fold(self) -> Steps[None]:
        """Let the memory go of what waits in recorders."""
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
        for derived, column in found.items():
            yield from self._record_made(profile, derived, column)

    def _record_made(self, profile: Profile, summary: str, column: Column) -> Steps[None]:
        """Observe a column that was made here, of cells or by a profiler."""
        if summary not in profile.features:
            known = summary in self._made or len(self._made) < MAX_MADE
            if not known or not self._budget.take(RECORDER_BYTES):
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
        """Of a derived feature: its names are ours or the profiler's, there is nothing to hide."""
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
    )


def _coverage_without_columns(part: Gathered) -> Coverage:
    """Of a part whose columns had no room: what would have been profiled is ``too_large``."""
    undecodable = part.undecodable + Counter({UndecodableReason.TOO_LARGE.value: part.profiled})
    return Coverage(sampled_out=part.sampled_out, undecodable=dict(undecodable))
