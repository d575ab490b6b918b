"""Metrics to OpenTelemetry: data points that we build, sent by the SDK's own exporters.

The SDK's instruments refuse negative values and cannot take a finished distribution, so they are
not used. Counts are cumulative since the start of this process; a restart starts a new series by
its start time. Names: `http.server.*` after the semantic conventions, our own under `nilometer.*`.
"""

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import opentelemetry.sdk.metrics.export as otel
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    MetricExportResult,
    NumberDataPoint,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

import nilometer
from nilometer.alert import Evaluation, Verdict
from nilometer.clock import Clock
from nilometer.entity import SERVICE
from nilometer.labels import Labels
from nilometer.profile import FeatureProfile, Profile, ServiceProfile, SummarySample
from nilometer.profile.coverage import added
from nilometer.sketch import ExponentialHistogram
from nilometer_agent.counters import Counter, Counters
from nilometer_agent.settings import AgentSettings

QUANTILES = (0.01, 0.05, 0.5, 0.95, 0.99)
MAX_SERIES = 2000  # entities x labels x summaries; more are not exported
EXPORT_TIMEOUT_SECONDS = 5

Attributes = Mapping[str, str | int | float | bool]

log = logging.getLogger("nilometer.agent")


class MetricSender(Protocol):
    """What the SDK's OTLP exporters are to us."""

    def export(
        self, metrics_data: otel.MetricsData, timeout_millis: float = 10_000
    ) -> MetricExportResult:
        """Send, with the SDK's own retries."""
        ...

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        """End."""
        ...


def open_exporter(settings: AgentSettings, counters: Counters, clock: Clock) -> "Exporter | None":
    """An exporter where an endpoint is set, by us or by the standard variables."""
    standard = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    if not settings.otlp_endpoint and not any(os.environ.get(name) for name in standard):
        return None
    return Exporter(_sender(settings), settings, counters, clock)


def _sender(settings: AgentSettings) -> MetricSender:
    endpoint = settings.otlp_endpoint or None
    if settings.otlp_protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
            OTLPMetricExporter as GrpcExporter,
        )

        insecure = True if endpoint and not endpoint.startswith("https://") else None
        return GrpcExporter(endpoint=endpoint, insecure=insecure, timeout=EXPORT_TIMEOUT_SECONDS)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
        OTLPMetricExporter as HttpExporter,
    )

    if endpoint and not endpoint.rstrip("/").endswith("/v1/metrics"):
        endpoint = endpoint.rstrip("/") + "/v1/metrics"
    return HttpExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_SECONDS)


@dataclass(slots=True)
class _FeatureTotal:
    """What was seen of one feature since the start."""

    histogram: ExponentialHistogram = field(default_factory=ExponentialHistogram)
    total: float = 0.0


