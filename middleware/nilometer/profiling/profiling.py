"""Decodes and profiles observations, in the agent or in the server process.

Each observation of an entity is added to the profile of its event-time window. A profile only
covers the observations since the last `take`. Such deltas merge into the profile of the whole
window.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from nilometer.decode import Side
from nilometer.profile import Coverage, Profile, SpecOf
from nilometer.profile.derived.vectors import DEFAULT_REDUCTIONS
from nilometer.profile.profile import default_spec
from nilometer.profiling.admission import Names
from nilometer.profiling.alike import Alike, AlikeReader
from nilometer.profiling.budget import (
    MAX_VALUES_BYTES,
    SERVED_BYTES,
    Budget,
    kept_bytes,
    served_bytes,
)
from nilometer.profiling.deltas import Deltas
from nilometer.profiling.event_time import EventTimes
from nilometer.profiling.gathered import Gathered, Sides
from nilometer.profiling.layout import Layout, Part, by_kind, by_route, usable_share, whole
from nilometer.profiling.observation import MOST_NS, Observation, raw_arrays, readable, unpack
from nilometer.profiling.places import NO_GROUP, Places
from nilometer.profiling.prediction_log import PredictionLog
from nilometer.profiling.predictions import Predictions
from nilometer.profiling.segments import MAX_LABEL_SETS, Segments, WindowLabels
from nilometer.profiling.sides import NOT_INFERENCE, Decoded, decode_sides, known_of
from nilometer.profiling.stream_facts import NO_FACTS, StreamFacts
from nilometer.profiling.user_profilers import Runner
from nilometer.profiling.waiting import Waiting
from nilometer.values.clock import NANOSECONDS
from nilometer.values.entity import Role
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason, UndecodableReason
from nilometer.values.request_rules import RequestRules
from nilometer.values.steps import Steps, finished
from nilometer.values.window import Window

MAX_WAITING = 4096  # observations profiled together, because numpy is only efficient for thousands
FEWEST_ALIKE = 16  # fewest observations of one kind that are decoded in one pass

# Function with predictions or WebSocket connections: labels of their place, observations, stream facts.
OnServed: TypeAlias = Callable[[Labels, Sequence[Observation], StreamFacts], None]

_TOO_LARGE = Decoded(undecodable=UndecodableReason.TOO_LARGE.value)
_DROPS = frozenset(reason.value for reason in DropReason)
_WEBSOCKET = UndecodableReason.WEBSOCKET.value


class Profiling:
    """Decodes observations of one entity into open deltas. Not thread-safe.

    Args:
        entity: Name of the monitored entity.
        labels: Labels of every observation; values may be templates, see `values.templates`.
        window_ns: Length of a window, in nanoseconds.
        spec_of: Function that returns the spec of a feature; called once per feature and delta.
        event_times: Place and format of the event time in a request.
        segments: Fields that become labels.
        max_label_sets: Limit of distinct label sets per window.
        sample: Share of the observations whose bodies are decoded and profiled, above 0 and at most
            1. All requests are counted, and the coverage contains both numbers.
        seed: Seed of the sampler; None draws one at random.
        user_profilers: Runner of the user's profilers; None without profilers.
        reductions: Names of the values that tensors are reduced to.
        max_waiting: Number of observations that are profiled together.
        names: Admitted names, shared between the label sets of the entity; None creates new ones.
        predictions: Routes with predictions, shared between the label sets of the entity.
        budget: Memory budget, shared between profilings; None creates a new one.
        on_served: Function that receives the predictions and the connections; may be None.

    Attributes:
        labels: Labels of the server.
        included: Rules that include requests as predictions.
        budget: Memory budget to which the data is charged.
        log: Log that receives every prediction; None for none. With it, requests are decoded singly.
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
        predictions: Predictions | None = None,
        budget: Budget | None = None,
        on_served: OnServed | None = None,
    ) -> None:
        self.entity = entity
        self._places = Places(entity, labels)
        self.labels = self._places.fixed
        self.included = RequestRules()
        self.log: PredictionLog | None = None
        self.window_ns = window_ns
        self.event_times = event_times
        self.segments = segments or Segments()
        self.sample = sample
        self.latest_ns = 0  # newest event time seen: the watermark
        self._label_sets = WindowLabels(self.labels, max_label_sets)
        self._names = names or Names()
        self._predictions = predictions or Predictions()
        self._on_served = on_served
        self.budget = budget or Budget()
        self._deltas = Deltas(entity, spec_of, user_profilers, reductions, self._names, self.budget)
        self._waiting = Waiting(self._deltas, self._names, self.budget, max_waiting)
        self._window = Window.containing(0, window_ns)  # window of the latest observation
        self._layout = Layout()
        self._reader = AlikeReader(window_ns)
        self._known = known_of(self._names, spec_of)
        # Random sampling, because every n-th request could match a period of the traffic.
        self._chance = random.Random(seed)  # noqa: S311  # not a secret

    def observe_packed(self, packed: bytes) -> int:
        """Decode a batch of `nilometer.profiling.observation.pack`; return its observation count.

        Applications may violate the types of ASGI. An unreadable observation is counted as
        dropped, and the others are kept.

        Raises:
            msgspec.DecodeError: If nothing is readable; nothing is observed then.
        """
        return finished(self.observe_packed_in_steps(packed))

    def observe_packed_in_steps(self, packed: bytes) -> Steps[int]:
        """Like `observe_packed`, but in steps, so that other threads can run in between."""
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
        if parts is not None:  # one kind of observation, but bodies of several shapes
            yield from self._observe_each(observations)
            return len(observations) + lost
        yield from self._observe(observations)
        if at_once and observations and not lost:
            self._layout.learn(packed, observations)
        return len(observations) + lost

    def observe(self, observations: Sequence[Observation]) -> None:
        """Decode *observations*; they wait until there are enough to profile together."""
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
            if observation.websocket is not None:
                self._count_connection(observation)
            elif (rest := self._gather(observation)) is not None:
                yield from rest
            yield
            if self._waiting.is_enough:
                yield from self.settle_in_steps()

    @property
    def waiting(self) -> int:
        """Number of observations that are decoded but not profiled."""
        return self._waiting.count

    def settle(self) -> None:
        """Profile the waiting observations."""
        finished(self.settle_in_steps())

    def settle_in_steps(self) -> Steps[None]:
        """Like `settle`, but in steps."""
        yield from self._waiting.settle_in_steps()

    @property
    def holds(self) -> bool:
        """Whether there were observations since the last `take`."""
        return bool(self._deltas.given)

    @property
    def kept_bytes(self) -> int:
        """Approximate memory of feature names and label sets, in bytes; `take` does not free it."""
        return kept_bytes(self._deltas.names, len(self._label_sets))

    def book_drops(self, dropped: Mapping[str, int], event_ns: int) -> None:
        """Count observations that were dropped before they reached this profiling."""
        counts = Counter[str]()
        for reason, lost in dropped.items():
            counts[reason if reason in _DROPS else DropReason.INTERNAL_ERROR.value] += lost
        self._deltas.given += counts.total()
        self._drop(counts, event_ns)

    @property
    def given(self) -> int:
        """Number of observations since the last `take`."""
        return self._deltas.given

    def make_up(self, expected: int, reason: DropReason, event_ns: int) -> None:
        """Count missing observations as dropped, after an error interrupted any call.

        Args:
            expected: `given` before the failed call, plus the observations passed to that call.
            reason: Reason of the drop.
            event_ns: Event time of the drop, in Unix nanoseconds.
        """
        waiting = self._waiting.accounted
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
        """Whether a batch may be decoded in one pass, because no setting needs single requests."""
        return not (self.event_times.field or self.segments.rules or self.log or self.sample < 1.0)

    def _observe_parts(self, parts: Sequence[Part]) -> Steps[bool]:
        """Decode each kind in one pass; if that is impossible, change nothing and return False."""
        found: list[tuple[Alike | None, Sequence[Observation]]] = []
        for kind, rows in by_route(parts, FEWEST_ALIKE):
            alike = None if kind is None else (yield from self._reader.read(kind, rows))
            found.append((alike, rows if alike or kind is None else whole(rows)))
        kinds = [alike for alike, _ in found if alike is not None]
        if not kinds or not self._names.settle_at_once(one.sides for one in kinds if one.sides):
            return False
        for alike, rows in found:
            if alike is None:
                yield from self._observe_each(rows)
            else:
                yield from self._gather_alike(alike, rows)
        return True

    def _gather_alike(self, alike: Alike, rows: Sequence[Observation]) -> Steps[None]:
        kind, window, latest, sides = alike.kind, alike.window, alike.latest_ns, alike.sides
        count = len(rows)
        self._deltas.given += count
        place = self._places.of(alike.said, rows[0].route, rows[0].path)
        weight = SERVED_BYTES * count + alike.weight
        part = self._part(window, place.labels, kind.share, place.group, weight, count)
        if part is None:
            return
        for path in alike.paths:
            self._predictions.learn(kind.method, path)
        self.latest_ns = max(self.latest_ns, latest)
        if sides is None:
            part.sampled_out += count
        else:
            both = sides[Role.INPUT], sides[Role.OUTPUT]
            if not self._names.passes(*both, count):
                yield from self._waiting.sift(part, both, count)
            part.add(both)
            part.profiled += count
        part.serve_alike(kind, rows)
        if self._on_served is not None:
            self._on_served(place.labels, rows, NO_FACTS)
        if self._waiting.is_enough:
            yield from self.settle_in_steps()

    def _gather(self, observation: Observation) -> Steps[None] | None:
        """Decode one observation; return the remaining work if it must be done in steps."""
        inputs, outputs = Side(), Side()
        large = len(observation.values) > MAX_VALUES_BYTES
        held = not (observation.left_out or large)
        sampled = held and (self.sample >= 1.0 or self._chance.random() < self.sample)
        decoded = None
        if sampled or (held and self._needs_columns(observation)):
            decoded = decode_sides(observation, inputs, outputs, self._known, self.included)
        if not self._predictions.is_one(observation, decoded, self.included, outputs.rows):
            self._leave_out(observation)
            return None
        event_ns, is_read = self.event_times.when(observation, inputs)
        self.latest_ns = max(self.latest_ns, event_ns)
        window = self._window = self._window.at(event_ns)
        place = self._places.of_prediction(observation, decoded)
        labels = place.labels
        if observation.labels or self.segments.rules:
            found = self.segments.labels_of(observation, place.labels, inputs, outputs)
            labels = self._label_sets.get(window, found)
        share = self.sample * usable_share(observation.share)
        weight = inputs.weight + outputs.weight + served_bytes(observation)
        part = self._part(window, labels, share, place.group, weight)
        if part is None:
            return None
        facts = NO_FACTS if decoded is None else decoded.stream
        part.serve(observation, facts)
        part.unread_times += not is_read
        if self._on_served is not None:
            self._on_served(place.labels, (observation,), facts)
        if self.log is not None:
            self.log.observe(observation, decoded, (event_ns, labels), (inputs, outputs))
        if large:
            part.cover(_TOO_LARGE, frozenset())
            return None
        if not sampled or decoded is None:
            part.sampled_out += 1
            return None
        if not self._names.passes(inputs, outputs):
            return self._sift_one(part, (inputs, outputs), observation.values, decoded)
        part.add_one((inputs, outputs), observation.values, decoded, self._names)
        return None  # the usual case

    def _needs_columns(self, observation: Observation) -> bool:
        """Return whether an observation is decoded even though sampling leaves it out."""
        by_column = self.segments.rules or self.event_times.field
        return bool(by_column) or self._places.needs_body(observation.path)

    def _leave_out(self, observation: Observation) -> None:
        """Count a request that is not a prediction; its body sets neither window nor labels."""
        window = self._window.at(observation.arrival_ns)
        part = self._part(window, self.labels, self.sample, NO_GROUP, SERVED_BYTES)
        if part is not None:
            part.undecodable[NOT_INFERENCE] += 1

    def _count_connection(self, observation: Observation) -> None:
        """Count a WebSocket connection in the window of its end; it is not a prediction."""
        end_ns = min(observation.arrival_ns + int(observation.latency * NANOSECONDS), MOST_NS)
        window = self._window.at(end_ns)
        place = self._places.of_prediction(observation, None)
        part = self._part(window, place.labels, self.sample, NO_GROUP, SERVED_BYTES)
        if part is None:
            return
        self.latest_ns = max(self.latest_ns, end_ns)
        part.serve(observation, NO_FACTS)
        part.undecodable[_WEBSOCKET] += 1
        if self._on_served is not None:
            self._on_served(place.labels, (observation,), NO_FACTS)

    def _part(
        self, window: Window, labels: Labels, share: float, group: int, weight: int, count: int = 1
    ) -> Gathered | None:
        """Return the part for *count* more observations; None without room, which drops them."""
        part = self._waiting.part(window, labels, share, group)
        if part is None:
            self._drop({DropReason.TOO_LARGE.value: count}, self._waiting.booked_ns)
            return None
        self._waiting.count += count
        self._waiting.weight.add(weight)
        return part

    def _sift_one(
        self, part: Gathered, sides: Sides, values: bytes, decoded: Decoded
    ) -> Steps[None]:
        yield from self._waiting.sift(part, sides, 1)
        part.add_one(sides, values, decoded, self._names)
