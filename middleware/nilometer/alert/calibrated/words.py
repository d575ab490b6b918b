"""Sentences about drifts: which summary moved, how far, its noise, and since when."""

from collections.abc import Sequence

from nilometer.alert.calibrated.effects import Effect, Unit
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.expected_errors import ESTIMATED
from nilometer.alert.calibrated.service import FAILED
from nilometer.values.entity import FIRST_TOKEN, PER_TOKEN, SERVICE, is_of_service
from nilometer.values.reasons import StreamEnd
from nilometer.values.times import time_text

MOST_NAMED = 5  # most further summaries that a sentence names

UNITS = {
    Unit.DEVIATIONS: "sd",
    Unit.SHAPE: "chi-square a row",
    Unit.SHARE: "",
}
_SHARES = {  # names of shares of requests and streams, by component
    FAILED: "share of failed requests",
    f"= {StreamEnd.CLIENT_LEFT.value}": "share of streams that the client left",
    f"= {StreamEnd.ERROR.value}": "share of streams that ended with an error",
    f"= {StreamEnd.CUT.value}": "share of streams without their end marker",
    f"= {StreamEnd.STALLED.value}": "share of stalled streams",
}
_TIMES = {  # what the numbers of a summary of the service are
    SERVICE: "latency",
    FIRST_TOKEN: "time to the first token",
    PER_TOKEN: "time per output token",
}
_SIDES = {1: "above", -1: "below"}
BLIND = "; this is an estimate from scores, which does not see concept drift"


def drift_sentence(
    summary: str,
    labels: str,
    component: str,
    direction: int,
    effect: Effect | None,
    tolerance: float,
    onset_ns: int,
    usual: float | None = None,
) -> str:
    """Return a sentence on what moved, how far, its noise, and since when.

    Args:
        summary: Name of the summary.
        labels: Label set; empty for all traffic.
        component: Component that moved.
        direction: 1 for a rise, -1 for a fall.
        effect: Effect since the onset; None if no window was judged.
        tolerance: Tolerance in the unit of the effect.
        onset_ns: Estimated start of the drift, Unix nanoseconds.
        usual: Usual share, for performance and service; None for other summaries.
    """
    named = _SHARES.get(component, component) if is_of_service(summary) else component
    what = f"the {named} of {summary}{where(labels)}"
    since = f"since {time_text(onset_ns)}"
    if effect is None:
        return f"{what} is {_SIDES[direction]} normal {since}"
    unit = effect.unit
    if usual is not None:
        now = usual + direction * effect.value
        return (
            f"{what} is {percent(now)} (usual {percent(usual)}, \u00b1 {percent(effect.noise)}) "
            f"{since}: at least {points(effect.bound)} {_SIDES[direction]} usual, tolerance "
            f"{points(tolerance)}, {effect.windows} windows with {effect.rows:.0f} rows"
            f"{BLIND if component == ESTIMATED else ''}"
        )
    return (
        f"{what} is {amount(effect.value, unit)} {_SIDES[direction]} normal {since}: at least "
        f"{amount(effect.bound, unit)}, noise {amount(effect.noise, unit)}, tolerance "
        f"{amount(tolerance, unit)}, {effect.windows} windows with {effect.rows:.0f} rows"
    )


def has_usual_share(summary: str, component: str) -> bool:
    """Return whether *component* is a share of requests or streams, told with its usual value."""
    return is_of_service(summary) and component in _SHARES


def has_times(summary: str, component: str) -> bool:
    """Return whether *component* is about the times of a service."""
    return summary in _TIMES and component not in _SHARES


def medians_clause(summary: str, before: float | None, since: float | None) -> str:
    """Return how the median time of a service's *summary* changed; empty if it is unknown.

    Args:
        summary: Summary of times.
        before: Median in the day before the drift, in seconds.
        since: Median since the drift began, in seconds.
    """
    if before is None or since is None:
        return ""
    return (
        f"; the median {_TIMES[summary]} was {seconds_text(before)} in the day before, and is "
        f"{seconds_text(since)} since"
    )


def seconds_text(seconds: float) -> str:
    """Return *seconds* with three digits, below one second as milliseconds."""
    return f"{seconds:.3g} s" if seconds >= 0.9995 else f"{1000 * seconds:.3g} ms"


def opening_sentence(evidence: str, others: Sequence[PartKey]) -> str:
    """Return the sentence of an episode.

    Args:
        evidence: Sentence of its leading part.
        others: Its other parts, the largest effect first.
    """
    if not others:
        return evidence
    names = list(dict.fromkeys(f"{one.summary}{where(str(one.labels))}" for one in others))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{evidence}; also {', '.join(names[:MOST_NAMED])}{more}"


def percent(share: float) -> str:
    """Return *share* as percent with one decimal."""
    return f"{100 * share:.1f} %"


def points(share: float) -> str:
    """Return a difference of shares in percentage points with one decimal."""
    return f"{100 * share:.1f} points"


def amount(value: float, unit: Unit) -> str:
    """Return *value* with its unit; shares as percent."""
    if unit is Unit.SHARE:
        return f"{_figure(100 * value)} %"
    return f"{_figure(value)} {UNITS[unit]}"


def _figure(value: float) -> str:
    """Return two digits of *value*, and all of those before the point: 100, not 1e+02."""
    return f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"


def where(labels: str) -> str:
    """Return a label set in brackets, after a space; empty for all traffic."""
    return f" [{labels}]" if labels else ""
