"""Statistics of a sample that fixed and range alerters name."""

from collections.abc import Callable, Mapping

from nilometer.profile.feature import FeatureProfile
from nilometer.profile.score import ScoreProfile
from nilometer.profile.service import ServiceProfile
from nilometer.profile.summary import Content
from nilometer.values.reasons import StreamEnd

Statistic = Callable[[Content], float | None]


def _quantile(q: float) -> Statistic:
    def quantile(content: Content) -> float | None:
        if not isinstance(content, FeatureProfile) or not content.numbers.moments.count:
            return None
        return float(content.numbers.digest.quantile(q))

    return quantile


def _latency(q: float) -> Statistic:
    def latency(content: Content) -> float | None:
        return content.latency.quantile(q) if isinstance(content, ServiceProfile) else None

    return latency


def _first_byte(q: float) -> Statistic:
    def first_byte(content: Content) -> float | None:
        if not isinstance(content, ServiceProfile):
            return None
        return content.streams.first_byte.quantile(q)

    return first_byte


def _chunk_gap(q: float) -> Statistic:
    def chunk_gap(content: Content) -> float | None:
        if not isinstance(content, ServiceProfile):
            return None
        return content.streams.chunk_gap.quantile(q)

    return chunk_gap


def _broken_streams_ratio(content: Content) -> float | None:
    if not isinstance(content, ServiceProfile) or not content.streams.count:
        return None
    return 1 - content.streams.ends.get(StreamEnd.COMPLETED.value, 0) / content.streams.count


def _in_flight_max(content: Content) -> float | None:
    return float(content.in_flight_max) if isinstance(content, ServiceProfile) else None


def _null_like_ratio(content: Content) -> float | None:
    if not isinstance(content, FeatureProfile) or not content.cells:
        return None
    return content.null_like / content.cells


def _type_error_ratio(content: Content) -> float | None:
    if not isinstance(content, FeatureProfile) or not content.expected or not content.cells:
        return None
    return sum(content.type_errors.values()) / content.cells


def _outside_reference_ratio(content: Content) -> float | None:
    if not isinstance(content, FeatureProfile) or not content.numbers.count:
        return None
    numbers = content.numbers
    return (numbers.below_reference + numbers.above_reference) / numbers.count


def _unseen_ratio(content: Content) -> float | None:
    if not isinstance(content, FeatureProfile) or content.categories.dictionary is None:
        return None
    return content.categories.dictionary.unseen / max(content.categories.total, 1)


def _mean(content: Content) -> float | None:
    if isinstance(content, ScoreProfile):
        return content.score.mean if content.score.count else None
    if not isinstance(content, FeatureProfile) or not content.numbers.moments.count:
        return None
    return content.numbers.moments.mean


def _minimum(content: Content) -> float | None:
    return None if not isinstance(content, FeatureProfile) else content.numbers.digest.min


def _maximum(content: Content) -> float | None:
    return None if not isinstance(content, FeatureProfile) else content.numbers.digest.max


def _missing_ratio(content: Content) -> float | None:
    if not isinstance(content, FeatureProfile) or not content.cells:
        return None
    return content.missing / content.cells


def _non_finite_ratio(content: Content) -> float | None:
    if not isinstance(content, FeatureProfile) or not content.cells:
        return None
    return content.non_finite / content.cells


def _error_ratio(content: Content) -> float | None:
    if not isinstance(content, ServiceProfile) or not content.count:
        return None
    return content.failures / content.count


def _count(content: Content) -> float | None:
    return float(content.count)


COUNT = "count"  # judged however small it is: a minimum would make it blind
CELL_SHARES = frozenset(
    {"missing_ratio", "non_finite_ratio", "null_like_ratio", "type_error_ratio"}
)  # of all cells, not of values

# Unit: that of the feature, or as the name says; ratios 0 to 1, latencies in seconds.
STATISTICS: Mapping[str, Statistic] = {
    COUNT: _count,
    "mean": _mean,
    "min": _minimum,
    "max": _maximum,
    "p01": _quantile(0.01),
    "p05": _quantile(0.05),
    "p50": _quantile(0.5),
    "p95": _quantile(0.95),
    "p99": _quantile(0.99),
    "missing_ratio": _missing_ratio,
    "non_finite_ratio": _non_finite_ratio,
    "null_like_ratio": _null_like_ratio,
    "type_error_ratio": _type_error_ratio,
    "outside_reference_ratio": _outside_reference_ratio,
    "unseen_ratio": _unseen_ratio,
    "error_ratio": _error_ratio,
    "latency_p50_seconds": _latency(0.5),
    "latency_p90_seconds": _latency(0.9),
    "latency_p99_seconds": _latency(0.99),
    "first_byte_p50_seconds": _first_byte(0.5),
    "first_byte_p99_seconds": _first_byte(0.99),
    "chunk_gap_p99_seconds": _chunk_gap(0.99),
    "broken_streams_ratio": _broken_streams_ratio,
    "in_flight_max": _in_flight_max,
}
