"""Requests <-> protobuf."""

from nilometer.profile.service import LIMIT, ServiceProfile, Streams
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
    )


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
    )


def _put(message: pb.SummarySample, service: ServiceProfile) -> None:
    message.service.CopyFrom(service_to_wire(service))


def _read(message: pb.SummarySample, edges_of: EdgesOf) -> ServiceProfile:
    del edges_of
    return service_from_wire(message.service)


SERVICE_CODEC = Codec(kind=ServiceProfile.kind, field="service", put=_put, read=_read)
