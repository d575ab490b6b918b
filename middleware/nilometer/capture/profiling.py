"""Decode and profile: the same code in the agent and in the process.

Observations of one entity go, by event time, into profiles that hold what came since the last
`take`: deltas, which add up to the window wherever they are merged.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nilometer.capture.observation import Observation
from nilometer.decode import Side, decode_exchange
from nilometer.entity import Role, summary_name
from nilometer.errors import Undecodable
from nilometer.labels import Labels
from nilometer.profile import Coverage, FeatureSpec, Profile, ServiceProfile, SpecOf
from nilometer.profile.feature import Cell
from nilometer.reasons import DropReason, Outcome, UndecodableReason
from nilometer.window import Window

MAX_WAITING = 4096  # observations profiled at once: numpy's calls are cheap only by the thousand
MAX_FEATURES = 1000  # of one entity; what comes after is not profiled and counted
_BODYLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def default_spec(summary: str) -> FeatureSpec:
    """Nothing is known of any feature."""
    del summary
    return FeatureSpec()


@dataclass(slots=True)
class _Gathered:
    """What a batch holds of one window."""

    inputs: Side = field(default_factory=Side)
    outputs: Side = field(default_factory=Side)
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    undecodable: Counter[str] = field(default_factory=Counter)
    profiled: int = 0
    latencies: list[float] = field(default_factory=list)
    request_sizes: list[int] = field(default_factory=list)
    response_sizes: list[int] = field(default_factory=list)


class Profiling:
    """Open deltas of one entity and label set. One owner.

    Args:
        entity: Name of the monitored entity.
        labels: Of every observation.
        window_ns: Length of a window.
        spec_of: What is known of a feature; asked at its first sight in each delta.
        event_time_field: Input column that holds the event time; empty for none.
    """

    def __init__(
        self,
        entity: str,
        labels: Labels,
        window_ns: int,
        *,
        spec_of: SpecOf = default_spec,
        event_time_field: str = "",
    ) -> None:
        self.entity = entity
        self.labels = labels
        self.window_ns = window_ns
        self.spec_of = spec_of
        self.event_time_field = event_time_field
        self.expected: dict[Role, set[str]] = {Role.INPUT: set(), Role.OUTPUT: set()}
        self.features_over_limit = 0  # columns that were left out
        self.event_times_unread = 0  # named times that could not be read: arrival was taken
        self.latest_ns = 0  # newest event time seen: the watermark
        self._deltas: dict[Window, Profile] = {}
        self._gathered: dict[Window, _Gathered] = {}
        self._waiting = 0  # observations in `_gathered`

    def observe(self, observations: Iterable[Observation]) -> None:
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
        for window, part in gathered.items():
            yield from self._profile(window, part)

    def book_drops(self, dropped: Mapping[str, int], event_ns: int) -> None:
        """Count observations that were lost before they came here."""
        known = {reason.value for reason in DropReason}
        counts = Counter[str]()
        for reason, lost in dropped.items():
            counts[reason if reason in known else DropReason.INTERNAL_ERROR.value] += lost
        self._delta(Window.containing(event_ns, self.window_ns)).cover(
            Coverage(dropped=dict(counts))
        )

    def take(self) -> list[Profile]:
        """What came since the last call, by window; it is the caller's now."""
        self.settle()
        taken = [self._deltas[window] for window in sorted(self._deltas)]
        self._deltas = {}
        return taken

    def _gather(self, observation: Observation) -> None:
        inputs, outputs = Side(), Side()
        reason, value = self._decode(observation, inputs, outputs)
        event_ns = self._event_time(observation, value)
        self.latest_ns = max(self.latest_ns, event_ns)
        window = Window.containing(event_ns, self.window_ns)
        part = self._gathered.get(window)
        if part is None:
            part = self._gathered[window] = _Gathered()
        self._waiting += 1
        part.inputs.extend(inputs)
        part.outputs.extend(outputs)
        if reason is None:
            part.profiled += 1
        else:
            part.undecodable[reason] += 1
        part.outcomes[observation.outcome] += 1
        if observation.status:
            part.statuses[str(observation.status)] += 1
        part.latencies.append(observation.latency)
        part.request_sizes.append(observation.request_size)
        part.response_sizes.append(observation.response_size)

    def _decode(
        self, observation: Observation, inputs: Side, outputs: Side
    ) -> tuple[str | None, Cell]:
        """Fill both sides; returns why there are no columns (or None), and the request's value."""
        if observation.outcome != Outcome.OK.value:
            return UndecodableReason.FAILED_REQUEST.value, None
        reason: str | None = None
        value: Cell = None
        if observation.request_body or observation.method not in _BODYLESS:
            try:
                value = decode_exchange(
                    observation.request_body,
                    observation.request_type,
                    observation.request_encoding,
                    Role.INPUT,
                    inputs,
                )
            except Undecodable as error:
                reason = error.reason
        try:
            decode_exchange(
                observation.response_body,
                observation.response_type,
                observation.response_encoding,
                Role.OUTPUT,
                outputs,
            )
        except Undecodable as error:
            reason = reason or error.reason
        return (None if inputs.rows or outputs.rows else reason), value

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

    def _profile(self, window: Window, part: _Gathered) -> Iterator[None]:
        profile = self._delta(window)
        for role, side in ((Role.INPUT, part.inputs), (Role.OUTPUT, part.outputs)):
            if not side.rows:
                continue
            columns = side.columns(self.expected[role])
            columns.pop(self.event_time_field, None)
            for name, cells in columns.items():
                if self._admits(role, name):
                    summary = summary_name(role, name)
                    profile.feature(summary, self.spec_of).observe(cells)
                    yield
        profile.observe_service(
            ServiceProfile.of(
                outcomes=part.outcomes,
                statuses=part.statuses,
                latencies=part.latencies,
                request_sizes=part.request_sizes,
                response_sizes=part.response_sizes,
            )
        )
        profile.cover(Coverage(profiled=part.profiled, undecodable=dict(part.undecodable)))

    def _admits(self, role: Role, name: str) -> bool:
        known = self.expected[role]
        if name in known:
            return True
        if len(known) >= MAX_FEATURES or len(name) > 128:
            self.features_over_limit += 1
            return False
        known.add(name)
        return True

    def _delta(self, window: Window) -> Profile:
        profile = self._deltas.get(window)
        if profile is None:
            profile = Profile(self.entity, self.labels, window)
            self._deltas[window] = profile
        return profile


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
