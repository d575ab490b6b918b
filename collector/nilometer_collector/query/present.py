"""From profiles to views: what a window, a reference or an episode looks like outside.

A number that does not exist, or is not finite, is null.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np

from nilometer.profile import Coverage, FeatureProfile, ScoreProfile, ServiceProfile
from nilometer.sketch.histogram import ExponentialHistogram
from nilometer.values.clock import NANOSECONDS
from nilometer.values.window import Window
from nilometer_collector.store import EpisodeRecord
from nilometer_collector.views import (
    CategoryView,
    CoverageView,
    EpisodeView,
    FeatureView,
    Health,
    HistogramView,
    ScoresView,
    ServiceView,
    TransitionView,
)

DataType: TypeAlias = Literal["number", "category", "mixed", "empty", "service"]

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
LATENCY_QUANTILES = (0.5, 0.9, 0.99)
TOP_CATEGORIES = 20
PLAIN_BINS = 20  # where no reference gives edges


@dataclass(frozen=True, slots=True)
class Bins:
    """Edges that all windows of one answer share, so that they can be drawn side by side.

    Attributes:
        inner: The edges that values are counted on, ascending.
        outer: The same with a finite bound on each side, so that every bin has a width.
    """

    inner: tuple[float, ...]
    outer: tuple[float, ...]


def common_bins_of(features: Iterable[FeatureProfile], edges: tuple[float, ...]) -> Bins | None:
    """Bins for *features*: on a reference's *edges*, or of equal width where there are none."""
    digests = [feature.numbers.digest for feature in features if feature.numbers.moments.count]
    if not digests:
        return None
    low = min(cast("float", digest.min) for digest in digests)
    high = max(cast("float", digest.max) for digest in digests)
    if not edges:
        if not math.isfinite(high - low):
            return None
        if high <= low:
            outer = (math.nextafter(low, -math.inf), math.nextafter(low, math.inf))
            return Bins((), outer)
        outer = tuple(np.unique(np.linspace(low, high, PLAIN_BINS + 1)).tolist())
        return Bins(outer[1:-1], outer)
    first = low if low < edges[0] else _below(edges)
    last = high if high > edges[-1] else -_below(tuple(-edge for edge in reversed(edges)))
    if not (math.isfinite(first) and math.isfinite(last)):
        return None
    return Bins(edges, (first, *edges, last))


def _below(edges: tuple[float, ...]) -> float:
    """A bound under the first edge, as far off as the second is above it."""
    width = edges[1] - edges[0] if len(edges) > 1 else abs(edges[0]) * 0.01 or 1.0
    return min(edges[0] - width, math.nextafter(edges[0], -math.inf))


def coverage_view(coverage: Coverage) -> CoverageView:
    """Field by field."""
    return CoverageView(
        seen=coverage.seen,
        profiled=coverage.profiled,
        sampled_out=coverage.sampled_out,
        dropped=dict(sorted(coverage.dropped.items())),
        undecodable=dict(sorted(coverage.undecodable.items())),
    )


def feature_view(feature: FeatureProfile, bins: Bins | None) -> FeatureView:
    """A distribution, with its histogram on *bins*."""
    moments, digest = feature.numbers.moments, feature.numbers.digest
    present = sum(feature.types.values())
    known = feature.categories.dictionary
    quantiles: dict[str, float] = {}
    histogram = None
    if moments.count:
        values = digest.quantile(QUANTILES).tolist()
        quantiles = {f"{q:g}": value for q, value in zip(QUANTILES, values, strict=True)}
        if bins is not None:
            counts, _ = feature.numbers.counts_on(bins.inner)
            histogram = HistogramView(edges=list(bins.outer), counts=[float(c) for c in counts])
    return FeatureView(
        count=feature.count,
        missing=feature.missing,
        missing_ratio=_ratio(feature.missing, feature.cells),
        non_finite=feature.non_finite,
        null_like=feature.null_like,
        types=dict(sorted(feature.types.items())),
        type_errors=dict(sorted(feature.type_errors.items())),
        zero=feature.numbers.zero,
        negative=feature.numbers.negative,
        below_reference=feature.numbers.below_reference,
        above_reference=feature.numbers.above_reference,
        unseen=None if known is None else known.unseen,
        mean=_finite(moments.mean) if moments.count else None,
        standard_deviation=_finite(moments.standard_deviation),
        minimum=digest.min,
        maximum=digest.max,
        quantiles=quantiles,
        histogram=histogram,
        distinct=None if feature.distinct is None else _finite(feature.distinct.estimate),
        top=[
            CategoryView(value=value, count=count, ratio=min(_ratio(count, present) or 0.0, 1.0))
            for value, count in feature.categories.top(TOP_CATEGORIES)
        ],
    )


