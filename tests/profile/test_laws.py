from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import laws, strategies
from support.laws import Law, Subject, bits, sorted_items

from nilometer.profile import Bounds, Coverage, FeatureProfile, FeatureSpec, ServiceProfile
from nilometer.wire.contents.feature import feature_from_wire, feature_to_wire
from nilometer.wire.contents.service import service_from_wire, service_to_wire
from nilometer.wire.coverage import coverage_from_wire, coverage_to_wire

BINNED = FeatureSpec(bounds=Bounds(edges=(-1.0, 0.0, 2.5)), readable=True)


def read_counters(f: FeatureProfile) -> Any:
    """What is exact, however the column was cut."""
    return (
        (f.missing, f.numbers.nan, f.numbers.positive_infinity, f.numbers.negative_infinity),
        sorted_items(f.types),
        f.numbers.histogram,
        f.numbers.binned,
        (f.numbers.zero, f.numbers.negative, f.null_like, f.categories.dictionary),
        (f.numbers.below_reference, f.numbers.above_reference),
        (f.numbers.moments.count, f.categories.total, f.numbers.digest.count, f.cells, f.count),
        None if f.distinct is None else f.distinct.registers.tobytes(),
    )


def read_feature(f: FeatureProfile) -> Any:
    means, weights, atoms = f.numbers.digest.centroids()
    m, c = f.numbers.moments, f.categories.frequent
    return (
        *read_counters(f),
        bits(m.mean, m.m2, m.m3, m.m4),
        (
            means.tobytes(),
            weights.tobytes(),
            atoms.tobytes(),
            f.numbers.digest.min,
            f.numbers.digest.max,
        ),
        (sorted_items(c.counts), sorted_items(c.errors), c.total, c.capacity),
    )


def read_travelling(f: FeatureProfile) -> Any:
    """All but the centroids' means, which are rounded, and bins, whose edges stay at home."""
    _, weights, atoms = f.numbers.digest.centroids()
    m, c = f.numbers.moments, f.categories.frequent
    counters = list(read_counters(f))
    counters[3] = None
    return (
        *counters,
        bits(m.mean, m.m2, m.m3, m.m4),
        (weights.tobytes(), atoms.tobytes(), f.numbers.digest.min, f.numbers.digest.max),
        (sorted_items(c.counts), sorted_items(c.errors), c.total, c.capacity),
    )


def read_service(s: ServiceProfile) -> Any:
    return (
        sorted_items(s.outcomes),
        sorted_items(s.statuses),
        (s.latency, s.request_bytes, s.response_bytes),
        (s.latency_sum, s.request_bytes_sum, s.response_bytes_sum),
        (s.in_flight_max, s.streams),
    )


def coverage_of(observed: list[Coverage]) -> Coverage:
    total = Coverage()
    for coverage in observed:
        total = total.merge(coverage)
    return total


def read_coverage(c: Coverage) -> Any:
    by_reason = (c.dropped, c.undecodable, c.lost_inputs, c.lost_outputs, c.unnamed, c.lost_cells)
    return c.seen, c.profiled, c.sampled_out, *map(sorted_items, by_reason)


# Numbers whose powers do not overflow; test_feature has every float.
calm_cells: st.SearchStrategy[Any] = (
    st.integers(-(10**6), 10**6)
    | st.floats(-1e6, 1e6)
    | st.sampled_from([None, True, False, float("nan"), float("inf"), [1], {}, b"", "a", 10**400])
    | st.text("abc", max_size=2)
)
# More names than heavy hitters are kept, in parts that are all categories.
names = st.lists(st.integers(0, 300).map("name-{}".format), max_size=150)


def feature_subject(name: str, streams: st.SearchStrategy[list[Any]], spec: FeatureSpec) -> Any:
    return Subject(
        name=name,
        of=lambda cells: strategies.feature_of(cells, spec),
        streams=streams,
        merge=FeatureProfile.merge,
        merge_all=FeatureProfile.merge_all,
        count=lambda feature: feature.cells,
        content=read_feature,
        exact=read_counters,
        round_trip=lambda feature: feature_from_wire(feature_to_wire(feature)),
        travels=read_travelling,
    )


SUBJECTS: list[Subject[Any]] = [
    feature_subject("feature", st.lists(calm_cells, max_size=30), BINNED),
    feature_subject("feature without a spec", st.lists(calm_cells, max_size=30), FeatureSpec()),
    feature_subject("feature of many names", names, BINNED),
    Subject(
        name="service",
        of=strategies.service_of,
        streams=strategies.requests,
        merge=ServiceProfile.merge,
        count=lambda service: service.count,
        content=read_service,
        exact=read_service,
        round_trip=lambda service: service_from_wire(service_to_wire(service)),
    ),
    Subject(
        name="coverage",
        of=coverage_of,
        streams=st.lists(strategies.coverages, max_size=4),
        merge=Coverage.merge,
        count=lambda coverage: coverage.seen,
        size=lambda observed: sum(coverage.seen for coverage in observed),
        content=read_coverage,
        exact=read_coverage,
        round_trip=lambda coverage: coverage_from_wire(coverage_to_wire(coverage)),
    ),
]


@pytest.mark.parametrize(("subject", "law"), [*laws.cases(SUBJECTS)], ids=laws.case_name)
@strategies.few
@given(data=st.data())
def test_a_profile_obeys(subject: Subject[Any], law: Law, data: st.DataObject) -> None:
    law(subject, data)
