"""Where metrics go over OTLP, and what may become of them. Imports nothing of OpenTelemetry."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from nilometer.errors import ConfigError

GRPC, HTTP = "grpc", "http/protobuf"
CUMULATIVE, DELTA = "cumulative", "delta"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")


class Event(Enum):
    """What happens to an export."""

    TAKEN = "taken"  # a request that the far side took
    FAILED = "failed"  # one that it did not
    POINTS_REJECTED = "points_rejected"  # points in a request that it took in part
    REPLY_UNREADABLE = "reply_unreadable"  # took it and answered what is no OTLP, or without end
    INTERVAL_DROPPED = "interval_dropped"  # a delta interval that waited for too long


Count = Callable[[Event, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings:
    """Where to and how; what is empty is read from the standard variables.

    Attributes:
        endpoint: Of the far side; an HTTP one gets ``/v1/metrics`` where it has no such path.
        protocol: ``grpc`` or ``http/protobuf``.
        temporality: ``cumulative`` or ``delta``.
        interval_seconds: Between exports.
        use_proxy: Whether proxy variables of the environment count.
    """

    endpoint: str = ""
    protocol: str = ""
    temporality: str = ""
    interval_seconds: float = 15.0
    use_proxy: bool = False

    @property
    def wanted(self) -> bool:
        """Whether an endpoint is set, by us or by the standard variables."""
        return bool(self.endpoint) or any(os.environ.get(name) for name in ENDPOINTS)

    def resolved(self) -> "OtlpSettings":
        """The same with what the standard variables say.

        Raises:
            ConfigError: If one of them says what does not exist.
        """
        protocol = self.protocol or _variable("PROTOCOL") or GRPC
        preference = _variable("METRICS_TEMPORALITY_PREFERENCE").lower()
        temporality = self.temporality or preference or CUMULATIVE
        if temporality == "lowmemory":  # as the SDKs: what adds up goes out as delta
            temporality = DELTA
        if protocol not in {GRPC, HTTP}:
            raise ConfigError(f"OTLP protocol = {protocol!r}: must be {GRPC!r} or {HTTP!r}")
        if temporality not in {CUMULATIVE, DELTA}:
            raise ConfigError(
                f"OTLP temporality = {temporality!r}: must be {CUMULATIVE!r} or {DELTA!r}"
            )
        return replace(self, protocol=protocol, temporality=temporality)


def _variable(name: str) -> str:
    if name == "METRICS_TEMPORALITY_PREFERENCE":
        return os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")
    both = (f"OTEL_EXPORTER_OTLP_METRICS_{name}", f"OTEL_EXPORTER_OTLP_{name}")
    return next((os.environ[key] for key in both if os.environ.get(key)), "")
