"""Series, their differences, and what is read from profiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.export.contents import distribution_of
from nilometer.export.metric import sanitised
from nilometer.export.series import (
    OVERFLOW_SERIES,
    Differences,
    Distribution,
    Exemplar,
    Family,
    Point,
    Series,
    attributes_of,
    power_above,
)
from nilometer.export.telemetry import FEATURE_MISSING, FEATURE_VALUE, METRICS, REQUESTS
from nilometer.profile import FeatureProfile, FeatureSpec
from nilometer.profile.numeric import Bounds
from nilometer.profile.recorder import FeatureRecorder
from nilometer.sketch.exponential import ExponentialHistogram

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
STREAMS = st.lists(FINITE, max_size=60)


def histogram_of(values: list[float]) -> ExponentialHistogram:
    return ExponentialHistogram.of(np.array(values, dtype=np.float64))


def total_of(series: Series) -> int:
    return sum(
        point.value.histogram.count
        for family in series.families()
        for point in family.points
        if isinstance(point.value, Distribution)
    )


@given(STREAMS, STREAMS)
def test_a_difference_and_what_was_before_add_up(first: list[float], second: list[float]) -> None:
    before = Distribution(histogram_of(first), float(sum(first)))
    now = before.merge(Distribution(histogram_of(second), float(sum(second))))
    since = now.since(before)
    assert since.histogram.count == len(second)
    assert since.histogram.merge(before.histogram) == now.histogram.merge(ExponentialHistogram())
    assert all(count >= 0 for count in since.histogram.positive.counts)


@given(STREAMS)
def test_a_sum_is_told_only_where_no_value_is_negative(values: list[float]) -> None:
    told = Distribution(histogram_of(values), float(sum(values))).sum is not None
    assert told == all(value >= 0 for value in values)


def test_a_series_that_stands_still_gives_no_difference() -> None:
    differences = Differences()
    family = Family(REQUESTS, (Point((), 5),))
    assert differences.of([family])[0].points == (Point((), 5),)
    assert differences.of([family]) == []
    grown = Family(REQUESTS, (Point((), 7),))
    assert differences.of([grown])[0].points == (Point((), 2),)


def test_what_is_over_the_limit_goes_to_one_series_where_it_adds_up() -> None:
    series = Series(limit=3)
    for number in range(10):
        series.merge(
            FEATURE_VALUE, attributes_of({"n": number}), Distribution(histogram_of([1.0]), 1.0)
        )
        series.set(FEATURE_MISSING, attributes_of({"n": number}), 0.5)
    values, missing = series.families()
    assert len(values.points) == len(missing.points) == 3
    assert values.points[-1].attributes == OVERFLOW_SERIES
    assert total_of(series) == 10
    assert series.overflowed == 8 + 7


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", False),
        ("00-4bf9-00f067aa0ba902b7-01", False),
        ("", False),
        ("-" * 60, False),
    ],
)
def test_only_a_sampled_trace_is_an_exemplar(header: str, *, taken: bool) -> None:
    assert (Exemplar.of(1.0, 1, header) is not None) == taken


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_the_power_above_is_the_smallest(value: float) -> None:
    power = power_above(value)
    assert 2.0 ** (power - 1) < value <= 2.0**power


def test_a_feature_is_exported_as_it_is_stored_with_a_reference_and_without() -> None:
    for bounds in (None, Bounds(edges=(0.0, 1.5))):
        recorder = FeatureRecorder(FeatureSpec(bounds=bounds))
        recorder.observe([1.0, 2.0, -3.0, 0.0])
        feature = recorder.profile()
        found = distribution_of(feature)
        assert found is not None
        assert found.histogram == feature.numbers.histogram
        assert (found.histogram.count, found.histogram.zero_count) == (4, 1)
    assert distribution_of(FeatureProfile()) is None


def test_names_follow_the_translation_rules() -> None:
    names = {metric.name: metric.prometheus for metric in METRICS}
    assert names["http.server.request.duration"] == "http_server_request_duration_seconds"
    assert names["http.server.request.body.size"] == "http_server_request_body_size_bytes"
    assert names["http.server.active_requests"] == "http_server_active_requests"
    assert names["nilometer.requests"] == "nilometer_requests_total"
    assert names["nilometer.feature.missing"] == "nilometer_feature_missing_ratio"
    assert names["process.cpu.time"] == "process_cpu_time_seconds_total"
    assert sanitised("1.a..b") == "_1_a_b"
    assert len(set(names.values())) == len(METRICS)
