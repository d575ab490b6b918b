"""Decode and profile: the same code in the agent and in the process.

Observations of one entity go, by event time, into profiles that hold what came since the last
`take`: deltas, which add up to the window wherever they are merged.
"""

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
import numpy as np

from nilometer.decode import Side, decode_exchange
from nilometer.decode.columns import Column
from nilometer.decode.exchange import TENSORS, plain_json
from nilometer.decode.learned import Shapes
from nilometer.profile import (
    Coverage,
    FeatureSpec,
    Profile,
    ScoreProfile,
    ServiceProfile,
    SpecOf,
    Streams,
)
from nilometer.profile.derived import Derivation
from nilometer.profile.derived.vectors import DEFAULT_REDUCTIONS
from nilometer.profile.feature import Cell
from nilometer.profiling.observation import (
    LEAST_SHARE,
    MOST_BYTES,
    MOST_COUNT,
    MOST_NS,
    MOST_SECONDS,
    Observation,
    raw_arrays,
    readable,
    unpack,
)
from nilometer.profiling.segments import MAX_LABEL_SETS, LabelSets, Segments, checked_labels
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import SCORES_SUFFIX, Role, summary_name
from nilometer.values.errors import Undecodable
from nilometer.values.labels import Labels
from nilometer.values.reasons import DropReason, Outcome, StreamEnd, UndecodableReason
from nilometer.values.window import Window

MAX_WAITING = 4096  # observations profiled at once: numpy's calls are cheap only by the thousand
MAX_FEATURES = 1000  # of one entity; what comes after is not profiled and counted
FEWEST_ALIKE = 16  # observations that are worth a look whether they are alike
MAX_OPEN_WINDOWS = 16  # whose label sets are remembered
_BODYLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def default_spec(summary: str) -> FeatureSpec:
    """Nothing is known of any feature."""
    del summary
    return FeatureSpec()