def service_view(service: ServiceProfile, window: Window) -> ServiceView:
    """Requests of *window*."""
    timed = service.latency.count
    return ServiceView(
        requests=service.count,
        requests_per_second=service.count / window.seconds,
        error_ratio=_ratio(service.failures, service.count),
        outcomes=dict(sorted(service.outcomes.items())),
        statuses=dict(sorted(service.statuses.items())),
        latency_quantiles_seconds=_times(service.latency),
        latency_mean_seconds=_finite(service.latency_sum / timed) if timed else None,
        in_flight_max=service.in_flight_max,
        stream_ends=dict(sorted(service.streams.ends.items())),
        first_byte_quantiles_seconds=_times(service.streams.first_byte),
        chunk_gap_quantiles_seconds=_times(service.streams.chunk_gap),
    )


def _times(histogram: ExponentialHistogram) -> dict[str, float]:
    """Quantiles of times in seconds, those that exist."""
    found = {f"{q:g}": _finite(histogram.quantile(q)) for q in LATENCY_QUANTILES}
    return {q: value for q, value in found.items() if value is not None}


def scores_view(scores: ScoreProfile) -> ScoresView:
    """Probabilities, all classes together."""
    total = sum((bins.counts for bins in scores.classes.values()), np.zeros(scores.edges.size + 1))
    return ScoresView(
        count=scores.count,
        mean=_finite(scores.score.mean) if scores.score.count else None,
        predicted=dict(scores.by_predicted()),
        histogram=HistogramView(
            edges=[0.0, *scores.edges.tolist(), 1.0], counts=[float(count) for count in total]
        ),
        outside=scores.outside,
        not_a_number=scores.not_a_number,
    )


def episode_view(episode: EpisodeRecord) -> EpisodeView:
    """An episode with its history, oldest first."""
    alerter = episode.alerter
    condition = alerter.condition
    return EpisodeView(
        id=episode.id,
        entity=alerter.entity,
        summary=episode.summary,
        labels=episode.labels.as_dict(),
        alerter=alerter.name,
        comparator=condition.measure,
        threshold=condition.limit(episode.worst),
        severity=alerter.severity.value,
        breached_since=seconds(episode.since_ns),
        opened=seconds(episode.opened_ns),
        closed=None if episode.closed_ns is None else seconds(episode.closed_ns),
        value=episode.worst,
        reference=condition.reference,
        reference_digest=episode.reference_digest,
        evidence=episode.evidence,
        history=[
            TransitionView(
                at=seconds(transition.at_ns),
                status=cast("Health", transition.status),
                value=transition.value,
                evidence=transition.evidence,
            )
            for transition in episode.history
        ],
    )


def data_type(numbers: int, categories: int) -> DataType:
    """What the cells of a series mostly are: the rule of `FeatureProfile.data_type`."""
    if not numbers and not categories:
        return "empty"
    if numbers and categories and min(numbers, categories) * 10 > max(numbers, categories):
        return "mixed"
    return "number" if numbers >= categories else "category"


def seconds(at_ns: int) -> float:
    """Unix seconds of Unix nanoseconds."""
    return at_ns / NANOSECONDS


def label_values(label_sets: Iterable[Sequence[tuple[str, str]]]) -> dict[str, list[str]]:
    """Every key with all of its values, sorted."""
    values: dict[str, set[str]] = {}
    for pairs in label_sets:
        for key, value in pairs:
            values.setdefault(key, set()).add(value)
    return {key: sorted(found) for key, found in sorted(values.items())}


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
