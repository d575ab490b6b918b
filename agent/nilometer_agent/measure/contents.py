"""The series of each content type: a table with one row for each type."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nilometer.export.contents import distribution_of, quantiles_of, scores_of
from nilometer.export.genai import genai
from nilometer.export.keys import (
    FATE,
    GEN_AI_TOKEN_TYPE,
    MEASURE,
    OUTCOME,
    PREDICTED,
    QUANTILE,
    REASON,
    SIDE,
    SUMMARY,
)
from nilometer.export.series import Attributes, Distribution, Series
from nilometer.export.server_metrics import (
    GEN_AI_TOKENS,
    REQUEST_DURATION,
    REQUEST_SIZE,
    RESPONSE_SIZE,
)
from nilometer.export.telemetry import (
    FEATURE_CELLS,
    FEATURE_MISSING,
    FEATURE_QUANTILE,
    FEATURE_VALUE,
    LOGGED_SAMPLES,
    LOGGED_VALUE,
    LOST_SIDES,
    OBSERVATIONS,
    REQUESTS,
    SCORE_VALUE,
    UNNAMED_CELLS,
    UNREAD_TIMES,
)
from nilometer.kinds import CONTENT_KINDS, LOGGED_KINDS, ContentKind
from nilometer.profile import Content, FeatureProfile, ScoreProfile, ServiceProfile, SummarySample
from nilometer_agent.measure.attributes import model_attributes, with_more
from nilometer_agent.measure.websockets import add_connections

COUNT = "count"  # statistic that every content has

C = TypeVar("C", bound=Content)

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class Committed:
    """Destination of the series of committed samples.

    Attributes:
        series: All series of the agent.
        counted: Whether the requests of the samples were already counted one by one.
        see_in_flight: Function that receives the highest number of requests in flight of a sample.
    """

    series: Series
    counted: bool
    see_in_flight: Callable[[SummarySample, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSeries(Generic[C]):
    """Functions that export the samples of one content type.

    Attributes:
        add: Function that adds a committed sample; its attributes say where it was measured.
        set: Function that sets gauges from the newest closed window at a monotonic time; None
            without gauges.
        requests: Function that returns the requests for `Status`; None if the type has none.
    """

    add: Callable[[Committed, SummarySample, C, Attributes], None]
    set: Callable[[Series, SummarySample, C, Attributes, float], None] | None = None
    requests: Callable[[C], ServiceProfile] | None = None


def _add_feature(
    to: Committed, sample: SummarySample, feature: FeatureProfile, at: Attributes
) -> None:
    here = with_more(at, {SUMMARY: sample.summary})
    for kind, count in feature.types.items():
        to.series.add(FEATURE_CELLS, with_more(here, {FATE: kind}), count)
    if feature.missing:
        to.series.add(FEATURE_CELLS, with_more(here, {FATE: "missing"}), feature.missing)
    distribution = distribution_of(feature)
    if distribution is None:
        return
    to.series.merge(FEATURE_VALUE, here, distribution)
    token = genai().tokens.get(sample.summary)
    if token:
        told = {**model_attributes(sample.entity, "chat"), GEN_AI_TOKEN_TYPE: token}
        to.series.merge(GEN_AI_TOKENS, with_more(at, told), distribution)


def _set_feature(
    series: Series, sample: SummarySample, feature: FeatureProfile, at: Attributes, now: float
) -> None:
    here = with_more(at, {SUMMARY: sample.summary})
    for q, value in quantiles_of(feature).items():
        series.set(FEATURE_QUANTILE, with_more(here, {QUANTILE: q}), value, now)
    if feature.cells:
        series.set(FEATURE_MISSING, here, feature.missing / feature.cells, now)


def _add_scores(to: Committed, sample: SummarySample, scores: ScoreProfile, at: Attributes) -> None:
    here = with_more(at, {SUMMARY: sample.summary})
    for predicted, binned in scores_of(scores).items():
        to.series.merge(SCORE_VALUE, with_more(here, {PREDICTED: predicted}), binned)


def _add_service(
    to: Committed, sample: SummarySample, service: ServiceProfile, at: Attributes
) -> None:
    if not to.counted:
        _add_requests(to, sample, service, at)
    coverage = sample.coverage
    for fate, count in (("profiled", coverage.profiled), ("sampled_out", coverage.sampled_out)):
        if count:
            to.series.add(OBSERVATIONS, with_more(at, {FATE: fate}), count)
    for fate, counts in (("dropped", coverage.dropped), ("undecodable", coverage.undecodable)):
        for reason, count in counts.items():
            to.series.add(OBSERVATIONS, with_more(at, {FATE: fate, REASON: reason}), count)
    for side, counts in (("inputs", coverage.lost_inputs), ("outputs", coverage.lost_outputs)):
        for reason, count in counts.items():
            to.series.add(LOST_SIDES, with_more(at, {SIDE: side, REASON: reason}), count)
    if coverage.unread_times:
        to.series.add(UNREAD_TIMES, at, coverage.unread_times)
    for kind, count in coverage.unnamed.items():
        to.series.add(UNNAMED_CELLS, with_more(at, {FATE: kind}), count)


def _add_requests(
    to: Committed, sample: SummarySample, service: ServiceProfile, at: Attributes
) -> None:
    if service.websockets.count:
        add_connections(to.series, at, service.websockets)
    if service.in_flight_max:
        to.see_in_flight(sample, service.in_flight_max)
    for metric, histogram, total in (
        (REQUEST_DURATION, service.latency, service.latency_sum),
        (REQUEST_SIZE, service.request_bytes, service.request_bytes_sum),
        (RESPONSE_SIZE, service.response_bytes, service.response_bytes_sum),
    ):
        if histogram.count:
            to.series.merge(metric, at, Distribution(histogram, total))
    streams, names = service.streams, genai().measures
    generated = with_more(at, model_attributes(sample.entity, "chat"))
    for measure, histogram, total in (
        ("first_token", streams.first_token, streams.first_token_sum),
        ("first_reasoning", streams.first_reasoning, streams.first_reasoning_sum),
        ("per_token", streams.per_token, streams.per_token_sum),
    ):
        if histogram.count:
            to.series.merge(names[measure], generated, Distribution(histogram, total))
    for outcome, count in service.outcomes.items():
        to.series.add(REQUESTS, with_more(at, {OUTCOME: outcome}), count)


def _add_logged(to: Committed, sample: SummarySample, content: Content, at: Attributes) -> None:
    to.series.add(LOGGED_SAMPLES, with_more(at, {SUMMARY: sample.summary}), content.count)


def _set_logged(
    series: Series, sample: SummarySample, content: Content, at: Attributes, now: float
) -> None:
    for name, statistic in type(content).statistics().items():
        value = None if name == COUNT else statistic(content)  # `LOGGED_SAMPLES` has the count
        if value is not None:
            here = with_more(at, {SUMMARY: sample.summary, MEASURE: name})
            series.set(LOGGED_VALUE, here, value, now)


def _itself(service: ServiceProfile) -> ServiceProfile:
    return service


def _nothing(to: Committed, sample: SummarySample, content: Content, at: Attributes) -> None:
    """Add no series, for a content type without any."""


# Rows by kind of content. The functions of a row accept only the content type of its kind.
CONTENT_SERIES: dict[str, ContentSeries[Any]] = {
    FeatureProfile.kind: ContentSeries(add=_add_feature, set=_set_feature),
    ServiceProfile.kind: ContentSeries(add=_add_service, requests=_itself),
    ScoreProfile.kind: ContentSeries(add=_add_scores),
    **dict.fromkeys(LOGGED_KINDS, ContentSeries(add=_add_logged, set=_set_logged)),
}


def series_of(content: Content) -> ContentSeries[Any]:
    """Return the series of *content*, a built-in or registered content type."""
    return CONTENT_SERIES.get(content.kind) or _of_outside(CONTENT_KINDS[content.kind])


def log_missing_series() -> None:
    """Log each registered content type whose samples the agent does not export."""
    for name, kind in CONTENT_KINDS.items():
        if kind.series is None and kind.gauges is None:
            log.info(
                "content type not exported as metrics: register series or gauges for it",
                extra={"kind": name},
            )


def _of_outside(kind: ContentKind[C]) -> ContentSeries[C]:
    series = kind.series
    if series is None:
        return ContentSeries(add=_nothing, set=kind.gauges)
    return ContentSeries(
        add=lambda to, sample, content, at: series(to.series, sample, content, at), set=kind.gauges
    )
