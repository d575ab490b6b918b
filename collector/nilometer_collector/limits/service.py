"""Checks of a profile of requests before it is stored."""

from nilometer.profile import ServiceProfile
from nilometer.profile.magnitudes import LIMIT
from nilometer_collector.limits.bounds import (
    check_counts,
    check_histogram,
    check_kinds,
    check_numbers,
)

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
