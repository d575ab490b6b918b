"""Settings of the OTLP exporter, and the events that it counts. This module imports no SDK."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

GRPC, HTTP = "grpc", "http/protobuf"
CUMULATIVE, DELTA = "cumulative", "delta"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")

log = logging.getLogger("nilometer.export")


class Event(Enum):
    """The outcome of an export."""

    TAKEN = "taken"  # a request that the receiver accepted
    FAILED = "failed"  # a request that failed
    POINTS_REJECTED = "points_rejected"  # points rejected in an accepted request
    REPLY_UNREADABLE = "reply_unreadable"  # accepted, but the reply is not OTLP or does not end
    INTERVAL_DROPPED = "interval_dropped"  # a delta interval that was not accepted in time


Count = Callable[[Event, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings:
    """The endpoint and how to use it; empty values are read from the standard variables.

    Attributes:
        endpoint: URL or address of the receiver. ``/v1/metrics`` is added to an HTTP URL without
            it.
        protocol: Protocol, ``grpc`` or ``http/protobuf``.
        temporality: Temporality, ``cumulative`` or ``delta``.
        interval_seconds: Time between exports.
        use_proxy: Whether proxy variables of the environment are used.
    """

    endpoint: str = ""
    protocol: str = ""
    temporality: str = ""
    interval_seconds: float = 15.0
    use_proxy: bool = False

    @property
    def wanted(self) -> bool:
        """Whether an endpoint is set, by these settings or by the standard variables."""
        if self.endpoint:
            return True
        off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        off = off or os.environ.get("OTEL_METRICS_EXPORTER", "").lower() == "none"
        return not off and any(os.environ.get(name) for name in ENDPOINTS)

    def resolved(self) -> "OtlpSettings":
        """Return these settings with the values of the standard variables filled in.

        A value that is not allowed is ignored with a warning, as the standard requires. The
        variables may belong to the application, which may allow more values.
        """
        preference = _variable("METRICS_TEMPORALITY_PREFERENCE").lower()
        if preference == "lowmemory":  # as in the SDKs: counters are sent as deltas
            preference = DELTA
        return replace(
            self,
            protocol=self.protocol or _known("PROTOCOL", _variable("PROTOCOL"), (GRPC, HTTP)),
            temporality=self.temporality
            or _known("METRICS_TEMPORALITY_PREFERENCE", preference, (CUMULATIVE, DELTA)),
        )


def _known(what: str, text: str, choices: tuple[str, ...]) -> str:
    """Return *text* if it is one of *choices*; otherwise log a warning and return the first."""
    if text and text not in choices:
        log.warning(
            "environment variable ignored, its value is not allowed: the default is used",
            extra={
                "variable": f"OTEL_EXPORTER_OTLP_{what}",
                "value": text[:64],
                "allowed": ", ".join(choices),
            },
        )
    return text if text in choices else choices[0]


def _variable(name: str) -> str:
    if name == "METRICS_TEMPORALITY_PREFERENCE":
        return os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")
    both = (f"OTEL_EXPORTER_OTLP_METRICS_{name}", f"OTEL_EXPORTER_OTLP_{name}")
    return next((os.environ[key] for key in both if os.environ.get(key)), "")
