"""Requests as columns, so that errors, times and streams are judged like features.

The samples of ``service`` hold several columns. The requests are one: their numbers are latencies
in seconds, and the share of failed requests takes the place of missing cells. The times to the
first token, the times per output token, and the ends of streams are columns of their own. Numbers
are placed at the middle of their buckets, which are 2.2 % wide.

Recorded traffic can be replayed in the time of the recording. Its latencies are those of the
replay, in which a week may take a minute. They say nothing about the hours of their windows, and
days of the recording are not repetitions of each other. So times of a replay are not judged.
"""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from nilometer.alert.calibrated.columns import Column, Floats, Rate, Total
from nilometer.profile import (
    Content,
    FeatureProfile,
    NumericProfile,
    ReferenceColumn,
    ServiceProfile,
)
from nilometer.profile.reference import INPUT_BINS
from nilometer.sketch.binned import BinnedCounts, quantile_edges
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.sketch.moments import Moments
from nilometer.values.entity import FIRST_TOKEN, PER_TOKEN, SERVICE, STREAM_ENDS
from nilometer.values.reasons import StreamEnd

FAILED = "failed"  # name of the share of failed requests
LEAST_OF_STREAMS = 100  # fewest times or streams from which bins are learned

# The ends of a stream whose shares are judged, by the name of the share.
BROKEN: Mapping[str, StreamEnd] = {
    f"= {end.value}": end for end in StreamEnd if end is not StreamEnd.COMPLETED
}


def service_column(
    summary: str, learned: ServiceProfile, *, is_replay: bool = False
) -> Column | None:
    """Return the column of *summary*, with bins from the *learned* requests; None without enough.

    Args:
        summary: ``service``, or one of `nilometer.values.entity.SERVICE_PARTS`.
        learned: Requests of the first windows.
        is_replay: Whether the requests were sent long after their windows. Then times are left out.
    """
    if summary == STREAM_ENDS:
        return _column_of_ends(learned)
    if is_replay:
        return _column_of_failures(learned) if summary == SERVICE else None
    times = times_of(summary, learned)
    least = 1 if summary == SERVICE else LEAST_OF_STREAMS
    if times.count < least:
        return None
    shares = np.arange(1, INPUT_BINS) / INPUT_BINS
    found = [times.quantile(float(share)) for share in shares]
    edges = quantile_edges(np.array([value for value in found if value is not None]))
    feature = _feature(summary, learned, edges)
    column = Column.of(summary, ReferenceColumn(feature=feature, edges=edges))
    if summary != SERVICE:
        return column
    failed, *others = column.rates
    rates = (dataclasses.replace(failed, name=FAILED), *others)
    return dataclasses.replace(column, rates=rates)


def service_vector(column: Column, service: ServiceProfile) -> Floats:
    """Return the counts of *service* for a *column* of `service_column`."""
    if column.summary == STREAM_ENDS:
        ends = service.streams.ends
        broken = [ends.get(end.value, 0) for end in BROKEN.values()]
        totals = [0.0] * len(Total)
        totals[Total.CELLS] = service.streams.count
        return np.array([*broken, *totals], np.float64)
    if is_without_times(column):
        totals = [0.0] * len(Total)
        totals[Total.CELLS] = service.count
        return np.array([service.failures, *totals], np.float64)
    return column.vector(_feature(column.summary, service, column.edges))


def is_without_times(column: Column) -> bool:
    """Return whether *column* holds the requests of a replay, whose times are not judged."""
    return column.summary == SERVICE and not column.edges


def times_of(summary: str, service: ServiceProfile) -> ExponentialHistogram:
    """Return the times in seconds that *summary* is about; the latencies for `SERVICE`."""
    if summary == FIRST_TOKEN:
        return service.streams.first_token
    return service.streams.per_token if summary == PER_TOKEN else service.latency


def median_of(summary: str, contents: Iterable[Content]) -> float | None:
    """Return the median of the times of *summary* in *contents*, in seconds; None without any."""
    services = [content for content in contents if isinstance(content, ServiceProfile)]
    return times_of(summary, ServiceProfile.merge_all(services)).quantile(0.5)


def _column_of_failures(learned: ServiceProfile) -> Column | None:
    """Return the share of failed requests."""
    if not learned.count:
        return None
    rates = (Rate(FAILED, Total.CELLS, learned.failures / learned.count),)
    return Column(summary=SERVICE, shares=np.zeros(0), rates=rates, rows=float(learned.count))


def _column_of_ends(learned: ServiceProfile) -> Column | None:
    """Return the shares of streams that broke, of which only a rise is judged."""
    streams = learned.streams
    if streams.count < LEAST_OF_STREAMS:
        return None
    rates = tuple(
        Rate(name, Total.CELLS, streams.ends.get(end.value, 0) / streams.count, rises_only=True)
        for name, end in BROKEN.items()
    )
    rows = float(streams.count)
    return Column(summary=STREAM_ENDS, shares=np.zeros(0), rates=rates, rows=rows)


def _feature(summary: str, service: ServiceProfile, edges: tuple[float, ...]) -> FeatureProfile:
    """Return the times of *summary* as a feature counted on *edges*."""
    times = times_of(summary, service)
    buckets = times.positive
    places = buckets.offset + np.arange(len(buckets.counts)) + 0.5
    values = np.concatenate([[0.0], np.power(times.base, places)])
    fast = times.count - buckets.total
    weights = np.array([fast, *buckets.counts], np.float64)
    numbers = NumericProfile(
        moments=Moments(count=times.count),
        binned=BinnedCounts.of_weighted(values, weights, edges),
    )
    if summary != SERVICE:
        return FeatureProfile(types={"number": times.count}, numbers=numbers)
    cells = max(service.count - service.failures, 0)
    return FeatureProfile(missing=service.failures, types={"number": cells}, numbers=numbers)
