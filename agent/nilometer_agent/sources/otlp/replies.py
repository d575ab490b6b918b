"""Replies to OTLP exporters."""

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

WHY = "rejected: entity, times or counts are missing or invalid"


def metrics_reply(refused: int) -> ExportMetricsServiceResponse:
    """Return the reply to a metrics request with *refused* rejected data points."""
    reply = ExportMetricsServiceResponse()
    if refused:
        reply.partial_success.rejected_data_points = refused
        reply.partial_success.error_message = WHY
    return reply


def trace_reply(refused: int) -> ExportTraceServiceResponse:
    """Return the reply to a trace request with *refused* rejected spans."""
    reply = ExportTraceServiceResponse()
    if refused:
        reply.partial_success.rejected_spans = refused
        reply.partial_success.error_message = WHY
    return reply
