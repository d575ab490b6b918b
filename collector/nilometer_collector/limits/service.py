"""Checks of a profile of requests before it is stored."""

from nilometer.profile import ServiceProfile
from nilometer.profile.service import LIMIT
from nilometer_collector.limits.bounds import (
    check_counts,
    check_histogram,
    check_kinds,
    check_numbers,
)

MAX_STATUSES = 600


def check_service(service: ServiceProfile) -> None:
    """Refuse requests that cannot be merged or shown."""
    check_kinds("outcomes", service.outcomes)
    check_kinds("statuses", service.statuses, MAX_STATUSES)
    check_numbers("latency_sum_seconds", service.latency_sum)
    check_counts("service", (service.count,))
    check_kinds("stream_ends", service.streams.ends)
    check_counts("streams", (service.in_flight_max, service.streams.chunks))
    check_numbers("stream sums", service.streams.first_byte_sum, service.streams.chunk_gap_sum)
    for histogram in (
        service.latency,
        service.request_bytes,
        service.response_bytes,
        service.streams.first_byte,
        service.streams.chunk_gap,
    ):
        check_histogram(histogram, LIMIT)
