"""Statistics of a sample that fixed and range alerters name."""

from collections.abc import Callable, Mapping

from nilometer.profile.feature import FeatureProfile
from nilometer.profile.service import ServiceProfile
from nilometer.profile.summary import Content

Statistic = Callable[[Content], float | None]


def _quantile(q: float) -> Statistic:
    def quantile(content: Content) -> float | None:
        if isinstance(content, ServiceProfile) or not content.numbers.moments.count:
            return None
        return float(content.numbers.digest.quantile(q))

    return quantile


def _latency(q: float) -> Statistic:
    def latency(content: Content) -> float | None:
        return content.latency.quantile(q) if isinstance(content, ServiceProfile) else None

    return latency


def _mean(content: Content) -> float | None:
    if isinstance(content, ServiceProfile) or not content.numbers.moments.count:
        return None
    return content.numbers.moments.mean


def _minimum(content: Content) -> float | None:
    return None if isinstance(content, ServiceProfile) else content.numbers.digest.min


def _maximum(content: Content) -> float | None:
    return None if isinstance(content, ServiceProfile) else content.numbers.digest.max


def _missing_ratio(content: Content) -> float | None:
    if isinstance(content, ServiceProfile) or not content.cells:
        return None
    return content.missing / content.cells


def _non_finite_ratio(content: Content) -> float | None:
    if isinstance(content, ServiceProfile) or not content.cells:
        return None
    return content.non_finite / content.cells


def _error_ratio(content: Content) -> float | None:
    if isinstance(content, FeatureProfile) or not content.count:
        return None
    return content.failures / content.count


def _count(content: Content) -> float | None:
    return float(content.count)


COUNT = "count"  # judged however small it is: a minimum would make it blind
CELL_SHARES = frozenset({"missing_ratio", "non_finite_ratio"})  # of all cells, not of values

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
    "error_ratio": _error_ratio,
    "latency_p50_seconds": _latency(0.5),
    "latency_p90_seconds": _latency(0.9),
    "latency_p99_seconds": _latency(0.99),
}
