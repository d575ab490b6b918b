"""Decodes and profiles observations, in the agent or in the server process.

Each observation of an entity is added to the profile of its event-time window. A profile covers
only the observations since the last `take`. Such deltas merge to the profile of the whole window.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from nilometer.decode import Side
from nilometer.profile import Coverage, Profile, SpecOf
from nilometer.profile.derived.vectors import DEFAULT_REDUCTIONS
from nilometer.profile.profile import default_spec
from nilometer.profiling.admission import Names
from nilometer.profiling.alike import Alike, AlikeReader
from nilometer.profiling.budget import (
    MAX_VALUES_BYTES,
    PROFILE_BYTES,
    SERVED_BYTES,
    Budget,
    Weight,
    kept_bytes,
    recorders_bytes,
    served_bytes,
)
from nilometer.profiling.deltas import Deltas, Key
from nilometer.profiling.event_time import EventTimes
from nilometer.profiling.gathered import Gathered, Sides
from nilometer.profiling.layout import Layout, Part, by_kind, usable_share
from nilometer.profiling.observation import Observation, raw_arrays, readable, unpack
from nilometer.profiling.segments import (
    MAX_LABEL_SETS,
    Segments,
    WindowLabels,
    checked_labels,
)
from nilometer.profiling.sides import NOT_DECODED, Decoded, decode_sides, known_of
from nilometer.profiling.told import Heard, Told
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import Role
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason, UndecodableReason
from nilometer.values.steps import Steps, finished
from nilometer.values.window import Window

MAX_WAITING = 4096  # observations profiled together: numpy calls pay off only for thousands
FIRST_NAMES = 16  # columns to expect from an entity without known columns
FEWEST_ALIKE = 16  # fewest observations of one kind that are decoded in one pass

_TOO_LARGE = Decoded(undecodable=UndecodableReason.TOO_LARGE.value)


class Profiling:
    """Decodes observations of one entity into open deltas. Not thread-safe.

    Args:
        entity: Name of the monitored entity.
        labels: Labels of every observation.
        window_ns: Length of a window, in nanoseconds.
        spec_of: Function that returns the spec of a feature; called once per feature and delta.
        event_times: The place and the form of the event time in a request.
        segments: Fields that become labels.
        max_label_sets: Limit of distinct label sets per window.
        sample: Share of the observations whose bodies are decoded and profiled, above 0 to 1;
            all requests are counted, and the coverage contains both numbers.
        seed: Seed of the sampler; None draws one at random.
        user_profilers: Runner of the user's profilers; None without profilers.
        reductions: Names of the values that tensors are reduced to.
        max_waiting: Number of observations that are profiled together.
        names: Admitted names, shared between the label sets of the entity; None creates new ones.
        budget: Memory budget, shared between profilings; None creates a new one.

    Attributes:
        waiting: Number of observations that are decoded but not profiled.
        budget: Memory budget that the data is charged to.
        told: What responses of the latest packed batch tell, by the index of the observation.
    """

    def __init__(
        self,
        entity: str,
        labels: Labels,
        window_ns: int,
        *,
        spec_of: SpecOf = default_spec,
        event_times: EventTimes = EventTimes(),  # noqa: B008  immutable
        segments: Segments | None = None,
        max_label_sets: int = MAX_LABEL_SETS,
        sample: float = 1.0,
        seed: int | None = None,
        user_profilers: Runner | None = None,
        reductions: Sequence[str] = DEFAULT_REDUCTIONS,
        max_waiting: int = MAX_WAITING,
        names: Names | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.entity = entity
        self.labels = labels
        self.window_ns = window_ns
        self.event_times = event_times
        self.segments = segments or Segments()
        self.sample = sample
        self.latest_ns = 0  # newest event time seen: the watermark
        self._booked_ns = 0  # event time for drops that have no room for their own window
        self._label_sets = WindowLabels(labels, max_label_sets)
        self._names = names or Names()
        self.budget = budget or Budget()
        self._weight = Weight(self.budget)  # memory of waiting observations
        self._deltas = Deltas(entity, spec_of, user_profilers, reductions, self._names, self.budget)
        self._gathered: dict[Key, Gathered] = {}
        self._latest: tuple[Window, Labels, float, Gathered] | None = None  # with its key
        self._window = Window.containing(0, window_ns)  # window of the latest observation
        self.waiting = 0
        self._max_waiting = max_waiting
        self._layout = Layout()
        self.told: dict[int, Told] = {}
        self._heard = Heard()
        self._reader = AlikeReader(window_ns)
        self._known = known_of(self._names, spec_of)
        # Random sampling, because every n-th request could match a period of the traffic.
        self._chance = random.Random(seed)  # noqa: S311  # not a secret

    def observe_packed(self, packed: bytes) -> int:
        """Decode a batch of `nilometer.profiling.observation.pack`; return its observation count.

        Applications may violate the types of ASGI. An unreadable observation is counted as
        dropped, and the others are kept.

        Raises:
            msgspec.DecodeError: If the bytes are not a batch, or no observation is readable. In
                this case nothing is observed.
        """
        return finished(self.observe_packed_in_steps(packed))

    def observe_packed_in_steps(self, packed: bytes) -> Steps[int]:
        """Do the same as `observe_packed` in steps, so that other threads can run in between."""
        self.told, self._heard = {}, Heard()
        at_once = self._reads_at_once
        parts = self._layout.read(packed, FEWEST_ALIKE) if at_once else None
        yield
        if parts is not None and (yield from self._observe_parts(parts)):
            return sum(len(rows) for _, rows in parts)
        lost = 0
        try:
            observations = unpack(packed)
        except msgspec.ValidationError:
            arrays = raw_arrays(packed)
            observations = readable(arrays)
            if not observations:
                raise
            lost = len(arrays) - len(observations)
            self.book_drops({DropReason.MALFORMED_BATCH.value: lost}, observations[-1].arrival_ns)
        yield
        if parts is not None:  # one kind of observation, but several shapes of bodies
            yield from self._observe_each(observations)
        else:
            yield from self._observe(observations)
            if at_once and observations and not lost:
                self._layout.learn(packed, observations)
        self.told = self._heard.by_index(observations)
        return len(observations) + lost

    def observe(self, observations: Sequence[Observation]) -> None:
        """Decode *observations*; they wait until there are enough to profile together."""
        self._heard = Heard()
        finished(self._observe(observations))

    def _observe(self, observations: Sequence[Observation]) -> Steps[None]:
        if self._reads_at_once:
            parts = by_kind(observations, FEWEST_ALIKE)
            yield
            if (yield from self._observe_parts(parts)):
                return
        yield from self._observe_each(observations)

    def _observe_each(self, observations: Sequence[Observation]) -> Steps[None]:
        self._deltas.given += len(observations)
        for observation in observations:
            rest = self._gather(observation)
            if rest is not None:
                yield from rest
            yield
            if self._waits_enough:
                yield from self.settle_in_steps()

    @property
    def _waits_enough(self) -> bool:
        return self.waiting >= self._max_waiting or self._weight.is_enough

    def settle(self) -> None:
        """Profile the waiting observations."""
        finished(self.settle_in_steps())

    def settle_in_steps(self) -> Steps[None]:
        """Do the same as `settle`, in steps."""
        self.waiting = 0
        self._weight.give_back()
        self._latest = None
        while self._gathered:  # one by one, so that an error loses only one part
            key = next(iter(self._gathered))
            yield from self._deltas.add(key, self._gathered.pop(key))

    @property
    def holds(self) -> bool:
        """Whether there are observations since the last `take`."""
        return bool(self._deltas.given)

    @property
    def kept_bytes(self) -> int:
        """Approximate memory for feature names and label sets, in bytes; `take` keeps it."""
        return kept_bytes(self._deltas.names, len(self._label_sets))

    def book_drops(self, dropped: Mapping[str, int], event_ns: int) -> None:
        """Count observations that were dropped before they reached this profiling."""
        known = {reason.value for reason in DropReason}
        counts = Counter[str]()
        for reason, lost in dropped.items():
            counts[reason if reason in known else DropReason.INTERNAL_ERROR.value] += lost
        self._deltas.given += counts.total()
        self._drop(counts, event_ns)

    @property
    def given(self) -> int:
        """Number of observations since the last `take`."""
        return self._deltas.given

    def make_up(self, expected: int, reason: DropReason, event_ns: int) -> None:
        """Count missing observations as dropped, after an error interrupted any call.

        Args:
            expected: Number of observations to account for: `given` before the failed call, plus
                the observations passed to that call.
            reason: Reason of the drop.
            event_ns: Event time of the drop, in Unix nanoseconds.
        """
        waiting = sum(part.accounted for part in self._gathered.values())
        missing = expected - waiting - self._deltas.accounted
        if missing > 0:
            self._drop({reason.value: missing}, event_ns)
        self._deltas.given = max(expected, waiting + self._deltas.accounted)

    def _drop(self, dropped: Mapping[str, int], event_ns: int) -> None:
        window = Window.containing(event_ns, self.window_ns)
        key = (window, self.labels, self.sample)
        self._deltas.cover(key, Coverage(dropped=dict(dropped)))

    def take(self) -> list[Profile]:
        """Return the deltas since the last call by window and labels; the caller owns them."""
        taken: list[Profile] = []
        self.take_into(taken, self.latest_ns)
        self.budget.clear()
        return taken

    def take_into(self, taken: list[Profile], event_ns: int) -> None:
        """Move the deltas to *taken* atomically.

        Args:
            taken: List that the deltas are appended to.
            event_ns: Event time for observations that an error lost, in Unix nanoseconds.
        """
        self.settle()
        self.make_up(self.given, DropReason.INTERNAL_ERROR, event_ns)
        self._label_sets.rest()
        self._deltas.take_into(taken)

    @property
    def _reads_at_once(self) -> bool:
        """Whether observations may be decoded in one pass: no setting depends on single ones."""
        return not (self.event_times.field or self.segments.rules or self.sample < 1.0)

    def _observe_parts(self, parts: Sequence[Part]) -> Steps[bool]:
        """Decode each kind in one pass; return False, without changes, if that is impossible."""
        found: list[Alike | None] = []
        for kind, rows in parts:
            alike = None if kind is None else (yield from self._reader.read(kind, rows))
            if kind is not None and alike is None:
                return False
            found.append(alike)
        if not self._names.settle_at_once(one.sides for one in found if one and one.sides):
            return False
        for (_, rows), alike in zip(parts, found, strict=True):
            if alike is None:
                yield from self._observe_each(rows)
            else:
                yield from self._gather_alike(alike, rows)
        return True

    def _gather_alike(self, alike: Alike, rows: Sequence[Observation]) -> Steps[None]:
        kind, window, latest, sides = alike
        count = len(rows)
        self._deltas.given += count
        part = self._part(window, self.labels, kind.share)
        if part is None:
            self._drop({DropReason.TOO_LARGE.value: count}, self._booked_ns)
            return
        self.latest_ns = max(self.latest_ns, latest)
        self.waiting += count
        self._weight.add(SERVED_BYTES * count + alike.weight)
        if sides is None:
            part.sampled_out += count
        else:
            both = sides[Role.INPUT], sides[Role.OUTPUT]
            if not self._names.passes(*both, count):
                yield from self._sift(part, both, count)
            part.add(both)
            part.profiled += count
        part.serve_alike(kind, rows)
        if self._waits_enough:
            yield from self.settle_in_steps()

    def _gather(self, observation: Observation) -> Steps[None] | None:
        """Decode one observation; return the rest of the work if it must be done in steps."""
        inputs, outputs = Side(), Side()
        large = len(observation.values) > MAX_VALUES_BYTES
        held = not (observation.left_out or large)
        sampled = held and (self.sample >= 1.0 or self._chance.random() < self.sample)
        decoded = NOT_DECODED
        if sampled or (held and (self.segments.rules or self.event_times.field)):
            decoded = decode_sides(observation, inputs, outputs, self._known)
        event_ns, is_read = self.event_times.of_request(observation, inputs)
        self.latest_ns = max(self.latest_ns, event_ns)
        window = self._window
        if not window.start_ns <= event_ns < window.end_ns:
            window = self._window = Window.containing(event_ns, self.window_ns)
        labels = self.labels
        if observation.labels or self.segments.rules:
            labels = self._labels(window, observation, (inputs, outputs))
        part = self._part(window, labels, self.sample * usable_share(observation.share))
        if part is None:
            self._drop({DropReason.TOO_LARGE.value: 1}, self._booked_ns)
            return None
        self.waiting += 1
        self._weight.add(inputs.weight + outputs.weight + served_bytes(observation))
        part.serve(observation, decoded.told)
        self._heard.add(observation, decoded.told)
        part.unread_times += not is_read
        if large:
            part.cover(_TOO_LARGE, frozenset())
            return None
        if not sampled:
            part.sampled_out += 1
            return None
        if not self._names.passes(inputs, outputs):
            return self._sift_one(part, (inputs, outputs), observation.values, decoded)
        self._add(part, (inputs, outputs), observation.values, decoded)
        return None  # the usual case

    def _sift_one(
        self, part: Gathered, sides: Sides, values: bytes, decoded: Decoded
    ) -> Steps[None]:
        yield from self._sift(part, sides, 1)
        self._add(part, sides, values, decoded)

    def _add(self, part: Gathered, sides: Sides, values: bytes, decoded: Decoded) -> None:
        """Add the admitted columns of one observation, and the values that its model logged."""
        part.add(sides)
        part.cover(decoded, part.hand_over(values, self._names) if values else frozenset())

    def _sift(self, part: Gathered, sides: Sides, requests: int) -> Steps[None]:
        """Remove the columns whose names are not admitted; charge the columns that are added."""
        weight = -sum(side.weight for side in sides)
        unnamed = Counter[str]()
        for role, side in zip((Role.INPUT, Role.OUTPUT), sides, strict=True):
            steps = self._names.sift_in_steps(role, side, requests)
            unnamed += yield from steps
        self._weight.add(weight + sum(side.weight for side in sides))
        part.refuse(unnamed, self._names.requests, sides)

    def _labels(self, window: Window, observation: Observation, sides: Sides) -> Labels:
        by_fields = self.segments.rules and not observation.left_out
        if not observation.labels and not by_fields:
            return self.labels
        found = checked_labels(observation.labels or {})
        if by_fields:
            found |= self.segments.labels(*sides)
        return self._label_sets.get(window, found)

    def _part(self, window: Window, labels: Labels, share: float) -> Gathered | None:
        """Return the waiting part of a window and label set; None if the budget has no room."""
        latest = self._latest
        if latest and latest[0] is window and latest[1] is labels and latest[2] == share:
            return latest[3]  # avoids hashing and comparing the key
        key = (window, labels, share)
        part = self._gathered.get(key)
        if part is None and self.budget.take(PROFILE_BYTES):
            part = self._gathered[key] = Gathered()
            self._weight.expect(recorders_bytes(self._deltas.names or FIRST_NAMES, 0))
            self._booked_ns = window.start_ns
        if part is not None:
            self._latest = (window, labels, share, part)
        return part
