"""Converts requests to protobuf and back."""

from nilometer.profile.callers import NO_CALLERS, Callers, Trace
from nilometer.profile.magnitudes import EMPTY, LIMIT
from nilometer.profile.service import ServiceProfile, Streams
from nilometer.profile.websockets import NO_WEBSOCKETS, WebSockets
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.v1 import summary_pb2 as pb
from nilometer.wire.contents.codec import Codec, EdgesOf
from nilometer.wire.sketches.exponential import histogram_from_wire, histogram_to_wire


def service_to_wire(service: ServiceProfile) -> pb.Service:
    """Return a service profile as a message."""
    streams = service.streams
    return pb.Service(
        outcomes=service.outcomes,
        statuses={int(status): count for status, count in service.statuses.items()},
        latency=histogram_to_wire(service.latency),
        latency_sum_seconds=service.latency_sum,
        request_bytes=histogram_to_wire(service.request_bytes),
        request_bytes_sum=service.request_bytes_sum,
        response_bytes=histogram_to_wire(service.response_bytes),
        response_bytes_sum=service.response_bytes_sum,
        in_flight_max=service.in_flight_max,
        first_byte=histogram_to_wire(streams.first_byte) if streams.count else None,
        first_byte_sum_seconds=streams.first_byte_sum,
        chunk_gap=histogram_to_wire(streams.chunk_gap) if streams.count else None,
        chunk_gap_sum_seconds=streams.chunk_gap_sum,
        stream_ends=streams.ends,
        chunks=streams.chunks,
        first_token=_times(streams.first_token),
        first_token_sum_seconds=streams.first_token_sum,
        first_reasoning=_times(streams.first_reasoning),
        first_reasoning_sum_seconds=streams.first_reasoning_sum,
        per_token=_times(streams.per_token),
        per_token_sum_seconds=streams.per_token_sum,
        websockets=_websockets_to_wire(service.websockets),
        callers=_callers_to_wire(service.callers),
    )


def _times(histogram: ExponentialHistogram) -> pb.ExponentialHistogram | None:
    """Return times as a message; None if empty, so that most profiles have no such message."""
    return histogram_to_wire(histogram) if histogram.count else None


def _times_from(message: pb.Service, field: str) -> ExponentialHistogram:
    return histogram_from_wire(getattr(message, field), LIMIT) if message.HasField(field) else EMPTY


def service_from_wire(message: pb.Service) -> ServiceProfile:
    """Return the service profile in a message."""
    streams = Streams()
    if message.stream_ends:
        streams = Streams(
            dict(message.stream_ends),
            histogram_from_wire(message.first_byte, LIMIT),
            message.first_byte_sum_seconds,
            histogram_from_wire(message.chunk_gap, LIMIT),
            message.chunk_gap_sum_seconds,
            message.chunks,
            _times_from(message, "first_token"),
            message.first_token_sum_seconds,
            _times_from(message, "first_reasoning"),
            message.first_reasoning_sum_seconds,
            _times_from(message, "per_token"),
            message.per_token_sum_seconds,
        )
    return ServiceProfile(
        dict(message.outcomes),
        {str(status): count for status, count in message.statuses.items()},
        histogram_from_wire(message.latency, LIMIT),
        message.latency_sum_seconds,
        histogram_from_wire(message.request_bytes, LIMIT),
        message.request_bytes_sum,
        histogram_from_wire(message.response_bytes, LIMIT),
        message.response_bytes_sum,
        message.in_flight_max,
        streams,
        _websockets_from_wire(message.websockets)
        if message.HasField("websockets")
        else NO_WEBSOCKETS,
        callers_from_wire(message.callers) if message.HasField("callers") else NO_CALLERS,
    )


def _websockets_to_wire(sockets: WebSockets) -> pb.WebSockets | None:
    """Return connections as a message; None if there are none."""
    if not sockets.count:
        return None
    return pb.WebSockets(
        ends=sockets.ends,
        close_codes={int(code): count for code, count in sockets.close_codes.items()},
        duration=histogram_to_wire(sockets.duration),
        duration_sum_seconds=sockets.duration_sum,
        messages_received=sockets.messages_received,
        messages_sent=sockets.messages_sent,
        bytes_received=sockets.bytes_received,
        bytes_sent=sockets.bytes_sent,
    )


def _websockets_from_wire(message: pb.WebSockets) -> WebSockets:
    return WebSockets(
        dict(message.ends),
        {str(code): count for code, count in message.close_codes.items()},
        histogram_from_wire(message.duration, LIMIT),
        message.duration_sum_seconds,
        message.messages_received,
        message.messages_sent,
        message.bytes_received,
        message.bytes_sent,
    )


def _callers_to_wire(callers: Callers) -> pb.Callers | None:
    """Return callers as a message; None without any, so that most profiles have no such message."""
    if not callers:
        return None
    return pb.Callers(
        named=callers.named,
        others=callers.others,
        traced=callers.traced,
        trace_hashes=[trace.hash for trace in callers.traces],
        trace_starts_unix_micro=[trace.start_us for trace in callers.traces],
        trace_durations_micro=[trace.duration_us for trace in callers.traces],
    )


def callers_from_wire(message: pb.Callers) -> Callers:
    """Return the callers in a message.

    Raises:
        ValueError: If its traces have different numbers of fields.
    """
    columns = (
        message.trace_hashes,
        message.trace_starts_unix_micro,
        message.trace_durations_micro,
    )
    return Callers(
        dict(message.named),
        message.others,
        message.traced,
        tuple(Trace(*row) for row in zip(*columns, strict=True)),
    )


def _put(message: pb.SummarySample, service: ServiceProfile) -> None:
    message.service.CopyFrom(service_to_wire(service))


def _read(message: pb.SummarySample, edges_of: EdgesOf) -> ServiceProfile:
    del edges_of
    return service_from_wire(message.service)


SERVICE_CODEC = Codec(kind=ServiceProfile.kind, field="service", put=_put, read=_read)
