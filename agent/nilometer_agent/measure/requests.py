"""Stages requests until their commit, and then adds them to series."""

import math
import struct
from collections.abc import Iterable, Sequence

from nilometer.export.genai import genai, operation_of
from nilometer.export.series import Attributes, Distribution, Exemplar, Series
from nilometer.export.telemetry import (
    CALL_DURATION,
    ERROR_TYPE,
    METHOD,
    OUTCOME,
    REQUEST_DURATION,
    REQUEST_SIZE,
    REQUESTS,
    RESPONSE_SIZE,
    RPC_METHOD,
    RPC_SYSTEM,
    STATUS_CODE,
)
from nilometer.profile.service import magnitudes
from nilometer.profiling.observation import Observation
from nilometer.values.reasons import Outcome
from nilometer_agent.measure.attributes import model_attributes, with_more

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
OTHER_METHOD = "_OTHER"  # value of the convention for methods that it does not list
NOT_FOUND = 404  # gRPC's UNIMPLEMENTED: the server does not have this method
MAX_CALLS = 200  # methods of one entity with series of their own


class Staged:
    """Requests of one entity and label set that wait for their commit."""

    __slots__ = ("_groups", "_outcomes")

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int, str, str, str], _Group] = {}
        self._outcomes: dict[str, int] = {}

    def add(self, observation: Observation) -> None:
        """One request."""
        outcome = observation.outcome
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        if outcome == Outcome.UNKNOWN.value:
            return  # a request or response alone has no duration
        call = observation.path if observation.request_type.startswith("application/grpc") else ""
        if call and observation.status == NOT_FOUND:
            call = OTHER_METHOD  # a client may send any name
        operation = "" if call else operation_of(observation.path)
        method = observation.method if observation.method in METHODS else OTHER_METHOD
        key = (method, observation.status, outcome, call, operation)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group()
        group.add(observation, streamed=bool(operation))

    def into(self, series: Series, entity: str, at: Attributes, calls: set[str]) -> None:
        """Add all requests to *series*; *calls* are the methods that have separate series."""
        for outcome, count in self._outcomes.items():
            series.add(REQUESTS, with_more(at, {OUTCOME: outcome}), count)
        for (method, status, outcome, call, operation), group in self._groups.items():
            error = _error_type(status, outcome)
            latency = distribution(group.latencies, group.exemplars)
            if call:
                if len(calls) < MAX_CALLS:
                    calls.add(call)
                call = call if call in calls else OTHER_METHOD  # noqa: PLW2901
                told = {RPC_SYSTEM: "grpc", RPC_METHOD: call.lstrip("/"), ERROR_TYPE: error}
                series.merge(CALL_DURATION, with_more(at, told), latency)
                continue
            request = with_more(
                at,
                {
                    METHOD: method,
                    STATUS_CODE: status or "",
                    ERROR_TYPE: error,
                },
            )
            series.merge(REQUEST_DURATION, request, latency)
            series.merge(REQUEST_SIZE, request, distribution(group.request_sizes))
            series.merge(RESPONSE_SIZE, request, distribution(group.response_sizes))
            if operation:
                self._generative(series, entity, at, operation, error, group)

    @staticmethod
    def _generative(
        series: Series, entity: str, at: Attributes, operation: str, error: str, group: "_Group"
    ) -> None:
        names = genai().measures
        model = model_attributes(entity, operation)
        failed = {**model, ERROR_TYPE: error}
        series.merge(names["latency"], with_more(at, failed), distribution(group.latencies))
        for measure, values in (("first_byte", group.first_bytes), ("chunk_gaps", group.gaps)):
            if values:
                series.merge(names[measure], with_more(at, model), distribution(values))


class _Group:
    """Requests with the same attributes."""

    __slots__ = ("exemplars", "first_bytes", "gaps", "latencies", "request_sizes", "response_sizes")

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.request_sizes: list[float] = []
        self.response_sizes: list[float] = []
        self.first_bytes: list[float] = []
        self.gaps: list[float] = []
        self.exemplars: list[Exemplar] = []

    def add(self, observation: Observation, *, streamed: bool) -> None:
        """One request."""
        self.latencies.append(observation.latency)
        self.request_sizes.append(observation.request_size)
        self.response_sizes.append(observation.response_size)
        if observation.trace_parent:
            end_ns = observation.arrival_ns + int(observation.latency * 1e9)
            exemplar = Exemplar.of(observation.latency, end_ns, observation.trace_parent)
            if exemplar is not None:
                self.exemplars.append(exemplar)
        if streamed:
            if observation.first_byte:
                self.first_bytes.append(observation.first_byte)
            whole = len(observation.chunk_gaps) // 4
            gaps = struct.unpack(f"<{whole}f", observation.chunk_gaps[: 4 * whole])
            self.gaps.extend(gap for gap in gaps if math.isfinite(gap))


def distribution(values: Sequence[float], exemplars: Iterable[Exemplar] = ()) -> Distribution:
    """Return a distribution of times or sizes in the buckets of a stored service profile."""
    return Distribution(magnitudes(values), float(sum(values)), Distribution.keyed(exemplars))


def _error_type(status: int, outcome: str) -> str:
    """Return the convention's error type: the status of a server error, else the outcome."""
    if status >= 500 and outcome != Outcome.CLIENT_LEFT.value:
        return str(status)
    quiet = {Outcome.OK.value, Outcome.CLIENT_ERROR.value, Outcome.SERVER_ERROR.value}
    return "" if outcome in quiet else outcome
