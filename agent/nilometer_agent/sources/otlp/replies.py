"""What an exporter is told of what it sent."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

WHY = "not read: no usable entity, times or counts"


def metrics_reply(refused: int) -> ExportMetricsServiceResponse:
    """The reply to metrics of which *refused* data points were not read."""
    reply = ExportMetricsServiceResponse()
    if refused:
        reply.partial_success.rejected_data_points = refused
        reply.partial_success.error_message = WHY
    return reply


def trace_reply(refused: int) -> ExportTraceServiceResponse:
    """The reply to traces of which *refused* spans were not read."""
    reply = ExportTraceServiceResponse()
    if refused:
        reply.partial_success.rejected_spans = refused
        reply.partial_success.error_message = WHY
    return reply
