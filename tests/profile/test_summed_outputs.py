"""Which output is summed, and in which unit, depends on the reference and the settings only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.profile import Bounds, Dictionary, FeatureProfile, FeatureSpec, ReferenceColumn
from nilometer.profile.bin_sums import MAX_BITS, MAX_UNITS
from nilometer.profile.summed_outputs import SummedOutputs


def test_a_score_goes_before_a_number_and_a_number_before_classes() -> None:
    number = ReferenceColumn(feature=FeatureProfile(), edges=(1.0, 2.0))
    classes = ReferenceColumn(feature=FeatureProfile(), dictionary=Dictionary(("a", "b")))
    columns = {"input.x": number, "output.a": classes, "output.c": number, "output.b": number}
    assert SummedOutputs().of([{}, columns]) == {"output.b"}
    assert SummedOutputs(scores=frozenset({"output.c"})).of([columns]) == {"output.c"}
    assert SummedOutputs().of([{"output.a": classes}]) == {"output.a"}
    assert SummedOutputs(declared=("output.a", "output.z")).of([columns]) == {
        "output.a",
        "output.z",
    }


def test_without_a_reference_a_declared_score_is_summed() -> None:
    assert SummedOutputs().of([]) == frozenset()
    assert SummedOutputs(scores=frozenset({"output.p", "output.a"})).of([]) == {"output.a"}


@given(
    st.floats(-1e30, 1e30),
    st.floats(-1e30, 1e30),
    st.floats(0.0, 1e20),
)
def test_a_unit_is_fine_for_the_spread_and_holds_the_largest_value(
    low: float, high: float, tail: float
) -> None:
    low, high = sorted((low, high))
    edges = (low, high) if low < high else (low,)
    spec = FeatureSpec(bounds=Bounds(edges=edges, low=low - tail, high=high + tail))
    bits = SummedOutputs().bits_of("output.y", spec)
    largest = max(abs(low - tail), abs(high + tail))
    assert largest * 2.0**bits <= MAX_UNITS
    width = high - low
    # Either the unit is fine enough, or the largest value allows no finer one.
    is_fine = width == 0.0 or width * 2.0**bits >= 2**10
    assert is_fine or largest * 2.0**bits >= 2**28 or bits == MAX_BITS


@pytest.mark.parametrize(
    ("spec", "bits"),
    [
        (FeatureSpec(bounds=Bounds(edges=(0.0, 0.5, 1.0))), 10),
        (FeatureSpec(bounds=Bounds(edges=(0.0, 0.001))), 20),
        (FeatureSpec(bounds=Bounds(edges=(0.0, 1000.0))), 1),
        (FeatureSpec(bounds=Bounds(edges=(0.0, 1e300))), -150),
        (FeatureSpec(bounds=Bounds(edges=(0.0, 1e-300))), 150),
        (FeatureSpec(bounds=Bounds(edges=(5.0,))), 10),
        (FeatureSpec(score=()), 14),
        (FeatureSpec(), 10),
    ],
)
def test_units(spec: FeatureSpec, bits: int) -> None:
    assert SummedOutputs().bits_of("output.y", spec) == bits
