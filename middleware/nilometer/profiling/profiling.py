"""Decode and profile: the same code in the agent and in the process.

Observations of one entity go, by event time, into profiles that hold what came since the last
`take`: deltas, which add up to the window wherever they are merged.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nilometer.decode import Side
from nilometer.decode.columns import Block
from nilometer.decode.exchange import plain_json
from nilometer.decode.learned import Shapes
from nilometer.decode.oip_v2 import KEYS
from nilometer.profile import Coverage, Profile, SpecOf
from nilometer.profile.derived.vectors import DEFAULT_REDUCTIONS
from nilometer.profile.feature import Cell
from nilometer.profile.profile import default_spec
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
from nilometer.profiling.event_time import event_time_ns, told_time
from nilometer.profiling.gathered import Gathered
from nilometer.profiling.layout import (
    ARRIVAL,
    IN_FLIGHT,
    LATENCY,
    REQUEST,
    REQUEST_SIZE,
    RESPONSE,
    RESPONSE_SIZE,
    SAME,
    alike_columns,
    by_share,
    is_share,
    storable,
    usable_share,
)
from nilometer.profiling.observation import Observation, raw_arrays, readable, unpack
from nilometer.profiling.segments import MAX_LABEL_SETS, LabelSets, Segments, checked_labels
from nilometer.profiling.sides import BODYLESS, decode_sides
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import Role
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason, Outcome, StreamEnd, UndecodableReason
from nilometer.values.steps import Steps, finished
from nilometer.values.window import Window

MAX_WAITING = 4096  # observations profiled at once: numpy's calls are cheap only by the thousand
FIRST_NAMES = 16  # columns that are expected of an entity of which none is known
FEWEST_ALIKE = 16  # observations that are worth a look whether they are alike
MAX_OPEN_WINDOWS = 16  # whose label sets are remembered

_OK_STATUS = range(100, 400)


class Profiling:
    """Open deltas of one entity. One owner.

    Args:
        entity: Name of the monitored entity.
        labels: Of every observation.
        window_ns: Length of a window.
        spec_of: What is known of a feature; asked at its first sight in each delta.
        event_time_field: Input column that holds the event time; empty for none.
        segments: Which fields become labels.
        max_label_sets: Label sets of one window that are told apart.
        sample: Share of the observations whose bodies are decoded and profiled, above 0 to 1;
            every request is counted, and coverage says how many stand for the others.
        seed: Of the sampling; None for one of its own.
        guests: Runs the profilers of users; None where there are none.
        reductions: Names of what tensors are reduced to.
        max_waiting: Observations that are profiled at once.
        budget: Memory that this and other profilings may hold; None for one of its own.

    Attributes:
        waiting: Observations that are decoded and not profiled.
        budget: What is held is charged to it.
    """

    def __init__(
        self,
        entity: str,
        labels: Labels,
        window_ns: int,
        *,
        spec_of: SpecOf = default_spec,
        event_time_field: str = "",
        segments: Segments | None = None,
        max_label_sets: int = MAX_LABEL_SETS,
        sample: float = 1.0,
        seed: int | None = None,
        guests: Runner | None = None,
        reductions: Sequence[str] = DEFAULT_REDUCTIONS,
        max_waiting: int = MAX_WAITING,
        budget: Budget | None = None,
    ) -> None:
        self.entity = entity
        self.labels = labels
        self.window_ns = window_ns
        self.event_time_field = event_time_field
        self.segments = segments or Segments()
        self.sample = sample
        self.event_times_unread = 0  # named times that could not be read: arrival was taken
        self.latest_ns = 0  # newest event time seen: the watermark
        self._booked_ns = 0  # in a window that is open: what has no room for its own is lost there
        self._max_label_sets = max_label_sets
        self._label_sets: dict[Window, LabelSets] = {}
        self.budget = budget or Budget()
        self._weight = Weight(self.budget)  # of what waits
        self._deltas = Deltas(entity, spec_of, event_time_field, guests, reductions, self.budget)
        self._gathered: dict[Key, Gathered] = {}
        self.waiting = 0
        self._max_waiting = max_waiting
        self._request_shapes = Shapes(KEYS[Role.INPUT])
        self._response_shapes = Shapes(KEYS[Role.OUTPUT])
        # Chance, not every n-th: traffic has periods, too.
        self._chance = random.Random(seed)  # noqa: S311  # not a secret

    def observe_packed(self, packed: bytes) -> int:
        """Decode a batch of `nilometer.profiling.observation.pack`; returns the observations.

        One that cannot be read - applications break the types of ASGI in any way - is booked as
        lost, and the others stand.

        Raises:
            msgspec.DecodeError: If the bytes are not such a batch, or none of it can be read;
                nothing was observed then.
        """
        return finished(self.observe_packed_in_steps(packed))

    def observe_packed_in_steps(self, packed: bytes) -> Steps[int]:
        """The same, in steps: for who shares an interpreter."""
        arrays = raw_arrays(packed)
        yield
        parts = by_share(arrays)
        if len(parts) == 1 and (yield from self._observe_alike(arrays)):
            return len(arrays)
        try:
            observations = unpack(packed)
        except msgspec.ValidationError:
            observations = readable(arrays)
            if not observations:
                raise
            lost = {DropReason.MALFORMED_BATCH.value: len(arrays) - len(observations)}
            self.book_drops(lost, observations[-1].arrival_ns)
            parts = [arrays]
        if len(parts) == 1:
            yield from self._observe(observations)
            return len(arrays)
        for part in parts:
            if not (yield from self._observe_alike(part)):
                yield from self._observe(msgspec.convert(part, list[Observation]))
        return len(arrays)

    def observe_arrays(self, arrays: Sequence[Sequence[Any]]) -> None:
        """Decode observations of this process, each in the order of `Observation`."""
        for part in by_share(arrays):
            if not finished(self._observe_alike(part)):
                self.observe([Observation(*array) for array in part])

    def observe(self, observations: Sequence[Observation]) -> None:
        """Decode; columns wait until there are enough of them to be profiled at once."""
        finished(self._observe(observations))

    def _observe(self, observations: Sequence[Observation]) -> Steps[None]:
        self._deltas.given += len(observations)
        for observation in observations:
            self._gather(observation)
            yield
            if self._waits_enough:
                yield from self.settle_in_steps()

    @property
    def _waits_enough(self) -> bool:
        return self._weight.is_enough or self.waiting >= self._max_waiting

    def settle(self) -> None:
        """Profile what waits."""
        finished(self.settle_in_steps())

    def settle_in_steps(self) -> Steps[None]:
        """The same, in steps."""
        self.waiting = 0
        self._weight.give_back()
        while self._gathered:  # one by one: an error costs no more than the part it happens in
            key = next(iter(self._gathered))
            yield from self._deltas.add(key, self._gathered.pop(key))

    @property
    def holds(self) -> bool:
        """Whether anything was observed that was not taken yet."""
        return bool(self._deltas.given)

    @property
    def kept_bytes(self) -> int:
        """Bytes that it knows of features and label sets between two calls of `take`, about."""
        return kept_bytes(self._deltas.names, sum(map(len, self._label_sets.values())))

    def book_drops(self, dropped: Mapping[str, int], event_ns: int) -> None:
        """Count observations that were lost before they came here."""
        known = {reason.value for reason in DropReason}
        counts = Counter[str]()
        for reason, lost in dropped.items():
            counts[reason if reason in known else DropReason.INTERNAL_ERROR.value] += lost
        self._deltas.given += counts.total()
        self._drop(counts, event_ns)

    @property
    def given(self) -> int:
        """Observations that came since the last `take`."""
        return self._deltas.given

    def make_up(self, expected: int, reason: DropReason, event_ns: int) -> None:
        """Book as lost what is missing, after an error in the middle of anything.

        Args:
            expected: What must be accounted for: `given` before the call that raised, and what
                the call was given.
            reason: Of the loss.
            event_ns: Event time it is booked on.
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
        """What came since the last call, by window and labels; it is the caller's now."""
        taken: list[Profile] = []
        self.take_into(taken, self.latest_ns)
        self.budget.clear()
        return taken

    def take_into(self, taken: list[Profile], event_ns: int) -> None:
        """The same, moved to *taken* at once.

        Args:
            taken: Gets the deltas.
            event_ns: Event time of what an error has lost.
        """
        self.settle()
        self.make_up(self.given, DropReason.INTERNAL_ERROR, event_ns)
        for sets in self._label_sets.values():
            sets.rest()
        self._deltas.take_into(taken)

    def _observe_alike(self, arrays: Sequence[Sequence[Any]]) -> Steps[bool]:
        """Read observations of one kind at once; False where they are not, and nothing changed."""
        if len(arrays) < FEWEST_ALIKE:
            return False
        if self.event_time_field or self.segments.rules or self.sample < 1.0:
            return False
        columns = alike_columns(arrays)
        yield
        return columns is not None and (yield from self._gather_alike(columns, len(arrays)))

    def _gather_alike(self, columns: Sequence[Sequence[Any]], count: int) -> Steps[bool]:
        outcome, status, method, event_time, stream_end, values, *rest = (
            columns[at][0] for at in SAME
        )
        share, left_out, values_only, *types = rest
        if {*map(type, types), type(method)} != {str} or type(status) is not int:
            return False
        if (values_only and not left_out) or not is_share(share, left_out):
            return False
        if event_time or stream_end or values or outcome != Outcome.OK.value:
            return False
        if method in BODYLESS or not plain_json(*types) or status not in _OK_STATUS:
            return False
        arrivals = columns[ARRIVAL]
        window = Window.containing(min(arrivals), self.window_ns)
        latest = max(arrivals)
        if latest >= window.end_ns or not storable(columns):
            return False
        blocks = None if left_out else (yield from self._read_alike(columns))
        part = self._part(window, self.labels, share) if blocks or left_out else None
        if part is None:
            return False
        self.latest_ns = max(self.latest_ns, latest)
        self._deltas.given += count
        self.waiting += count
        self._weight.add(SERVED_BYTES * count)
        if blocks is None:
            part.sampled_out += count
        else:
            self._weight.add(sum(block.weight for block in blocks))
            part.inputs.add_block(blocks[0])
            part.outputs.add_block(blocks[1])
            part.profiled += count
        part.outcomes[outcome] += count
        part.statuses[str(status)] += count
        part.latencies += columns[LATENCY]
        part.request_sizes += columns[REQUEST_SIZE]
        part.response_sizes += columns[RESPONSE_SIZE]
        part.in_flight_max = max(part.in_flight_max, *columns[IN_FLIGHT])
        if self._waits_enough:
            yield from self.settle_in_steps()
        return True

    def _read_alike(self, columns: Sequence[Sequence[Any]]) -> Steps[tuple[Block, Block] | None]:
        inputs = self._request_shapes.read(columns[REQUEST])
        yield
        outputs = None if inputs is None else self._response_shapes.read(columns[RESPONSE])
        yield
        return None if inputs is None or outputs is None else (inputs, outputs)

    def _gather(self, observation: Observation) -> None:
        inputs, outputs = Side(), Side()
        held = not observation.left_out
        large = len(observation.values) > MAX_VALUES_BYTES
        held = held and not large
        sampled = held and (self.sample >= 1.0 or self._chance.random() < self.sample)
        reason: str | None = None
        value: Cell = None
        told_end: StreamEnd | None = None
        if sampled or (held and (self.segments.rules or self.event_time_field)):
            reason, value, told_end = decode_sides(observation, inputs, outputs)
        event_ns = self._event_time(observation, value)
        self.latest_ns = max(self.latest_ns, event_ns)
        window = Window.containing(event_ns, self.window_ns)
        labels = self._labels(window, observation, inputs, outputs)
        part = self._part(window, labels, self.sample * usable_share(observation.share))
        if part is None:
            self._drop({DropReason.TOO_LARGE.value: 1}, self._booked_ns)
            return
        self.waiting += 1
        self._weight.add(inputs.weight + outputs.weight + served_bytes(observation))
        part.serve(observation, told_end)
        if large:
            part.undecodable[UndecodableReason.TOO_LARGE.value] += 1
            return
        if not sampled:
            part.sampled_out += 1
            return
        part.inputs.extend(inputs)
        part.outputs.extend(outputs)
        if observation.values:
            part.hand_over(observation.values)
        if reason is None:
            part.profiled += 1
        else:
            part.undecodable[reason] += 1

    def _labels(
        self, window: Window, observation: Observation, inputs: Side, outputs: Side
    ) -> Labels:
        by_fields = self.segments.rules and not observation.left_out
        if not observation.labels and not by_fields:
            return self.labels
        found = checked_labels(observation.labels or {})
        if by_fields:
            found |= self.segments.labels(inputs, outputs)
        sets = self._label_sets.get(window)
        if sets is None:
            if len(self._label_sets) >= MAX_OPEN_WINDOWS:  # those of the first start anew
                del self._label_sets[next(iter(self._label_sets))]
            sets = self._label_sets[window] = LabelSets(self.labels, self._max_label_sets)
        return sets.get(found)

    def _part(self, window: Window, labels: Labels, share: float) -> Gathered | None:
        """What waits of a window and label set; None where the budget has no room for another."""
        key = (window, labels, share)
        part = self._gathered.get(key)
        if part is None and self.budget.take(PROFILE_BYTES):
            part = self._gathered[key] = Gathered()
            self._weight.expect(recorders_bytes(self._deltas.names or FIRST_NAMES, 0))
            self._booked_ns = window.start_ns
        return part

    def _event_time(self, observation: Observation, value: Cell) -> int:
        text = told_time(observation.event_time, self.event_time_field, value)
        if text is None or text == "":
            return observation.arrival_ns
        event_ns = event_time_ns(text)
        if event_ns is None:
            self.event_times_unread += 1
            return observation.arrival_ns
        return event_ns
