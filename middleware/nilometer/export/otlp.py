"""Sends points to OpenTelemetry at a fixed interval, in its own thread.

Temporality: a cumulative point covers the time since the start of this process, or of the process that
left its counts to it. So a lost or repeated point does no harm. A delta point covers one interval. If an interval was not accepted, it
is kept, up to a limit, and sent again with its original times. A receiver can then recognise it.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import opentelemetry.sdk.metrics.export as otel
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from nilometer.export.carried import Carried
from nilometer.export.otlp_points import chunks, metrics_of
from nilometer.export.otlp_sender import EXPORT_SECONDS, MetricSender
from nilometer.export.otlp_settings import DELTA, Count, Event, OtlpSettings
from nilometer.export.resource import VERSION
from nilometer.export.series import Differences, Family
from nilometer.values.clock import Clock

MAX_INTERVALS = 20  # requests with delta points that are kept until the receiver accepts them

log = logging.getLogger("nilometer.export")


class OtlpExporter:
    """Sends the points of `gather` at a fixed interval, in its own thread.

    Args:
        sender: OTLP exporter of the SDK.
        settings: Settings, after `OtlpSettings.resolved`.
        resource: Resource attributes of the process.
        gather: Function that returns all current families, cumulative.
        count: Function that is called with each export event and its count.
        clock: Clock for the wall time of the points.
    """

    def __init__(
        self,
        sender: MetricSender,
        settings: OtlpSettings,
        resource: Mapping[str, str],
        gather: Callable[[], list[Family]],
        count: Count,
        clock: Clock,
    ) -> None:
        self._sender = sender
        self._settings = settings
        self._resource = Resource(dict(resource))
        self._gather = gather
        self._count = count
        self._clock = clock
        self._started_ns = self._last_ns = clock.now_ns()
        self._differences = Differences() if settings.temporality == DELTA else None
        self._waiting: deque[otel.MetricsData] = deque()
        self._process = os.getpid()
        self._exporting = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-export", daemon=True)

    def resume(self, carried: Carried) -> None:
        """Go on with the counts of the process before, which it has sent. Call this before `start`."""
        self._started_ns = carried.started_ns
        if self._differences is not None:
            self._differences.of(carried.families)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Export once more and stop. May be called before `start`, and twice."""
        if not self._stopping.is_set():
            self._stopping.set()
            if self._thread.is_alive():
                self._thread.join(timeout)
            self._sender.shutdown(timeout_millis=timeout * 1000)
            if self._waiting and self._differences is not None:
                log.warning(
                    "delta points lost at shutdown: the OTLP endpoint did not accept them",
                    extra={"requests": len(self._waiting)},
                )
                self._count(Event.INTERVAL_DROPPED, len(self._waiting))

    def export_once(self) -> bool:
        """Build and send all points; return whether all were accepted.

        A forked child sends nothing, because its parent already reports the same counts.
        """
        if os.getpid() != self._process:
            return False
        with self._exporting:
            try:
                self._waiting.extend(self._requests())
            except Exception:  # the error may not occur again
                log.exception("points could not be collected, will retry: report this error")
                self._count(Event.FAILED, 1)
                return False
            return self._send_waiting()

    def _send_waiting(self) -> bool:
        until = time.monotonic() + EXPORT_SECONDS
        taken = True
        while self._waiting:
            if self._send(self._waiting[0]):
                self._waiting.popleft()
                continue
            taken = False
            if self._differences is None:
                self._waiting.popleft()  # the next cumulative points include these
            elif self._sender.refused:
                self._waiting.popleft()
                self._count(Event.INTERVAL_DROPPED, 1)
            else:
                break
            if time.monotonic() > until:  # the receiver is silent, so stop here
                break
        self._keep()
        return taken

    def _requests(self) -> list[otel.MetricsData]:
        now = max(self._clock.now_ns(), self._last_ns + 1)  # the clock may be set back
        families = self._gather()
        since = self._started_ns
        if self._differences is not None:
            families, since = self._differences.of(families), self._last_ns
        delta = self._differences is not None
        metrics = [
            m
            for family in families
            for m in metrics_of(family, self._started_ns, since, now, delta=delta)
        ]
        scope = InstrumentationScope("nilometer", VERSION)
        self._last_ns = now
        scoped = (otel.ScopeMetrics(scope, chunk, "") for chunk in chunks(metrics))
        return [
            otel.MetricsData([otel.ResourceMetrics(self._resource, [one], "")]) for one in scoped
        ]

    def _keep(self) -> None:
        """Drop waiting points that need not be sent again."""
        if self._differences is None:
            self._waiting.clear()  # the next cumulative points include these
        while len(self._waiting) > MAX_INTERVALS:
            self._waiting.popleft()
            self._count(Event.INTERVAL_DROPPED, 1)

    def _send(self, data: otel.MetricsData) -> bool:
        try:
            result = self._sender.export(data, timeout_millis=EXPORT_SECONDS * 1000)
        except Exception as error:  # the SDK may raise anything
            log.warning(
                "OTLP export failed: check endpoint, protocol, headers and proxy",
                extra={"reason": str(error)[:200]},
            )
            result = MetricExportResult.FAILURE
        taken = result is MetricExportResult.SUCCESS
        self._count(Event.TAKEN if taken else Event.FAILED, 1)
        return taken

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.interval_seconds):
            self.export_once()
        self.export_once()
