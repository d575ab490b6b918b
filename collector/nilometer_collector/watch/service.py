"""Requests as a column, so that errors and latency are judged like features.

The numbers are latencies in seconds, each at the middle of its bucket. The share of failed requests
takes the place of missing cells.
"""

import dataclasses

import numpy as np

from nilometer.alert.calibrated.columns import Column
from nilometer.profile import FeatureProfile, NumericProfile, ReferenceColumn, ServiceProfile
from nilometer.profile.reference import INPUT_BINS
from nilometer.sketch.binned import BinnedCounts, quantile_edges
from nilometer.sketch.moments import Moments

FAILED = "failed"  # name of the share of failed requests


def service_column(summary: str, learned: ServiceProfile) -> Column:
    """Return the column of the requests, with bins from the *learned* requests."""
    shares = np.arange(1, INPUT_BINS) / INPUT_BINS
    found = [learned.latency.quantile(float(share)) for share in shares]
    edges = quantile_edges(np.array([value for value in found if value is not None]))
    feature = service_feature(learned, edges)
    column = Column.of(summary, ReferenceColumn(feature=feature, edges=edges))
    failed, *others = column.rates
    rates = (dataclasses.replace(failed, name=FAILED), *others)
    return dataclasses.replace(column, rates=rates)


def service_feature(service: ServiceProfile, edges: tuple[float, ...]) -> FeatureProfile:
    """Return the requests as a feature counted on *edges*."""
    latency = service.latency
    buckets = latency.positive
    places = buckets.offset + np.arange(len(buckets.counts)) + 0.5
    values = np.concatenate([[0.0], np.power(latency.base, places)])
    fast = latency.count - buckets.total
    weights = np.array([fast, *buckets.counts], np.float64)
    numbers = NumericProfile(
        moments=Moments(count=latency.count),
        binned=BinnedCounts.of_weighted(values, weights, edges),
    )
    cells = max(service.count - service.failures, 0)
    return FeatureProfile(missing=service.failures, types={"number": cells}, numbers=numbers)