class Exporter:
    """Keeps what is to be exported and sends it at an interval.

    Thread rule: `observe` and `closed` from the engine's thread.

    Args:
        sender: An OTLP exporter.
        settings: Interval and resource.
        counters: The agent's own, exported too.
        clock: Wall time of the points.
    """

    def __init__(
        self, sender: MetricSender, settings: AgentSettings, counters: Counters, clock: Clock
    ) -> None:
        self._sender = sender
        self._interval = settings.otlp_interval_seconds
        self._counters = counters
        self._clock = clock
        self._started_ns = clock.now_ns()
        self._lock = threading.Lock()
        self._services: dict[tuple[str, Labels], ServiceProfile] = {}
        self._features: dict[tuple[str, Labels, str], _FeatureTotal] = {}
        self._windows: dict[tuple[str, Labels, str], FeatureProfile] = {}
        self._evaluations: dict[tuple[str, str, str, Labels], Evaluation] = {}
        self._coverage: dict[tuple[str, Labels], dict[str, int]] = {}
        self._resource = Resource.create(
            {
                "service.name": os.environ.get("OTEL_SERVICE_NAME", "nilometer-agent"),
                "service.instance.id": settings.agent_name,
                "service.version": nilometer.__version__,
            }
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-export", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Export once more and end. Safe before `start`, and twice."""
        if not self._stopping.is_set():
            self._stopping.set()
            if self._thread.is_alive():
                self._thread.join(timeout)
            self._sender.shutdown(timeout_millis=timeout * 1000)

    def observe(self, profile: Profile) -> None:
        """Add a committed delta."""
        where = (profile.entity, profile.labels)
        with self._lock:
            if profile.service is not None and _admits(self._services, where):
                before = self._services.get(where)
                both = profile.service if before is None else before.merge(profile.service)
                self._services[where] = both
            coverage = profile.coverage
            if _admits(self._coverage, where):
                fates = {"profiled": coverage.profiled, "sampled_out": coverage.sampled_out}
                fates |= {f"dropped.{reason}": n for reason, n in coverage.dropped.items()}
                fates |= {f"undecodable.{reason}": n for reason, n in coverage.undecodable.items()}
                self._coverage[where] = added(self._coverage.get(where, {}), fates)
            for summary, recorder in profile.features.items():
                feature = recorder.profile()
                key = (*where, summary)
                if feature.numbers.moments.count and _admits(self._features, key):
                    total = self._features.setdefault(key, _FeatureTotal())
                    total.histogram = total.histogram.merge(feature.numbers.magnitudes())
                    total.total += feature.numbers.moments.mean * feature.numbers.moments.count

    def closed(self, samples: list[SummarySample], evaluations: list[Evaluation]) -> None:
        """Remember the newest closed window of each summary, and what was judged."""
        with self._lock:
            for sample in samples:
                key = (sample.entity, sample.labels, sample.summary)
                if isinstance(sample.content, FeatureProfile) and _admits(self._windows, key):
                    self._windows[key] = sample.content
            for evaluation in evaluations:
                rule = evaluation.alerter
                name = (rule.entity, rule.name, evaluation.summary, evaluation.labels)
                if evaluation.verdict is not Verdict.NOT_JUDGED and _admits(
                    self._evaluations, name
                ):
                    self._evaluations[name] = evaluation

    def export_once(self) -> bool:
        """Build every point and send; whether it was taken."""
        metrics = self.metrics()
        scope = otel.ScopeMetrics(
            InstrumentationScope("nilometer", nilometer.__version__), metrics, ""
        )
        data = otel.MetricsData([otel.ResourceMetrics(self._resource, [scope], "")])
        try:
            result = self._sender.export(data, timeout_millis=EXPORT_TIMEOUT_SECONDS * 1000)
        except Exception as error:
            log.warning("export failed", extra={"reason": str(error)[:200]})
            result = MetricExportResult.FAILURE
        taken = result is MetricExportResult.SUCCESS
        self._counters.add(Counter.EXPORTS if taken else Counter.EXPORT_FAILURES)
        return taken

    def metrics(self) -> list[otel.Metric]:
        """All metrics as of now."""
        now = self._clock.now_ns()
        with self._lock:
            return [*self._service_metrics(now), *self._data_metrics(now), *self._own_metrics(now)]

    def _service_metrics(self, now: int) -> list[otel.Metric]:
        latency, requests, fates = [], [], []
        for (entity, labels), service in self._services.items():
            at = _attributes(entity, labels)
            histogram = service.latency
            latency.append(self._histogram_point(histogram, service.latency_sum, at, now))
            for outcome, count in service.outcomes.items():
                requests.append(self._point(count, {**at, "nilometer.outcome": outcome}, now))
        for (entity, labels), counted in self._coverage.items():
            at = _attributes(entity, labels)
            for fate, count in counted.items():
                fates.append(self._point(count, {**at, "nilometer.fate": fate}, now))
        return [
            _histograms("http.server.request.duration", "s", "Duration of requests.", latency),
            _sum("nilometer.requests", "{request}", "Requests by outcome.", requests),
            _sum("nilometer.observations", "{observation}", "Observations by fate.", fates),
        ]

    def _data_metrics(self, now: int) -> list[otel.Metric]:
        values, quantiles, missing, drift, alerting = [], [], [], [], []
        for (entity, labels, summary), total in self._features.items():
            at = _attributes(entity, labels, summary)
            values.append(self._histogram_point(total.histogram, total.total, at, now))
        for (entity, labels, summary), window in self._windows.items():
            at = _attributes(entity, labels, summary)
            if window.numbers.moments.count:
                for q, value in zip(
                    QUANTILES, window.numbers.digest.quantile(QUANTILES), strict=True
                ):
                    quantiles.append(
                        self._point(float(value), {**at, "nilometer.quantile": q}, now)
                    )
            if window.cells:
                missing.append(self._point(window.missing / window.cells, at, now))
        for (entity, name, summary, labels), evaluation in self._evaluations.items():
            at = {**_attributes(entity, labels, summary), "nilometer.alerter": name}
            measure = evaluation.alerter.measure
            drift.append(self._point(evaluation.value, {**at, "nilometer.measure": measure}, now))
            breach = int(evaluation.verdict is Verdict.BREACH)
            alerting.append(self._point(breach, at, now))
        return [
            _histograms("nilometer.feature.value", "1", "Finite values of a feature.", values),
            _gauge("nilometer.feature.quantile", "1", "Quantiles of the last window.", quantiles),
            _gauge("nilometer.feature.missing", "1", "Share of missing cells.", missing),
            _gauge("nilometer.evaluation.value", "1", "What an alerter measured.", drift),
            _gauge("nilometer.evaluation.breach", "1", "1 while above its threshold.", alerting),
        ]

    def _own_metrics(self, now: int) -> list[otel.Metric]:
        return [
            _sum(
                f"nilometer.agent.{name}",
                "1",
                "Counter of the agent; see docs/telemetry.md.",
                [self._point(value, {}, now)],
            )
            for name, value in self._counters.snapshot().items()
        ]

    def _point(self, value: float, attributes: Attributes, now: int) -> NumberDataPoint:
        return NumberDataPoint(dict(attributes), self._started_ns, now, value)

    def _histogram_point(
        self, histogram: ExponentialHistogram, total: float, attributes: Attributes, now: int
    ) -> ExponentialHistogramDataPoint:
        positive, negative = histogram.positive, histogram.negative
        return ExponentialHistogramDataPoint(
            attributes=dict(attributes),
            start_time_unix_nano=self._started_ns,
            time_unix_nano=now,
            count=histogram.count,
            # OTLP: the sum must be left out where negative values may occur.
            sum=None if negative.counts else total,  # type: ignore[arg-type]
            scale=histogram.scale,
            zero_count=histogram.zero_count,
            positive=otel.Buckets(positive.offset, list(positive.counts)),
            negative=otel.Buckets(negative.offset, list(negative.counts)),
            flags=0,
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
        )

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.export_once()
        self.export_once()


def _admits(series: Mapping[Any, object], key: object) -> bool:
    return key in series or len(series) < MAX_SERIES


def _attributes(
    entity: str, labels: Labels, summary: str = ""
) -> dict[str, str | int | float | bool]:
    attributes: dict[str, str | int | float | bool] = {"nilometer.entity": entity}
    if summary and summary != SERVICE:
        attributes["nilometer.summary"] = summary
    attributes.update({f"nilometer.label.{key}": value for key, value in labels})
    return attributes


def _sum(name: str, unit: str, text: str, points: list[NumberDataPoint]) -> otel.Metric:
    return otel.Metric(
        name,
        text,
        unit,
        otel.Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True),
    )


def _gauge(name: str, unit: str, text: str, points: list[NumberDataPoint]) -> otel.Metric:
    return otel.Metric(name, text, unit, otel.Gauge(points))


def _histograms(
    name: str, unit: str, text: str, points: list[ExponentialHistogramDataPoint]
) -> otel.Metric:
    data = otel.ExponentialHistogram(points, AggregationTemporality.CUMULATIVE)
    return otel.Metric(name, text, unit, data)