@dataclass(slots=True)
class _Gathered:
    """What waits of one window and label set."""

    inputs: Side = field(default_factory=Side)
    outputs: Side = field(default_factory=Side)
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    undecodable: Counter[str] = field(default_factory=Counter)
    profiled: int = 0
    sampled_out: int = 0
    latencies: list[float] = field(default_factory=list)
    request_sizes: list[int] = field(default_factory=list)
    response_sizes: list[int] = field(default_factory=list)
    in_flight_max: int = 0
    stream_ends: Counter[str] = field(default_factory=Counter)
    first_bytes: list[float] = field(default_factory=list)
    chunk_gaps: list[bytes] = field(default_factory=list)
    chunks: int = 0
    handed_over: dict[str, list[Cell]] = field(default_factory=dict)

    def hand_over(self, values: bytes) -> None:
        """Add what the model's own code gave: a value or a list of them by name."""
        try:
            found = msgspec.msgpack.decode(values)
        except msgspec.DecodeError:
            return
        for name, value in found.items() if isinstance(found, dict) else ():
            if isinstance(value, dict):  # what `nilometer.observe` took: columns by role
                for key, cell in value.items():
                    self._add(f"{name}.{key}", cell)
            else:
                self._add(str(name), value)

    def _add(self, name: str, value: Any) -> None:
        cells = value if isinstance(value, list) else [value]
        self.handed_over.setdefault(name, []).extend(cells)

    def serve(self, observation: Observation, told_end: StreamEnd | None) -> None:
        """Add the request itself, whatever its bodies hold.

        A stream that told of its own error has failed, however well it was closed.
        """
        self.outcomes[observation.outcome] += 1
        if observation.status:
            self.statuses[str(observation.status)] += 1
        if observation.outcome == Outcome.UNKNOWN.value:
            return  # half of an exchange: it has no latency
        self.latencies.append(observation.latency)
        self.request_sizes.append(observation.request_size)
        self.response_sizes.append(observation.response_size)
        self.in_flight_max = max(self.in_flight_max, observation.in_flight)
        if observation.stream_end:
            known = observation.stream_end in _STREAM_ENDS
            failed = not known or told_end is StreamEnd.ERROR
            end = StreamEnd.ERROR.value if failed else observation.stream_end
            self.stream_ends[end] += 1
            self.first_bytes.append(observation.first_byte)
            self.chunk_gaps.append(observation.chunk_gaps)
            self.chunks += observation.chunks

    def service(self) -> ServiceProfile:
        """The profile of the requests."""
        return ServiceProfile.of(
            outcomes=self.outcomes,
            statuses=self.statuses,
            latencies=self.latencies,
            request_sizes=self.request_sizes,
            response_sizes=self.response_sizes,
            in_flight_max=self.in_flight_max,
            streams=self._streams() if self.stream_ends else None,
        )

    def _streams(self) -> Streams:
        whole = [gaps[: len(gaps) // 4 * 4] for gaps in self.chunk_gaps]
        gaps = np.frombuffer(b"".join(whole), dtype="<f4").astype(np.float64)
        return Streams.of(
            ends=self.stream_ends,
            first_bytes=self.first_bytes,
            gaps=gaps[np.isfinite(gaps) & (gaps >= 0)],
            chunks=self.chunks,
        )


_PREDICTED = frozenset({Outcome.OK.value, Outcome.UNKNOWN.value})
_STREAM_ENDS = frozenset(end.value for end in StreamEnd)
_PLACE = {name: at for at, name in enumerate(Observation.__struct_fields__)}
# What observations must have in common to be read at once.
_SAME = tuple(
    _PLACE[name]
    for name in (
        "outcome", "status", "method", "event_time", "stream_end", "values",
        "share", "left_out", "values_only", "request_type", "request_encoding", "response_type", "response_encoding",
    )
)  # fmt: skip
_ARRIVAL, _LATENCY, _LABELS, _IN_FLIGHT = (
    _PLACE[name] for name in ("arrival_ns", "latency", "labels", "in_flight")
)
_REQUEST, _RESPONSE = _PLACE["request_body"], _PLACE["response_body"]
_REQUEST_SIZE, _RESPONSE_SIZE = _PLACE["request_size"], _PLACE["response_size"]
# What must be a number of this type and at most so large, as `Observation` asks for.
_NUMBERS = (
    (_ARRIVAL, int, MOST_NS),
    (_LATENCY, float, MOST_SECONDS),
    (_REQUEST_SIZE, int, MOST_BYTES),
    (_RESPONSE_SIZE, int, MOST_BYTES),
    (_IN_FLIGHT, int, MOST_COUNT),
)
_SHARE, _LEFT_OUT = _PLACE["share"], _PLACE["left_out"]
_OLDEST_FIELDS = _PLACE["event_time"]  # what the first workers sent
_DEFAULTS = [None] * (len(_PLACE) - len(Observation.__struct_defaults__))
_DEFAULTS += Observation.__struct_defaults__
_OK_STATUS = range(100, 400)


_Key: TypeAlias = tuple[Window, Labels, float]  # the last: the share that is profiled


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
    ) -> None:
        self.entity = entity
        self.labels = labels
        self.window_ns = window_ns
        self.spec_of = spec_of
        self.event_time_field = event_time_field
        self.segments = segments or Segments()
        self.sample = sample
        self.expected: dict[Role, set[str]] = {Role.INPUT: set(), Role.OUTPUT: set()}
        self.features_over_limit = 0  # columns that were left out
        self.event_times_unread = 0  # named times that could not be read: arrival was taken
        self.latest_ns = 0  # newest event time seen: the watermark
        self._max_label_sets = max_label_sets
        self._label_sets: dict[Window, LabelSets] = {}
        self._deltas: dict[_Key, Profile] = {}
        self._gathered: dict[_Key, _Gathered] = {}
        self._waiting = 0  # observations in `_gathered`
        self._derivation = Derivation(reductions)
        self._guests = guests
        self._request_shapes = Shapes(TENSORS[Role.INPUT])
        self._response_shapes = Shapes(TENSORS[Role.OUTPUT])
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
        arrays = raw_arrays(packed)
        parts = _by_share(arrays)
        if len(parts) == 1 and self._observe_alike(arrays):
            return len(arrays)
        try:
            observations = unpack(packed)
        except msgspec.ValidationError:
            observations = readable(arrays)
            if not observations:
                raise
            lost = {DropReason.MALFORMED_BATCH.value: len(arrays) - len(observations)}
            self.book_drops(lost, observations[-1].arrival_ns)
            self.observe(observations)
            return len(arrays)
        if len(parts) == 1:
            self.observe(observations)
            return len(arrays)
        for part in parts:
            if not self._observe_alike(part):
                self.observe(msgspec.convert(part, list[Observation]))
        return len(arrays)

    def observe_arrays(self, arrays: Sequence[Sequence[Any]]) -> None:
        """Decode observations of this process, each in the order of `Observation`."""
        for part in _by_share(arrays):
            if not self._observe_alike(part):
                self.observe([Observation(*array) for array in part])

    def observe(self, observations: Sequence[Observation]) -> None:
        """Decode; columns wait until there are enough of them to be profiled at once."""
        for observation in observations:
            self._gather(observation)
        if self._waiting >= MAX_WAITING:
            self.settle()

    def settle(self) -> None:
        """Profile what waits."""
        for _ in self.settle_in_steps():
            pass

    def settle_in_steps(self) -> Iterator[None]:
        """The same, pausing after each column: for who shares an interpreter."""
        gathered, self._gathered, self._waiting = self._gathered, {}, 0
        for key, part in gathered.items():
            yield from self._profile(key, part)

    def book_drops(self, dropped: Mapping[str, int], event_ns: int) -> None:
        """Count observations that were lost before they came here."""
        known = {reason.value for reason in DropReason}
        counts = Counter[str]()
        for reason, lost in dropped.items():
            counts[reason if reason in known else DropReason.INTERNAL_ERROR.value] += lost
        window = Window.containing(event_ns, self.window_ns)
        delta = self._delta((window, self.labels, self.sample))
        delta.cover(Coverage(dropped=dict(counts)))

    def take(self) -> list[Profile]:
        """What came since the last call, by window and labels; it is the caller's now."""
        self.settle()
        order = sorted(self._deltas, key=lambda key: (key[0], key[1].pairs, key[2]))
        taken = [self._deltas[key] for key in order]
        self._deltas = {}
        # Windows that are long past will hardly come again: their label sets start anew.
        newest = max(self._label_sets, default=None)
        if newest is not None and len(self._label_sets) > MAX_OPEN_WINDOWS:
            kept = sorted(self._label_sets)[-MAX_OPEN_WINDOWS:]
            self._label_sets = {window: self._label_sets[window] for window in kept}
        return taken

    def _observe_alike(self, arrays: Sequence[Sequence[Any]]) -> bool:
        """Read observations of one kind at once; False where they are not, and nothing changed."""
        if len(arrays) < FEWEST_ALIKE:
            return False
        if self.event_time_field or self.segments.rules or self.sample < 1.0:
            return False
        # Columns, in one pass in C instead of an attribute a cell.
        try:
            columns = [*zip(*arrays, strict=True)]
        except ValueError:  # of workers of two versions
            return False
        if not _OLDEST_FIELDS <= len(columns) <= len(_DEFAULTS):
            return False
        columns += [(default,) for default in _DEFAULTS[len(columns) :]]
        try:
            if any(len(set(columns[at])) > 1 for at in _SAME):
                return False
        except TypeError:  # a list or a map: no such field
            return False
        if any(columns[_LABELS]) or any(
            set(map(type, columns[at])) != {kind} for at, kind, _ in _NUMBERS
        ):
            return False
        return self._gather_alike(columns, len(arrays))

    def _gather_alike(self, columns: Sequence[Sequence[Any]], count: int) -> bool:
        outcome, status, method, event_time, stream_end, values, *rest = (
            columns[at][0] for at in _SAME
        )
        share, left_out, values_only, *types = rest
        if {*map(type, types), type(method)} != {str} or type(status) is not int:
            return False
        if (values_only and not left_out) or not _is_share(share, left_out):
            return False
        if event_time or stream_end or values or outcome != Outcome.OK.value:
            return False
        if method in _BODYLESS or not plain_json(*types) or status not in _OK_STATUS:
            return False
        arrivals = columns[_ARRIVAL]
        window = Window.containing(min(arrivals), self.window_ns)
        latest = max(arrivals)
        if latest >= window.end_ns or not _storable(columns):
            return False
        inputs = outputs = None
        if not left_out:
            inputs = self._request_shapes.read(columns[_REQUEST])
            outputs = None if inputs is None else self._response_shapes.read(columns[_RESPONSE])
            if inputs is None or outputs is None:
                return False
        self.latest_ns = max(self.latest_ns, latest)
        part = self._part(window, self.labels, share)
        self._waiting += count
        if inputs is None or outputs is None:
            part.sampled_out += count
        else:
            part.inputs.add_block(inputs)
            part.outputs.add_block(outputs)
            part.profiled += count
        part.outcomes[outcome] += count
        part.statuses[str(status)] += count
        part.latencies += columns[_LATENCY]
        part.request_sizes += columns[_REQUEST_SIZE]
        part.response_sizes += columns[_RESPONSE_SIZE]
        part.in_flight_max = max(part.in_flight_max, *columns[_IN_FLIGHT])
        if self._waiting >= MAX_WAITING:
            self.settle()
        return True

    def _gather(self, observation: Observation) -> None:
        inputs, outputs = Side(), Side()
        held = not observation.left_out
        sampled = held and (self.sample >= 1.0 or self._chance.random() < self.sample)
        reason: str | None = None
        value: Cell = None
        told_end: StreamEnd | None = None
        if sampled or (held and (self.segments.rules or self.event_time_field)):
            reason, value, told_end = self._decode(observation, inputs, outputs)
        event_ns = self._event_time(observation, value)
        self.latest_ns = max(self.latest_ns, event_ns)
        window = Window.containing(event_ns, self.window_ns)
        labels = self._labels(window, observation, inputs, outputs)
        part = self._part(window, labels, self.sample * usable_share(observation.share))
        self._waiting += 1
        part.serve(observation, told_end)
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
            sets = self._label_sets[window] = LabelSets(self.labels, self._max_label_sets)
        return sets.get(found)

    def _part(self, window: Window, labels: Labels, share: float) -> _Gathered:
        key = (window, labels, share)
        part = self._gathered.get(key)
        if part is None:
            part = self._gathered[key] = _Gathered()
        return part

    def _decode(
        self, observation: Observation, inputs: Side, outputs: Side
    ) -> tuple[str | None, Cell, StreamEnd | None]:
        """Fill both sides.

        Returns:
            Why there are no columns (or None), the request's value, and the end that the answer
            tells of itself.
        """
        if observation.outcome not in _PREDICTED:
            return UndecodableReason.FAILED_REQUEST.value, None, None
        reason: str | None = None
        value: Cell = None
        if observation.values_only:
            return None if observation.values else UndecodableReason.EMPTY.value, None, None
        if observation.request_body or observation.query or observation.method not in _BODYLESS:
            try:
                value = decode_exchange(
                    observation.request_body,
                    observation.request_type,
                    observation.request_encoding,
                    Role.INPUT,
                    inputs,
                    method=observation.method,
                    path=observation.path,
                    query=observation.query,
                ).value
            except Undecodable as error:
                reason = error.reason
        told_end: StreamEnd | None = None
        try:
            told_end = decode_exchange(
                observation.response_body,
                observation.response_type,
                observation.response_encoding,
                Role.OUTPUT,
                outputs,
                method=observation.method,
                path=observation.path,
            ).stream_end
        except Undecodable as error:
            reason = reason or error.reason
        return (None if inputs.rows or outputs.rows else reason), value, told_end

    def _event_time(self, observation: Observation, value: Cell) -> int:
        text: Cell = observation.event_time
        if self.event_time_field:
            row = value[0] if isinstance(value, list) and value else value
            if isinstance(row, Mapping):
                text = row.get(self.event_time_field)
        if text is None or text == "":
            return observation.arrival_ns
        event_ns = event_time_ns(text)
        if event_ns is None:
            self.event_times_unread += 1
            return observation.arrival_ns
        return event_ns

    def _profile(self, key: _Key, part: _Gathered) -> Iterator[None]:
        profile = self._delta(key)
        batch: dict[str, Column] = {}
        for role, side in ((Role.INPUT, part.inputs), (Role.OUTPUT, part.outputs)):
            if not side.rows:
                continue
            columns = side.columns(self.expected[role])
            columns.pop(self.event_time_field, None)
            for name, cells in columns.items():
                if self._admits(role, name):
                    batch[summary_name(role, name)] = cells
        for name, cells in part.handed_over.items():
            role, field_name = _side_of(name)
            if self._admits(role, field_name, required=False):
                batch.setdefault(summary_name(role, field_name), cells)
        for summary, cells in batch.items():
            profile.feature(summary, self.spec_of).observe(cells)
            yield
            yield from self._derive(profile, key[0], summary, cells)
        if self._guests is not None and batch:
            self._run_guests(key, batch)
            yield
        profile.observe_service(part.service())
        profile.cover(
            Coverage(
                profiled=part.profiled,
                sampled_out=part.sampled_out,
                undecodable=dict(part.undecodable),
            )
        )

    def _derive(
        self, profile: Profile, window: Window, summary: str, cells: Column
    ) -> Iterator[None]:
        spec = self.spec_of(summary)
        if spec.score is not None:
            observe_scores(profile.score(f"{summary}{SCORES_SUFFIX}", spec.score), cells)
            yield
        found = self._derivation.columns(
            summary,
            cells,
            expected=spec.expected,
            embedding=spec.embedding,
            now_ns=window.start_ns,
        )
        for derived, column in found.items():
            profile.feature(derived, self._open_spec).observe(column)
            yield

    def _run_guests(self, key: _Key, batch: Mapping[str, Column]) -> None:
        window, labels, sample = key
        for values in self._guests.run(batch) if self._guests is not None else ():
            own = labels
            if len(values.labels):
                own = Labels.of({**labels.as_dict(), **values.labels.as_dict()})
            profile = self._delta((window, own, sample))
            for summary, column in values.columns.items():
                profile.feature(summary, self._open_spec).observe(column)

    def _open_spec(self, summary: str) -> FeatureSpec:
        """Of a derived feature: its names are ours or the profiler's, there is nothing to hide."""
        return dataclasses.replace(self.spec_of(summary), readable=True)

    def _admits(self, role: Role, name: str, *, required: bool = True) -> bool:
        known = self.expected[role]
        if name in known or (not required and len(known) < MAX_FEATURES and len(name) <= 128):
            return True
        if len(known) >= MAX_FEATURES or len(name) > 128:
            self.features_over_limit += 1
            return False
        known.add(name)
        return True

    def _delta(self, key: _Key) -> Profile:
        profile = self._deltas.get(key)
        if profile is None:
            window, labels, sample = key
            profile = self._deltas[key] = Profile(self.entity, labels, window, sample=sample)
        return profile


def usable_share(share: float) -> float:
    """*share* as it may stand on a sample: what is no share is the whole."""
    return share if LEAST_SHARE <= share <= 1.0 else 1.0


def _is_share(share: Any, left_out: Any) -> bool:
    return type(share) is float and type(left_out) is bool and share == usable_share(share)


def _by_share(arrays: Sequence[Sequence[Any]]) -> list[Sequence[Sequence[Any]]]:
    """*arrays* by the share they were held at, those that were left out apart."""
    if not arrays or max(map(len, arrays)) <= _SHARE:
        return [arrays]
    parts: dict[tuple[Any, ...], list[Sequence[Any]]] = {}
    try:
        for array in arrays:
            parts.setdefault(tuple(array[_SHARE:]), []).append(array)
    except TypeError:  # a list or a map: no such field
        return [arrays]
    return list(parts.values())


def _storable(columns: Sequence[Sequence[Any]]) -> bool:
    """Whether all numbers are in the bounds of `Observation`, and none is no number."""
    in_bounds = all(min(columns[at]) >= 0 and max(columns[at]) <= most for at, _, most in _NUMBERS)
    return in_bounds and sum(columns[_LATENCY]) >= 0  # false for a NaN, which has no order


def _side_of(name: str) -> tuple[Role, str]:
    """Where a value stands that the model handed over: as its name says, else with the outputs."""
    prefix, _, rest = name.partition(".")
    if rest and prefix in {Role.INPUT.value, Role.OUTPUT.value}:
        return Role(prefix), rest
    return Role.OUTPUT, name


def observe_scores(profile: ScoreProfile, cells: Column) -> None:
    """Add an output of probabilities: one a row, or one a class and row."""
    try:
        array = np.asarray(cells, dtype=np.float64)  # None becomes NaN
    except (ValueError, TypeError, OverflowError):
        numbers = [cell if isinstance(cell, float) else np.nan for cell in cells]
        array = np.array(numbers, dtype=np.float64)
    if array.ndim == 1:
        profile.observe(array)
    elif array.ndim == 2 and array.shape[1] > 1:
        profile.observe_matrix(array)
    elif array.ndim == 2:
        profile.observe(array.ravel())


def event_time_ns(value: Cell) -> int | None:
    """Unix nanoseconds of RFC 3339 text or of Unix seconds; None where it is neither.

    A time without an offset counts as UTC.
    """
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return _in_range(int(moment.timestamp() * 1e6) * 1000)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        seconds = float(value)
        return _in_range(int(seconds * 1e6) * 1000)
    except (ValueError, OverflowError):
        return None


def _in_range(event_ns: int) -> int | None:
    """Inside what 63 bits of nanoseconds and a window's end can hold."""
    return event_ns if 0 <= event_ns < 1 << 62 else None
