"""The recent course of a summary as one line of bars, for messages."""

from collections.abc import Mapping, Sequence

from nilometer.profile import Content
from nilometer.values.entity import FIRST_TOKEN, PER_TOKEN, SERVICE, STREAM_ENDS
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.samples import merged_sample_from_bytes
from nilometer_collector.store import Level, SeriesRecord, Store

BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
NO_VALUE = " "
STEPS = 24  # steps of five minutes: two hours
MOST_SAMPLES = 2000

_STATISTICS: Mapping[str, str] = {"missing": "missing_ratio"}  # by component; others show the mean
_OF_SERVICE: Mapping[str, str] = {
    SERVICE: "error_ratio",
    FIRST_TOKEN: "first_token_p50_seconds",
    PER_TOKEN: "per_token_p50_seconds",
    STREAM_ENDS: "broken_streams_ratio",
}


def sparkline(store: Store, series: SeriesRecord, summary: str, component: str, end_ns: int) -> str:
    """Return the course of *series* up to *end_ns*, one bar for five minutes; empty if unknown.

    Args:
        store: Store of samples.
        series: Summary and label set.
        summary: Summary that drifted, whose figures the samples of *series* hold.
        component: Component that drifted; it decides which statistic is shown.
        end_ns: End of the last step, Unix nanoseconds.
    """
    length_ns = Level.FIVE_MINUTES.length_ns
    last = Window.containing(max(end_ns - 1, 0), length_ns)
    start_ns = last.end_ns - STEPS * length_ns
    if start_ns < 0:
        return ""
    steps: dict[int, list[bytes]] = {}
    found = store.samples.read([series], start_ns, last.end_ns, MOST_SAMPLES, Level.FIVE_MINUTES)
    for stretch in found:
        for at_ns, payload in zip(stretch.starts, stretch.payloads, strict=True):
            steps.setdefault((at_ns - start_ns) // length_ns, []).append(payload)
    name = _OF_SERVICE.get(summary) or _STATISTICS.get(component, "mean")
    values = [_value(steps[step], last, name) if step in steps else None for step in range(STEPS)]
    return bars_of(values)


def bars_of(values: Sequence[float | None]) -> str:
    """Return one bar for each of *values*, from the smallest to the largest; empty without two."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, span = min(known), max(known) - min(known)
    if not span:
        return "".join(NO_VALUE if value is None else BARS[0] for value in values)
    top = len(BARS) - 1
    return "".join(
        NO_VALUE if value is None else BARS[round((value - low) / span * top)] for value in values
    )


def _value(payloads: Sequence[bytes], window: Window, name: str) -> float | None:
    try:
        content: Content = merged_sample_from_bytes(payloads, window, Labels()).content
    except ValueError:  # samples of two types do not merge; the line has a gap there
        return None
    statistic = content.statistics().get(name)
    return None if statistic is None else statistic(content)
