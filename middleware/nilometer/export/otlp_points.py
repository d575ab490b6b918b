"""Converts families of series to the SDK's records, in portions that receivers accept.

The SDK's instruments reject negative values and finished distributions. So the points are built
here, and only the record types are from the SDK.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import opentelemetry.sdk.metrics.export as otel
from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import AggregationTemporality

from nilometer.export.metric import Instrument
from nilometer.export.series import Binned, Distribution, Exemplar, Family, Point

MAX_POINTS = 2000  # points in one request
MAX_BYTES = 1 << 20  # approximate size of one request; gRPC receivers accept 4 MiB


def chunks(metrics: Iterable[tuple[otel.Metric, int]]) -> Iterable[list[otel.Metric]]:
    """Return lists of metrics of at most `MAX_BYTES` each; a larger metric has its own list."""
    chunk: list[otel.Metric] = []
    held = 0
    for metric, weight in metrics:
        if chunk and held + weight > MAX_BYTES:
            yield chunk
            chunk, held = [], 0
        chunk.append(metric)
        held += weight
    if chunk:
        yield chunk


def _portions(points: Sequence[Point]) -> Iterable[tuple[list[Point], int]]:
    """Return *points* in portions of at most `MAX_POINTS` and about `MAX_BYTES`, with weights."""
    portion: list[Point] = []
    held = 0
    for point in points:
        weight = _weight(point)
        if portion and (held + weight > MAX_BYTES or len(portion) >= MAX_POINTS):
            yield portion, held
            portion, held = [], 0
        portion.append(point)
        held += weight
    if portion:
        yield portion, held


def _weight(point: Point) -> int:
    """Return a rough upper bound of the bytes of *point*."""
    weight = 64 + sum(16 + len(key) + len(str(value)) for key, value in point.attributes)
    match point.value:
        case Distribution(histogram=histogram, exemplars=exemplars):
            counts = (*histogram.positive.counts, *histogram.negative.counts)
            return weight + 64 * len(exemplars) + sum(map(_varint_bytes, counts))
        case Binned(counts=counts):
            return weight + 17 * len(counts)
        case _:
            return weight


def _varint_bytes(count: int) -> int:
    return max(count.bit_length() + 6, 7) // 7


def metrics_of(
    family: Family, started_ns: int, since_ns: int, now_ns: int, *, delta: bool
) -> Iterable[tuple[otel.Metric, int]]:
    """Return *family* as the SDK's records, in portions with their weights."""
    for points, weight in _portions(family.points):
        metric = family.metric
        data: Any
        temporality = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
        match metric.instrument:
            case Instrument.HISTOGRAM if metric.edges:
                data = otel.Histogram(
                    [_binned_point(point, since_ns, now_ns) for point in points], temporality
                )
            case Instrument.HISTOGRAM:
                data = otel.ExponentialHistogram(
                    [_histogram_point(point, since_ns, now_ns) for point in points], temporality
                )
            case Instrument.COUNTER:
                numbers = [_number_point(point, since_ns, now_ns) for point in points]
                data = otel.Sum(numbers, temporality, is_monotonic=True)
            case Instrument.UP_DOWN_COUNTER:
                numbers = [_number_point(point, started_ns, now_ns) for point in points]
                data = otel.Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=False)
            case Instrument.GAUGE:
                data = otel.Gauge([_number_point(point, started_ns, now_ns) for point in points])
        yield otel.Metric(metric.name, metric.about, metric.unit, data), weight


def _number_point(point: Point, since_ns: int, now_ns: int) -> otel.NumberDataPoint:
    if isinstance(point.value, Distribution | Binned):
        raise TypeError("a histogram cannot be a number point")
    return otel.NumberDataPoint(dict(point.attributes), since_ns, now_ns, point.value)


def _histogram_point(
    point: Point, since_ns: int, now_ns: int
) -> otel.ExponentialHistogramDataPoint:
    if not isinstance(point.value, Distribution):
        raise TypeError("a number cannot be a histogram point")
    histogram = point.value.histogram
    positive, negative = histogram.positive, histogram.negative
    fresh = [e for e in point.value.exemplars.values() if e.time_ns >= since_ns]
    return otel.ExponentialHistogramDataPoint(
        attributes=dict(point.attributes),
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=histogram.count,
        sum=point.value.sum,  # type: ignore[arg-type]  # None with negative values: then OTLP has no sum
        scale=histogram.scale,
        zero_count=histogram.zero_count,
        positive=otel.Buckets(positive.offset, list(positive.counts)),
        negative=otel.Buckets(negative.offset, list(negative.counts)),
        flags=0,
        min=None,  # type: ignore[arg-type]  # unknown for cumulative points
        max=None,  # type: ignore[arg-type]  # as above
        exemplars=[_exemplar(exemplar) for exemplar in fresh],
    )


def _binned_point(point: Point, since_ns: int, now_ns: int) -> otel.HistogramDataPoint:
    if not isinstance(point.value, Binned):
        raise TypeError("only binned counts can be a binned point")
    return otel.HistogramDataPoint(
        attributes=dict(point.attributes),
        start_time_unix_nano=since_ns,
        time_unix_nano=now_ns,
        count=point.value.count,
        sum=point.value.sum,
        bucket_counts=point.value.counts,
        explicit_bounds=point.value.edges,
        min=None,  # type: ignore[arg-type]  # not known for cumulative points
        max=None,  # type: ignore[arg-type]  # as above
    )


def _exemplar(exemplar: Exemplar) -> SdkExemplar:
    return SdkExemplar({}, exemplar.value, exemplar.time_ns, exemplar.span_id, exemplar.trace_id)
