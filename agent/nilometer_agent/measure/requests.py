"""Stages requests until their commit, and then adds them to series."""

from collections.abc import Iterable, Sequence

from nilometer.export.genai import genai, operation_of
from nilometer.export.keys import ERROR_TYPE, METHOD, OUTCOME, RPC_METHOD, RPC_SYSTEM, STATUS_CODE
from nilometer.export.series import Attributes, Distribution, Exemplar, Series
from nilometer.export.server_metrics import (
    CALL_DURATION,
    REQUEST_DURATION,
    REQUEST_SIZE,
    RESPONSE_SIZE,
)
from nilometer.export.telemetry import REQUESTS
from nilometer.profile.magnitudes import magnitudes
from nilometer.profiling.gathered import websockets_of
from nilometer.profiling.observation import Observation
from nilometer.profiling.stream_facts import StreamFacts
from nilometer.values.reasons import Outcome
from nilometer_agent.measure.attributes import model_attributes, with_more
from nilometer_agent.measure.websockets import add_connections

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
OTHER_METHOD = "_OTHER"  # value of the convention for methods that it does not list
NOT_FOUND = 404  # HTTP status for gRPC's UNIMPLEMENTED: the server does not have this method
_CHAT = "chat"  # operation of a streamed response if its path names none
MAX_CALLS = 200  # methods of one entity with series of their own


class Staged:
    """Requests of one entity and label set that wait for their commit."""

    __slots__ = ("_connections", "_groups", "_outcomes")

    def __init__(self) -> None:
        self._groups: dict[tuple[str, int, str, str, str], _Group] = {}
        self._outcomes: dict[str, int] = {}
        self._connections: list[Observation] = []

    def add(self, observation: Observation, facts: StreamFacts) -> None:
        """Add one request, with the facts of its stream."""
        if observation.websocket is not None:
            self._connections.append(observation)
            return
        outcome = facts.outcome(observation)
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        if outcome == Outcome.UNKNOWN.value:
            return  # a request or response alone has no duration
        call = observation.path if observation.request_type.startswith("application/grpc") else ""
        if call and observation.status == NOT_FOUND:
            call = OTHER_METHOD  # a client may send any name
        operation = "" if call else operation_of(observation.path)
        if facts.is_generated:
            operation = operation or _CHAT
        method = observation.method if observation.method in METHODS else OTHER_METHOD
        error = facts.error or _error_type(observation.status, outcome)
        key = (method, observation.status, error, call, operation)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group()
        group.add(observation, facts)

    def into(self, series: Series, entity: str, at: Attributes, calls: set[str]) -> None:
        """Add all requests to *series*; *calls* are the methods that have separate series."""
        if self._connections:
            add_connections(series, at, websockets_of(self._connections))
        for outcome, count in self._outcomes.items():
            series.add(REQUESTS, with_more(at, {OUTCOME: outcome}), count)
        for (method, status, error, call, operation), group in self._groups.items():
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
        for measure, values in (
            ("first_token", group.first_tokens),
            ("first_reasoning", group.first_reasonings),
            ("per_token", group.per_tokens),
        ):
            if values:
                series.merge(names[measure], with_more(at, model), distribution(values))


class _Group:
    """Requests with the same attributes."""

    __slots__ = (
        "exemplars",
        "first_reasonings",
        "first_tokens",
        "latencies",
        "per_tokens",
        "request_sizes",
        "response_sizes",
    )

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.request_sizes: list[float] = []
        self.response_sizes: list[float] = []
        self.first_tokens: list[float] = []
        self.first_reasonings: list[float] = []
        self.per_tokens: list[float] = []
        self.exemplars: list[Exemplar] = []

    def add(self, observation: Observation, facts: StreamFacts) -> None:
        """Add one request, with the facts of its stream."""
        self.latencies.append(observation.latency)
        self.request_sizes.append(observation.request_size)
        self.response_sizes.append(observation.response_size)
        if observation.trace_parent:
            end_ns = observation.arrival_ns + int(observation.latency * 1e9)
            exemplar = Exemplar.of(observation.latency, end_ns, observation.trace_parent)
            if exemplar is not None:
                self.exemplars.append(exemplar)
        if facts.first_token:
            self.first_tokens.append(facts.first_token)
        if facts.first_reasoning:
            self.first_reasonings.append(facts.first_reasoning)
        if facts.per_token:
            self.per_tokens.append(facts.per_token)


def distribution(values: Sequence[float], exemplars: Iterable[Exemplar] = ()) -> Distribution:
    """Return a distribution of times or sizes in the buckets of a stored service profile."""
    return Distribution(magnitudes(values), float(sum(values)), Distribution.keyed(exemplars))


def _error_type(status: int, outcome: str) -> str:
    """Return the convention's error type: the status of a server error, else the outcome."""
    if status >= 500 and outcome != Outcome.CLIENT_LEFT.value:
        return str(status)
    quiet = {Outcome.OK.value, Outcome.CLIENT_ERROR.value, Outcome.SERVER_ERROR.value}
    return "" if outcome in quiet else outcome
