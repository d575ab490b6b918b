"""Arguments of the client's methods as query parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.client.request import Parameters
from nilometer.client.spans import Duration, LabelValues, Span, Time, label_parameters, step_of
from nilometer.values.clock import Clock
from nilometer.values.errors import ConfigError

WILDCARDS = frozenset("*?[")  # characters of patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The values of each point.

    Attributes:
        quantiles: Quantiles, each 0 to 1.
        cdf: Numbers for which the share of values up to them is returned.
        statistics: Names of statistics, as alerters use them.
        moments: Whether to return mean, deviation, skewness, kurtosis and extremes.
        rates: Whether to return observations per second and every share.
        reference: Name of a reference to return distances from; None for no distances.
        comparators: Names of these distances; empty for ``psi`` and ``ks``.
    """

    quantiles: Sequence[float] = ()
    cdf: Sequence[float] = ()
    statistics: str | Sequence[str] = ()
    moments: bool = False
    rates: bool = False
    reference: str | None = None
    comparators: str | Sequence[str] = ()

    def parameters(self) -> Parameters:
        """Return the query parameters."""
        found = [("quantile", repr(float(q))) for q in self.quantiles]
        found += [("cdf", repr(float(value))) for value in self.cdf]
        found += [("statistic", name) for name in several(self.statistics)]
        shown = (("moments", self.moments), ("rates", self.rates))
        found += [("show", name) for name, wanted in shown if wanted]
        if self.reference is not None:
            found.append(("reference", self.reference))
        elif self.comparators:
            raise ConfigError("comparators: need a reference")
        found += [("comparator", name) for name in several(self.comparators)]
        return found


def several(words: str | Sequence[str]) -> Sequence[str]:
    """Return *words* as a sequence; one word may be given without one."""
    return [words] if isinstance(words, str) else words


def exact_name(summary: str) -> str:
    """Return the name of one summary.

    Raises:
        ConfigError: If it is empty or a pattern.
    """
    if not summary or WILDCARDS.intersection(summary):
        raise ConfigError(f"summary = {summary!r}: must be one name: use `query` for a pattern")
    return summary


def span_parameters(
    clock: Clock,
    *,
    last: Duration | None,
    start: Time | None,
    end: Time | None,
    step: Duration | None,
    is_divided: bool,
) -> Parameters:
    """Return the query parameters of a span; if *is_divided*, it always has a step.

    Raises:
        ConfigError: If an argument is not allowed.
    """
    span = Span.of(clock, last, start, end)
    if step is not None:
        return span.parameters(step_of(step))
    return span.parameters(span.step(clock) if is_divided else None)


def selection(
    summaries: str | Sequence[str],
    labels: LabelValues | None,
    not_labels: LabelValues | None,
    by: str | Sequence[str],
) -> Parameters:
    """Return the query parameters that select and group series."""
    return [
        *(("summary", name) for name in several(summaries)),
        *label_parameters("label", labels),
        *label_parameters("not_label", not_labels),
        *(("by", key) for key in several(by)),
    ]
