"""Observations of one window and label set that wait to be profiled together."""

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import msgspec
import numpy as np

from nilometer.decode import Side
from nilometer.profile import ServiceProfile, Streams
from nilometer.profile.feature import Cell
from nilometer.profile.recorder import count_types
from nilometer.profile.service import magnitudes
from nilometer.profiling.admission import Names
from nilometer.profiling.layout import Kind
from nilometer.profiling.observation import Observation
from nilometer.profiling.sides import Decoded
from nilometer.values.entity import Role
from nilometer.values.reasons import Outcome, StreamEnd
from nilometer.values.steps import Steps

_STREAM_ENDS = frozenset(end.value for end in StreamEnd)


@dataclass(slots=True)
class Gathered:
    """Decoded observations of one window and label set that wait to be profiled."""

    inputs: Side = field(default_factory=Side)
    outputs: Side = field(default_factory=Side)
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    undecodable: Counter[str] = field(default_factory=Counter)
    lost_inputs: Counter[str] = field(default_factory=Counter)
    lost_outputs: Counter[str] = field(default_factory=Counter)
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
    unnamed: Counter[str] = field(default_factory=Counter)
    unread_times: int = 0

    @property
    def accounted(self) -> int:
        """Number of observations that it contains."""
        return self.profiled + self.sampled_out + sum(self.undecodable.values())

    def cover(self, decoded: Decoded, handed_over: AbstractSet[Role]) -> None:
        """Add a decoded observation to the coverage.

        Args:
            decoded: Result of decoding its bodies.
            handed_over: Sides with values from `hand_over`; their columns are not lost.
        """
        if decoded.undecodable:
            self.undecodable[decoded.undecodable] += 1
            return
        self.profiled += 1
        if decoded.lost_input and Role.INPUT not in handed_over:
            self.lost_inputs[decoded.lost_input] += 1
        if decoded.lost_output and Role.OUTPUT not in handed_over:
            self.lost_outputs[decoded.lost_output] += 1

    def hand_over(self, values: bytes, names: Names) -> AbstractSet[Role]:
        """Add the values that the application logged: a value or a list of values per name.

        Returns:
            Sides that the names belong to.
        """
        roles: set[Role] = set()
        for name, cells in _handed_over(values):
            role, field_name = side_of(name)
            roles.add(role)
            if field_name in names.known[role] or not names.meet(role, [field_name]):
                self.handed_over.setdefault(name, []).extend(cells)
            else:
                self.unnamed += count_types(cells)
        return roles

    def serve(self, observation: Observation, reported_end: StreamEnd | None) -> None:
        """Add the request to the service profile, whatever its bodies contain.

        A stream that reported an error counts as failed, even if it was closed normally.
        """
        self.outcomes[observation.outcome] += 1
        if observation.status:
            self.statuses[str(observation.status)] += 1
        if observation.outcome == Outcome.UNKNOWN.value:
            return  # one half of an exchange has no latency
        self.latencies.append(observation.latency)
        self.request_sizes.append(observation.request_size)
        self.response_sizes.append(observation.response_size)
        self.in_flight_max = max(self.in_flight_max, observation.in_flight)
        if observation.stream_end:
            known = observation.stream_end in _STREAM_ENDS
            failed = not known or reported_end is StreamEnd.ERROR
            end = StreamEnd.ERROR.value if failed else observation.stream_end
            self.stream_ends[end] += 1
            self.first_bytes.append(observation.first_byte)
            self.chunk_gaps.append(observation.chunk_gaps)
            self.chunks += observation.chunks

    def serve_alike(self, kind: Kind, rows: Sequence[Observation]) -> None:
        """Add requests of one *kind* to the service profile, whatever their bodies contain."""
        self.outcomes[kind.outcome] += len(rows)
        self.statuses[str(kind.status)] += len(rows)
        self.latencies += [row.latency for row in rows]
        self.request_sizes += [row.request_size for row in rows]
        self.response_sizes += [row.response_size for row in rows]
        self.in_flight_max = max(self.in_flight_max, *[row.in_flight for row in rows])

    def service(self) -> Steps[ServiceProfile]:
        """Build the service profile of the requests, in steps."""
        latency = magnitudes(self.latencies)
        yield
        request_bytes = magnitudes(self.request_sizes)
        yield
        response_bytes = magnitudes(self.response_sizes)
        yield
        return ServiceProfile(
            outcomes=dict(self.outcomes),
            statuses=dict(self.statuses),
            latency=latency,
            latency_sum=float(sum(self.latencies)),
            request_bytes=request_bytes,
            request_bytes_sum=sum(self.request_sizes),
            response_bytes=response_bytes,
            response_bytes_sum=sum(self.response_sizes),
            in_flight_max=self.in_flight_max,
            streams=self._streams() if self.stream_ends else Streams(),
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


def _handed_over(values: bytes) -> Iterator[tuple[str, list[Cell]]]:
    """Yield names and cells of MessagePack *values*."""
    try:
        found = msgspec.msgpack.decode(values)
    except msgspec.DecodeError:
        return
    for name, value in found.items() if isinstance(found, dict) else ():
        # Values of `nilometer.observe` are columns by role.
        columns = (
            {f"{name}.{key}": one for key, one in value.items()}
            if isinstance(value, dict)
            else {str(name): value}
        )
        for column, cells in columns.items():
            yield column, cells if isinstance(cells, list) else [cells]


def side_of(name: str) -> tuple[Role, str]:
    """Return role and field of a value that the application logged; without a role, an output."""
    prefix, _, rest = name.partition(".")
    if rest and prefix in {Role.INPUT.value, Role.OUTPUT.value}:
        return Role(prefix), rest
    return Role.OUTPUT, name
