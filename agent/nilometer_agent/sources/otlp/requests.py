"""Builds service profiles from histograms and server spans of requests."""

from collections import Counter as Tally
from collections.abc import Iterable

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from nilometer.export.keys import ERROR_TYPE, STATUS_CODE
from nilometer.export.series import Distribution
from nilometer.profile import ServiceProfile
from nilometer.values.clock import NANOSECONDS
from nilometer.values.reasons import Outcome
from nilometer_agent.sources.otlp.places import Attributes, attributes_in

DURATIONS = {  # metric names of request durations; a metric's old and new names have equal values
    "http.server.request.duration": "http",
    "http.server.duration": "http",  # name in older instrumentation, in milliseconds
    "rpc.server.call.duration": "rpc",
    "rpc.server.duration": "rpc",  # also an older name, in milliseconds
}
OLD_STATUS = "http.status_code"
RPC_STATUS = "rpc.grpc.status_code"


def durations_in(names: set[str]) -> set[str]:
    """Return the *names* that count requests; one name if a service sends both old and new."""
    wanted: dict[str, str] = {}
    for name, kind in DURATIONS.items():
        if name in names:
            wanted.setdefault(kind, name)
    return set(wanted.values())


def profile_of(read: Distribution, status: str, told: Attributes) -> ServiceProfile:
    """Return the profile of the requests in a metric point."""
    status = _http_status(status)
    count = read.histogram.count
    failed = bool(told.get(ERROR_TYPE)) or str(told.get(RPC_STATUS, "0")) not in {"0", "OK"}
    outcome = _outcome_of(status, failed=failed)
    return ServiceProfile(
        outcomes={outcome.value: count},
        statuses={status: count} if status else {},
        latency=read.histogram,
        latency_sum=read.sum or 0.0,
    )


def profile_of_spans(spans: Iterable[Span]) -> ServiceProfile:
    """Return the profile of server spans, one request for each."""
    outcomes, statuses = Tally[str](), Tally[str]()
    latencies = []
    for span in spans:
        told = attributes_in(span.attributes)
        status = _http_status(str(told.get(STATUS_CODE) or told.get("http.status_code") or ""))
        failed = span.status.code == Status.StatusCode.STATUS_CODE_ERROR
        outcomes[_outcome_of(status, failed=failed).value] += 1
        if status:
            statuses[status] += 1
        latencies.append((span.end_time_unix_nano - span.start_time_unix_nano) / NANOSECONDS)
    return ServiceProfile.of(
        outcomes=outcomes,
        statuses=statuses,
        latencies=latencies,
        request_sizes=(),
        response_sizes=(),
    )


def _http_status(text: str) -> str:
    """Return *text* if it is an HTTP status, three digits; else empty."""
    return text if len(text) == 3 and text.isascii() and text.isdigit() else ""


def _outcome_of(status: str, *, failed: bool) -> Outcome:
    if status >= "500":
        return Outcome.SERVER_ERROR
    if status >= "400":
        return Outcome.CLIENT_ERROR
    return Outcome.EXCEPTION if failed else Outcome.OK
