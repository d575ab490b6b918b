"""Exports series to Prometheus as classic histograms with exact counts.

The bounds of the classic buckets are powers of two. The exponential buckets have the same bounds,
so no count is interpolated. A metric that has its own bounds in the table uses exactly those. The
range of a feature is not known, so all features use one ladder of bounds, the same in every pod. A
feature gets the bounds from its smallest value to the end of the ladder. A bound that is omitted at
the low end has a count of zero, so the buckets of several pods add up. The bounds at the high end
are always present. A negative value that is a power of two counts one bucket higher, because
exponential buckets exclude that bound.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as PrometheusExemplar

from nilometer.export.metric import Instrument, Metric, sanitised
from nilometer.export.series import (
    Binned,
    Distribution,
    Family,
    Point,
    Value,
)
from nilometer.sketch.exponential import Buckets, ExponentialHistogram

# Smallest and largest exponent of the bounds of features: from 2^-16 to 2^41, which covers shares,
# amounts, and times in milliseconds. Other values count in the first or the last bucket.
LOWEST, HIGHEST = -16, 41

_TYPES = {
    Instrument.COUNTER: "counter",
    Instrument.UP_DOWN_COUNTER: "gauge",
    Instrument.GAUGE: "gauge",
    Instrument.HISTOGRAM: "histogram",
}


def exposition(
    families: Iterable[Family], resource: Mapping[str, str], accept: str = ""
) -> tuple[bytes, str]:
    """Return the text of a scrape and its content type, in the format that *accept* requests."""
    encode, content_type = choose_encoder(accept)
    # OpenMetrics forbids a count without a sum. With negative values there is no sum.
    strict = "openmetrics" in content_type
    collected = [_family(family, strict=strict) for family in families]
    return encode(_Collected([_target(resource), *collected])), content_type


class _Collected(Collector):
    """The registry that prometheus_client reads."""

    def __init__(self, metrics: list[PrometheusMetric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[PrometheusMetric]:
        """Return all metrics."""
        return self._metrics


def classic_buckets(metric: Metric, distribution: Distribution) -> list[tuple[float, int]]:
    """Return ascending upper bounds with cumulative counts; the last bound is infinite."""
    histogram = distribution.histogram
    if metric.bounds:
        wanted = metric.bounds
        found = _cumulative(histogram, wanted, ())
    else:
        found = _cumulative(histogram, *_ladder(histogram))
    return [*found, (math.inf, histogram.count)]


def _ladder(histogram: ExponentialHistogram) -> tuple[range, range]:
    """Return the exponents of the bounds above and below zero that the histogram needs."""
    negative, positive, scale = histogram.negative, histogram.positive, histogram.scale
    if negative.counts:
        last = negative.offset + len(negative.counts)  # the upper bound of the magnitude
        return range(LOWEST, HIGHEST + 1), range(LOWEST, _clipped(-_floor(-last, scale)) + 1)
    if histogram.zero_count:
        return range(LOWEST, HIGHEST + 1), range(0)
    if not positive.counts:
        return range(0), range(0)
    return range(_clipped(_floor(positive.offset, scale)), HIGHEST + 1), range(0)


def _floor(index: int, scale: int) -> int:
    """Return the largest *k* for which ``2**k`` is at most the lower bound of bucket *index*."""
    return index >> scale if scale >= 0 else index << -scale


def _clipped(exponent: int) -> int:
    return min(max(exponent, LOWEST), HIGHEST)


def _cumulative(
    histogram: ExponentialHistogram, above: Sequence[int], below: Sequence[int]
) -> list[tuple[float, int]]:
    """Return cumulative counts up to ``-2**k`` of *below*, 0 if needed, ``2**k`` of *above*."""
    negative, positive, scale = histogram.negative, histogram.positive, histogram.scale
    found = [(-(2.0**k), negative.total - _up_to(negative, k, scale)) for k in reversed(below)]
    if below or (histogram.zero_count and above):
        found.append((0.0, negative.total + histogram.zero_count))
    rest = negative.total + histogram.zero_count
    found += [(2.0**k, rest + _up_to(positive, k, scale)) for k in above]
    return found


def _up_to(side: Buckets, exponent: int, scale: int) -> int:
    """Return the number of values on one side with a magnitude of at most ``2**exponent``."""
    # Bucket i ends at 2**((i + 1) / 2**scale). At a scale below 0, only some powers of two are
    # bounds, and values beyond the last bound are counted with the next one.
    first_beyond = exponent << scale if scale >= 0 else exponent >> -scale
    return sum(side.counts[: max(first_beyond - side.offset, 0)])


def _family(family: Family, *, strict: bool) -> PrometheusMetric:
    metric = family.metric
    kind = _TYPES[metric.instrument]
    name = metric.prometheus.removesuffix("_total") if kind == "counter" else metric.prometheus
    collected = PrometheusMetric(name, metric.about, kind)
    for point in family.points:
        if isinstance(point.value, Distribution):
            _add_histogram(collected, metric, point, point.value, strict=strict)
        elif isinstance(point.value, Binned):
            _add_binned(collected, point, point.value)
        else:
            suffix = "_total" if kind == "counter" else ""
            collected.add_sample(name + suffix, _labels(point.attributes), point.value)
    return collected


def _add_histogram(
    collected: PrometheusMetric,
    metric: Metric,
    point: Point,
    distribution: Distribution,
    *,
    strict: bool,
) -> None:
    labels = _labels(point.attributes)
    exemplars = sorted(distribution.exemplars.values(), key=lambda exemplar: exemplar.value)
    for bound, count in classic_buckets(metric, distribution):
        exemplar = None
        while exemplars and exemplars[0].value <= bound:
            first = exemplars.pop(0)
            trace = {"trace_id": f"{first.trace_id:032x}", "span_id": f"{first.span_id:016x}"}
            exemplar = PrometheusExemplar(trace, first.value, first.time_ns / 1e9)
        shown = {**labels, "le": "+Inf" if math.isinf(bound) else repr(bound)}
        collected.add_sample(collected.name + "_bucket", shown, count, None, exemplar)
    if distribution.sum is not None:
        collected.add_sample(collected.name + "_sum", labels, distribution.sum)
    elif strict:
        return
    collected.add_sample(collected.name + "_count", labels, distribution.histogram.count)


def _add_binned(collected: PrometheusMetric, point: Point, binned: Binned) -> None:
    labels = _labels(point.attributes)
    up_to = accumulate(binned.counts)
    for bound, count in zip((*binned.edges, math.inf), up_to, strict=True):
        shown = {**labels, "le": "+Inf" if math.isinf(bound) else repr(bound)}
        collected.add_sample(collected.name + "_bucket", shown, count)
    collected.add_sample(collected.name + "_sum", labels, binned.sum)
    collected.add_sample(collected.name + "_count", labels, binned.count)


def _labels(attributes: Iterable[tuple[str, Value]]) -> dict[str, str]:
    """Return attributes with valid Prometheus names; values of equal names are joined."""
    found: dict[str, list[str]] = {}
    for key, value in attributes:
        name = sanitised(key)
        if name:  # a name of unsupported characters only would be empty
            found.setdefault(name, []).append(_text(value))
    return {name: ";".join(values) for name, values in found.items()}


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def _target(resource: Mapping[str, str]) -> PrometheusMetric:
    """Return the metric ``target_info``, which holds the resource attributes."""
    target = PrometheusMetric("target_info", "Attributes of the process that exports.", "gauge")
    target.add_sample("target_info", _labels(sorted(resource.items())), 1)
    return target
