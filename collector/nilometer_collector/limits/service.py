"""Checks of a profile of requests before it is stored."""

from nilometer.profile import ServiceProfile
from nilometer.profile.callers import MOST_NAMES, MOST_TRACES, Callers
from nilometer.profile.magnitudes import LIMIT
from nilometer.values.entity import NAME
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import (
    check_counts,
    check_histogram,
    check_kinds,
    check_numbers,
)

LAST_MICRO = 1 << 53  # latest end of a request, later than any that an agent accepts
MAX_STATUSES = 600
MAX_CLOSE_CODES = 1100  # an application may use a thousand private codes


def check_service(service: ServiceProfile) -> None:
    """Refuse requests that could not be merged or shown."""
    check_kinds("outcomes", service.outcomes)
    check_kinds("statuses", service.statuses, MAX_STATUSES)
    check_numbers("latency_sum_seconds", service.latency_sum)
    check_counts("service", (service.count,))
    check_kinds("stream_ends", service.streams.ends)
    check_counts("streams", (service.in_flight_max, service.streams.chunks))
    streams = service.streams
    check_numbers(
        "stream sums",
        *(streams.first_byte_sum, streams.chunk_gap_sum, streams.first_token_sum),
        *(streams.first_reasoning_sum, streams.per_token_sum),
    )
    sockets = service.websockets
    check_kinds("ends of connections", sockets.ends)
    check_kinds("close_codes", sockets.close_codes, MAX_CLOSE_CODES)
    check_numbers("duration_sum_seconds", sockets.duration_sum)
    check_counts(
        "websockets",
        (
            *(sockets.count, sockets.messages_received, sockets.messages_sent),
            *(sockets.bytes_received, sockets.bytes_sent),
        ),
    )
    _check_callers(service.callers)
    for histogram in (
        sockets.duration,
        service.latency,
        service.request_bytes,
        service.response_bytes,
        streams.first_byte,
        streams.chunk_gap,
        streams.first_token,
        streams.first_reasoning,
        streams.per_token,
    ):
        check_histogram(histogram, LIMIT)


def _check_callers(callers: Callers) -> None:
    """Refuse callers that no agent makes, because names become nodes and hashes are compared."""
    check_kinds("callers", callers.named, MOST_NAMES)
    if not all(map(NAME.fullmatch, callers.named)):
        raise Refused("callers: a name must be that of an entity")
    check_counts("callers", (callers.others, callers.traced))
    hashes = [trace.hash for trace in callers.traces]
    if len(hashes) > MOST_TRACES or sorted({*hashes}) != hashes:
        raise Refused(f"callers: must have at most {MOST_TRACES} traces with ascending hashes")
    if any(trace.end_us > LAST_MICRO for trace in callers.traces):
        raise Refused(f"callers: a trace must end before microsecond {LAST_MICRO}")
