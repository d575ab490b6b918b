"""Where metrics go over OTLP, and what may become of them. Imports nothing of OpenTelemetry."""

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
        if self.endpoint:
            return True
        off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        off = off or os.environ.get("OTEL_METRICS_EXPORTER", "").lower() == "none"
        return not off and any(os.environ.get(name) for name in ENDPOINTS)

    def resolved(self) -> "OtlpSettings":
        """The same with what the standard variables say.

        What they say and does not exist is left out with a warning, as the standard asks: they may
        be the application's, which knows more than we do.
        """
        preference = _variable("METRICS_TEMPORALITY_PREFERENCE").lower()
        if preference == "lowmemory":  # as the SDKs: what adds up goes out as delta
            preference = DELTA
        return replace(
            self,
            protocol=self.protocol or _known("PROTOCOL", _variable("PROTOCOL"), (GRPC, HTTP)),
            temporality=self.temporality
            or _known("METRICS_TEMPORALITY_PREFERENCE", preference, (CUMULATIVE, DELTA)),
        )


def _known(what: str, text: str, choices: tuple[str, ...]) -> str:
    """Return *text* if it is one of *choices*, otherwise the first, which is the default."""
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
