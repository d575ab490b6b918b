"""The exporters of one process: OTLP if an endpoint is set, and a port for scrapes if one is set.

Both export the same series. The OpenTelemetry SDK is loaded only if an endpoint is set.
"""

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nilometer.export.listen import MetricsServer
from nilometer.export.otlp_settings import Count, OtlpSettings
from nilometer.export.series import Family
from nilometer.values.clock import Clock
from nilometer.values.errors import ConfigError

log = logging.getLogger("nilometer.export")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """Settings of the exporters of a process.

    Attributes:
        otlp: Settings of the OTLP exporter.
        metrics_address: Address of ``/metrics`` and the probes, ``host:port``; empty opens no port.
        peers_by_address: Whether clients of the port are distinguished by their addresses.
        resource: Resource attributes of the process.
    """

    otlp: OtlpSettings = field(default_factory=OtlpSettings)
    metrics_address: str = ""
    peers_by_address: bool = False
    resource: Mapping[str, str] = field(default_factory=dict)


class Exports:
    """The running exporters. Call `start`, then `stop`.

    Args:
        settings: Settings of the exporters.
        gather: Function that returns all current families, cumulative.
        ready: Function that returns whether the process accepts work.
        count: Function that is called with each export event and its count.
        clock: Clock for wall time.
        alive: Function that returns whether the process still works, as in `MetricsServer`.

    Raises:
        ConfigError: If the port cannot be bound.
    """

    def __init__(
        self,
        settings: ExportSettings,
        gather: Callable[[], list[Family]],
        ready: Callable[[], bool],
        count: Count,
        clock: Clock,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self.otlp = None
        self.server: MetricsServer | None = None
        if settings.otlp.wanted:
            from nilometer.export.otlp import OtlpExporter
            from nilometer.export.otlp_sender import open_sender

            otlp = settings.otlp.resolved()
            try:
                sender = open_sender(otlp, count)
            except Exception:  # the SDK may reject a standard variable that the application uses
                log.exception("OTLP export is off: check the OTEL_* variables")
            else:
                self.otlp = OtlpExporter(sender, otlp, settings.resource, gather, count, clock)
        if settings.metrics_address:
            address = host_and_port(settings.metrics_address)
            self.server = MetricsServer(
                address,
                gather,
                settings.resource,
                ready,
                alive,
                by_address=settings.peers_by_address,
            )

    @property
    def any(self) -> bool:
        """Whether at least one exporter is set."""
        return self.otlp is not None or self.server is not None

    def start(self) -> None:
        """Start the exporters."""
        for way in (self.otlp, self.server):
            if way is not None:
                way.start()

    def stop(self, timeout: float) -> None:
        """Export once more and stop. May be called before `start`, and twice."""
        if self.otlp is not None:
            self.otlp.stop(timeout)
        if self.server is not None:
            self.server.stop()


def host_and_port(text: str) -> tuple[str, int]:
    """Parse ``host:port`` or ``[v6]:port``; an empty host means every address.

    Raises:
        ConfigError: If *text* has neither form.
    """
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    is_number = port.isascii() and port.isdigit() and len(port) <= 5
    if not separator or not is_number or int(port) > 65_535:
        raise ConfigError(
            f"metrics_address = {text!r}: must be host:port with a port of 0 to 65535"
        )
    return host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0"), int(port)  # noqa: S104
