"""Requests to an OTLP receiver, sent by the SDK's own exporters over gRPC or HTTP.

The SDK handles TLS, headers, compression and retries according to the standard variables. This
module adds limits that the SDK lacks: replies are limited in size and time, a proxy is used only if
the settings ask for it, and points that the receiver rejects are counted.
"""

import logging
import time
from typing import Any, Protocol

import grpc
import opentelemetry.sdk.metrics.export as otel
import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpExporter,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExportResult

from nilometer.export.otlp_settings import GRPC, Count, Event, OtlpSettings

EXPORT_SECONDS = 5.0  # longest time for one request, including the SDK's retries
MAX_REPLY_BYTES = 64 << 10

# Status codes after which OTLP allows a retry.
RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.UNAUTHENTICATED,  # OTLP does not allow a retry, but the token may become valid
    grpc.StatusCode.PERMISSION_DENIED,  # as above
}

log = logging.getLogger("nilometer.export")


class MetricSender(Protocol):
    """The part of the SDK's OTLP exporters that is used here."""

    @property
    def refused(self) -> bool:
        """Whether the last failure is permanent, so that OTLP forbids a retry."""
        ...

    def export(
        self, metrics_data: otel.MetricsData, timeout_millis: float = 10_000
    ) -> MetricExportResult:
        """Send *data*, with the SDK's own retries."""
        ...

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """Close the exporter."""
        ...


def open_sender(settings: OtlpSettings, count: Count) -> MetricSender:
    """Return the SDK's exporter for *settings*, which must be resolved."""
    endpoint = settings.endpoint or None
    if settings.protocol == GRPC:
        # Without a scheme, the standard variable decides; its default is TLS.
        insecure = True if endpoint and endpoint.startswith("http://") else None
        return _Grpc(count, endpoint=endpoint, insecure=insecure, use_proxy=settings.use_proxy)
    if endpoint and not endpoint.rstrip("/").endswith("/v1/metrics"):
        endpoint = endpoint.rstrip("/") + "/v1/metrics"
    return _Http(count, endpoint=endpoint, use_proxy=settings.use_proxy)


class _Grpc(GrpcExporter):
    """The SDK's exporter over gRPC, which also reads the replies."""

    def __init__(
        self, count: Count, *, endpoint: str | None, insecure: bool | None, use_proxy: bool
    ) -> None:
        self._count = count
        options: Any = (
            ("grpc.max_receive_message_length", MAX_REPLY_BYTES),
            ("grpc.enable_http_proxy", int(use_proxy)),
        )
        super().__init__(
            endpoint=endpoint, insecure=insecure, timeout=EXPORT_SECONDS, channel_options=options
        )

    def _initialize_channel_and_stub(self) -> None:
        # The SDK calls this to open its channel, also after a failure. It ignores the replies.
        super()._initialize_channel_and_stub()  # type: ignore[no-untyped-call]
        self._client: Any = _Stub(self._client, self._count)

    @property
    def refused(self) -> bool:
        """Whether the last failure is permanent, so that OTLP forbids a retry."""
        return bool(self._client.refused)


class _Stub:
    """The stub of the service, which reads the replies."""

    def __init__(self, stub: Any, count: Count) -> None:
        self._stub, self._count = stub, count
        self.refused = False

    def Export(self, request: Any, **how: Any) -> Any:  # noqa: N802  name from the OTLP service
        self.refused = False
        try:
            reply = self._stub.Export(request=request, **how)
        except grpc.RpcError as error:
            call: Any = error
            self.refused = call.code() not in RETRYABLE
            raise
        _read_reply(reply, self._count)
        return reply


class _Http(HttpExporter):
    """The SDK's exporter over HTTP, which also reads the replies."""

    def __init__(self, count: Count, *, endpoint: str | None, use_proxy: bool) -> None:
        self._replies = _Session(count, use_proxy=use_proxy)
        super().__init__(endpoint=endpoint, timeout=EXPORT_SECONDS, session=self._replies)

    @property
    def refused(self) -> bool:
        """Whether the last failure is permanent, so that OTLP forbids a retry."""
        return self._replies.refused


class _Session(requests.Session):
    """An HTTP session that limits replies in size and time.

    The SDK's exporter reads no reply, but `requests` would read an endless reply to its end.
    """

    def __init__(self, count: Count, *, use_proxy: bool) -> None:
        super().__init__()
        self.trust_env = use_proxy
        self.refused = False
        self._count = count

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None, so that points are only sent to the configured endpoint.

        `requests` would also read the whole body of a redirect.
        """
        del resp

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        until = time.monotonic() + EXPORT_SECONDS
        self.refused = False
        response = super().send(request, **{**how, "stream": True})
        body = b""
        try:
            body = _body(response, until)
            if response.status_code < 300:
                _read_reply(ExportMetricsServiceResponse.FromString(body), self._count)
        except Exception as error:  # the request succeeded, so an unreadable reply is only counted
            self._count(Event.REPLY_UNREADABLE, 1)
            log.warning(
                "OTLP reply unreadable, the request was accepted: check that the endpoint is OTLP",
                extra={"reason": str(error)[:200]},
            )
        finally:
            response.close()
        response._content = body  # noqa: SLF001  stops `requests` from reading more
        if 300 <= response.status_code < 400:
            # The SDK would count a redirect as accepted, because its status is below 400.
            log.warning(
                "OTLP endpoint redirects, points not sent: set the endpoint to the final URL",
                extra={"status": response.status_code},
            )
            response.status_code = 400
        self.refused = 400 <= response.status_code < 500 and (
            response.status_code not in {401, 403, 408, 429}
        )
        return response


def _body(response: requests.Response, until: float) -> bytes:
    """Return the body of *response*, limited in size and time."""
    body = b""
    while len(body) <= MAX_REPLY_BYTES and time.monotonic() < until:
        part = response.raw.read1(4096, decode_content=True)
        if not part:
            return body
        body += part
    raise DecodeError("the reply is too long or too slow")


def _read_reply(reply: ExportMetricsServiceResponse, count: Count) -> None:
    partial = reply.partial_success
    if partial.rejected_data_points > 0:
        count(Event.POINTS_REJECTED, partial.rejected_data_points)
    if partial.rejected_data_points or partial.error_message:
        log.warning(
            "OTLP endpoint rejected some points: see its reason",
            extra={
                "points": partial.rejected_data_points,
                "reason": partial.error_message[:200],
            },
        )
