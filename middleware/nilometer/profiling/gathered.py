"""Observations of one window and label set that wait to be profiled together."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeAlias

import msgspec
import numpy as np

from nilometer.decode import Side
from nilometer.profile import ServiceProfile, Streams, WebSockets
from nilometer.profile.feature import Cell
from nilometer.profile.magnitudes import magnitudes
from nilometer.profile.recorder import count_types
from nilometer.profiling.admission import Names
from nilometer.profiling.layout import Kind
from nilometer.profiling.observation import Observation
from nilometer.profiling.sides import Decoded
from nilometer.profiling.stream_facts import StreamFacts
from nilometer.values.entity import Role
from nilometer.values.reasons import ConnectionEnd, Outcome
from nilometer.values.steps import Steps
from nilometer.values.value_like import is_place

Sides: TypeAlias = tuple[Side, Side]  # inputs and outputs

_CONNECTION_ENDS = frozenset(end.value for end in ConnectionEnd)
_UNKNOWN_END = ConnectionEnd.CLOSE_CODE.value  # for an end that this version does not know


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
    first_tokens: list[float] = field(default_factory=list)
    first_reasonings: list[float] = field(default_factory=list)
    per_tokens: list[float] = field(default_factory=list)
    connections: list[Observation] = field(default_factory=list)
    handed_over: dict[str, list[Cell]] = field(default_factory=dict)
    unnamed: Counter[str] = field(default_factory=Counter)
    unread_times: int = 0
    # For each request with refused columns: its number, and the rows of each side up to it.
    _refusals: list[tuple[int, dict[Role, int]]] = field(default_factory=list)

    @property
    def accounted(self) -> int:
        """Number of observations in this part."""
        return self.profiled + self.sampled_out + sum(self.undecodable.values())

    def add(self, sides: Sides) -> None:
        """Add the columns of one request, or of several."""
        inputs, outputs = sides
        self.inputs.extend(inputs)
        self.outputs.extend(outputs)

    def add_one(self, sides: Sides, values: bytes, decoded: Decoded, names: Names) -> None:
        """Add the admitted columns of one observation, and the *values* logged for it."""
        self.add(sides)
        self.cover(decoded, self.hand_over(values, names) if values else frozenset())

    def refuse(self, unnamed: Counter[str], request: int, sides: Sides) -> None:
        """Count the cells of columns that were refused.

        Args:
            unnamed: Number of cells by type.
            request: Number of the request, as counted by `Names`.
            sides: Other columns of the request, which are added later.
        """
        if unnamed:
            self.unnamed += unnamed
            inputs, outputs = sides
            rows = {
                Role.INPUT: self.inputs.rows + inputs.rows,
                Role.OUTPUT: self.outputs.rows + outputs.rows,
            }
            self._refusals.append((request, rows))

    def rows_without(self, role: Role, admitted: int) -> int:
        """Return the number of rows that arrived while a name of one side was still refused.

        Args:
            role: INPUT or OUTPUT.
            admitted: Number of the request that admitted the name.
        """
        before = bisect_left(self._refusals, admitted, key=itemgetter(0))
        return self._refusals[before - 1][1][role] if before else 0

    def cover(self, decoded: Decoded, handed_over: AbstractSet[Role]) -> None:
        """Add a decoded observation to the coverage.

        An observation with values from `hand_over` counts as profiled, even if both bodies are
        lost.

        Args:
            decoded: Result of decoding its bodies.
            handed_over: Sides with values from `hand_over`; their columns are not lost.
        """
        lost = decoded.lost_input or decoded.lost_output
        if decoded.undecodable and not (lost and handed_over):
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
        for name, cells, is_vetted in handed_over(values):
            role, field_name = side_of(name)
            roles.add(role)
            if field_name in names.known[role] or not names.meet(role, {field_name: is_vetted}):
                self.handed_over.setdefault(name, []).extend(cells)
            else:
                self.unnamed += count_types(cells)
        return roles

    def serve(self, observation: Observation, facts: StreamFacts) -> None:
        """Add one request to the service profile, with the facts of its stream."""
        if observation.websocket is not None:
            self.connections.append(observation)
            return
        outcome = facts.outcome(observation)
        self.outcomes[outcome] += 1
        if observation.status:
            self.statuses[str(observation.status)] += 1
        if outcome == Outcome.UNKNOWN.value:
            return  # half of an exchange has no latency
        self.latencies.append(observation.latency)
        self.request_sizes.append(observation.request_size)
        self.response_sizes.append(observation.response_size)
        self.in_flight_max = max(self.in_flight_max, observation.in_flight)
        end = facts.stream_end(observation)
        if end:
            self.stream_ends[end] += 1
            self.first_bytes.append(observation.first_byte)
            self.chunk_gaps.append(observation.chunk_gaps)
            self.chunks += observation.chunks
        for values, value in (
            (self.first_tokens, facts.first_token),
            (self.first_reasonings, facts.first_reasoning),
            (self.per_tokens, facts.per_token),
        ):
            if value:
                values.append(value)

    def serve_alike(self, kind: Kind, rows: Sequence[Observation]) -> None:
        """Add requests of one *kind* to the service profile, without reading their bodies."""
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
            websockets=websockets_of(self.connections),
        )

    def _streams(self) -> Streams:
        whole = [gaps[: len(gaps) // 4 * 4] for gaps in self.chunk_gaps]
        gaps = np.frombuffer(b"".join(whole), dtype="<f4").astype(np.float64)
        return Streams.of(
            ends=self.stream_ends,
            first_bytes=self.first_bytes,
            gaps=gaps[np.isfinite(gaps) & (gaps >= 0)],
            chunks=self.chunks,
            first_tokens=self.first_tokens,
            first_reasonings=self.first_reasonings,
            per_tokens=self.per_tokens,
        )


def websockets_of(connections: Sequence[Observation]) -> WebSockets:
    """Return the profile of the WebSocket connections among the observations."""
    found = [(one, one.websocket) for one in connections if one.websocket is not None]
    ends = [one.outcome if one.outcome in _CONNECTION_ENDS else _UNKNOWN_END for one, _ in found]
    return WebSockets.of(
        ends=ends,
        close_codes=[code for _, (_, _, code) in found],
        durations=[one.latency for one, _ in found],
        messages=(sum(seen[0] for _, seen in found), sum(seen[1] for _, seen in found)),
        sizes=(
            sum(one.request_size for one, _ in found),
            sum(one.response_size for one, _ in found),
        ),
    )


def handed_over(values: bytes) -> Iterator[tuple[str, list[Cell], bool]]:
    """Yield names and cells of MessagePack *values*, and whether a name may be a position."""
    try:
        found = msgspec.msgpack.decode(values)
    except msgspec.DecodeError:
        return
    for name, value in found.items() if isinstance(found, dict) else ():
        # The values of `nilometer.observe` are columns by role.
        columns = (
            [(f"{name}.{key}", one, is_place(str(key))) for key, one in value.items()]
            if isinstance(value, dict)
            else [(str(name), value, False)]
        )
        for column, cells, is_vetted in columns:
            yield column, cells if isinstance(cells, list) else [cells], is_vetted


def side_of(name: str) -> tuple[Role, str]:
    """Return role and field of a value that the application logged; the default role is output."""
    prefix, _, rest = name.partition(".")
    if rest and prefix in {Role.INPUT.value, Role.OUTPUT.value}:
        return Role(prefix), rest
    return Role.OUTPUT, name
