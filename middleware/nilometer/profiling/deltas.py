"""Profiles that hold what came since they were last taken, and the columns that go into them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from nilometer.decode.columns import Column
from nilometer.profile import Coverage, FeatureSpec, Profile, SpecOf
from nilometer.profile.derived import Derivation
from nilometer.profiling.admission import Names
from nilometer.profiling.gathered import Gathered, side_of
from nilometer.profiling.scores import observe_scores
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import SCORES_SUFFIX, Role, summary_name
from nilometer.values.labels import Labels
from nilometer.values.steps import Steps
from nilometer.values.window import Window

Key: TypeAlias = tuple[Window, Labels, float]  # the last: the share that is profiled


class Deltas:
    """Open profiles of one entity, by window, labels and share. One owner.

    Args:
        entity: Name of the monitored entity.
        spec_of: What is known of a feature; asked at its first sight in each delta.
        event_time_field: Input column that holds the event time, and is not profiled.
        guests: Runs the profilers of users; None where there are none.
        reductions: Names of what tensors are reduced to.
        names: The entity's names that have a place.

    Attributes:
        given: Observations that came since the deltas were last taken. Once all of them are
            profiled, so many are accounted for; fewer are where something was raised in between.
    """

    def __init__(
        self,
        entity: str,
        spec_of: SpecOf,
        event_time_field: str,
        guests: Runner | None,
        reductions: Sequence[str],
        names: Names,
    ) -> None:
        self.given = 0
        self._entity = entity
        self._spec_of = spec_of
        self._event_time_field = event_time_field
        self._guests = guests
        self._derivation = Derivation(reductions)
        self._names = names
        self._names_dropped = names.dropped
        self._expected: dict[Role, set[str]] = {Role.INPUT: set(), Role.OUTPUT: set()}
        self._open: dict[Key, Profile] = {}

    def cover(self, key: Key, coverage: Coverage) -> None:
        """Book observations."""
        self._delta(key).cover(coverage)

    @property
    def accounted(self) -> int:
        """Observations that the deltas account for."""
        return sum(delta.coverage.seen for delta in self._open.values())

    def take_into(self, taken: list[Profile]) -> None:
        """Move the deltas to *taken*, by window and labels."""
        order = sorted(self._open, key=lambda key: (key[0], key[1].pairs, key[2]))
        moved = [self._open[key] for key in order]
        # One statement: an error in between would lose them or count them twice.
        taken[len(taken) :], self._open, self.given = moved, {}, 0

    def add(self, key: Key, part: Gathered) -> Steps[None]:
        """Profile *part*, in steps: a column is one, or a few where it is long."""
        profile = self._delta(key)
        batch = yield from self._columns(part)
        for summary, cells in batch.items():
            yield from profile.feature(summary, self._spec_of).observe_in_steps(cells)
            yield
            yield from self._derive(profile, key[0], summary, cells)
        if self._guests is not None and batch:
            yield from self._run_guests(self._guests, key, batch)
        profile.observe_service((yield from part.service()))
        profile.cover(
            Coverage(
                profiled=part.profiled,
                sampled_out=part.sampled_out,
                undecodable=dict(part.undecodable),
                lost_inputs=dict(part.lost_inputs),
                lost_outputs=dict(part.lost_outputs),
                unnamed=dict(part.unnamed),
            )
        )
        yield

    def _columns(self, part: Gathered) -> Steps[dict[str, Column]]:
        batch: dict[str, Column] = {}
        if self._names_dropped != self._names.dropped:
            self._names_dropped = self._names.dropped
            for role, known in self._names.known.items():
                self._expected[role] &= known.keys()
        for role, side in ((Role.INPUT, part.inputs), (Role.OUTPUT, part.outputs)):
            if not side.rows:
                continue
            names = side.names(self._expected[role])
            yield
            for name in names:
                if name != self._event_time_field:
                    if name in self._names.known[role]:
                        self._expected[role].add(name)
                    batch[summary_name(role, name)] = side.column(name)
                    yield
        for name, cells in part.handed_over.items():
            role, field_name = side_of(name)
            batch.setdefault(summary_name(role, field_name), cells)
        return batch

    def _derive(self, profile: Profile, window: Window, summary: str, cells: Column) -> Steps[None]:
        spec = self._spec_of(summary)
        if spec.score is not None:
            observe_scores(profile.score(f"{summary}{SCORES_SUFFIX}", spec.score), cells)
            yield
        found = yield from self._derivation.columns_in_steps(
            summary,
            cells,
            expected=spec.expected,
            embedding=spec.embedding,
            now_ns=window.start_ns,
        )
        for derived, column in found.items():
            yield from profile.feature(derived, self._open_spec).observe_in_steps(column)
            yield

    def _run_guests(self, guests: Runner, key: Key, batch: Mapping[str, Column]) -> Steps[None]:
        window, labels, sample = key
        for values in guests.run(batch):
            own = labels
            if len(values.labels):
                own = Labels.of({**labels.as_dict(), **values.labels.as_dict()})
            profile = self._delta((window, own, sample))
            for summary, column in values.columns.items():
                yield from profile.feature(summary, self._open_spec).observe_in_steps(column)
                yield

    def _open_spec(self, summary: str) -> FeatureSpec:
        """Of a derived feature: its names are ours or the profiler's, there is nothing to hide."""
        return dataclasses.replace(self._spec_of(summary), readable=True)

    def _delta(self, key: Key) -> Profile:
        profile = self._open.get(key)
        if profile is None:
            window, labels, sample = key
            profile = self._open[key] = Profile(self._entity, labels, window, sample=sample)
        return profile
