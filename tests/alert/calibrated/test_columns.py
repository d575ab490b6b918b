from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nilometer.alert.calibrated.columns import Column, Total
from nilometer.batch import reference_of
from nilometer.profile.feature import FeatureProfile, FeatureSpec
from nilometer.profile.numeric import Bounds
from nilometer.profile.recorder import FeatureRecorder
from nilometer.profile.reference import Reference

RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "flag": pa.array(RNG.choice([0.0, 1.0], 1000)),
        "amount": pa.array(RNG.normal(size=1000)),
        "card": pa.array(RNG.choice(["visa", "amex"], 1000)),
    }
)
REFERENCE: Reference = reference_of(TABLE, entity="m", name="t", source="s", created_ns=0)
COLUMNS = {
    name: Column.of(f"input.{name}", REFERENCE.columns[f"input.{name}"])
    for name in ("flag", "amount", "card")
}


def profiled(name: str, cells: Sequence[object]) -> FeatureProfile:
    recorder = FeatureRecorder(REFERENCE.spec(f"input.{name}", readable=True))
    recorder.observe(cells)
    return recorder.profile()


def rate(name: str, cells: Sequence[object], of: str) -> float:
    column = COLUMNS[name]
    vector = column.vector(profiled(name, cells))
    place = next(i for i, one in enumerate(column.rates) if one.name == of)
    return float(vector[column.bins + place])


def test_a_value_between_two_known_ones_is_new() -> None:
    assert rate("flag", [0.0, 0.5, 1.0, 0.5], "between known values") == 2


def test_values_outside_of_the_reference_are_counted() -> None:
    assert rate("amount", [1e9, 0.0, -1e9, -1e9], "below the reference") == 2
    assert rate("amount", [1e9, 0.0, -1e9, -1e9], "above the reference") == 1


def test_values_outside_are_estimated_where_another_reference_counted_them() -> None:
    column = COLUMNS["amount"]
    assert column.low is not None
    assert column.high is not None
    values = np.linspace(column.low - 0.5, column.high + 0.25, 1001)
    for spec in (FeatureSpec(), FeatureSpec(bounds=Bounds(edges=(0.0,), low=-99.0, high=99.0))):
        recorder = FeatureRecorder(spec)
        recorder.observe_numbers(values)
        vector = column.vector(recorder.profile())
        below, above = vector[column.bins + 2 : column.bins + 4]
        assert below == pytest.approx((values < column.low).sum(), abs=5)
        assert above == pytest.approx((values > column.high).sum(), abs=5)


def test_missing_and_unusable_cells_are_counted() -> None:
    cells = [1.0, None, "n/a", "text", float("nan"), float("inf")]
    assert rate("amount", cells, "missing") == 1
    assert rate("amount", cells, "not usable") >= 4


def test_names_are_counted_on_the_dictionary() -> None:
    cells: list[object] = ["visa", "amex", "visa", "diners"]
    assert rate("card", cells, "= visa") == 2
    assert rate("card", cells, "unseen") == 1


def test_categories_on_another_dictionary_are_not_judged() -> None:
    column = COLUMNS["card"]
    recorder = FeatureRecorder()
    recorder.observe(["visa"] * 9)
    assert column.vector(recorder.profile())[-len(Total) + Total.CATEGORIES] == 0


@settings(max_examples=50)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.floats(-5, 5), st.just("x")), max_size=40),
        min_size=1,
        max_size=5,
    )
)
def test_the_vector_of_the_whole_is_the_sum_of_the_parts(parts: list[list[object]]) -> None:
    column = COLUMNS["amount"]
    profiles = [profiled("amount", part) for part in parts]
    whole = column.vector(FeatureProfile.merge_all(profiles), requests=3)
    summed = sum((column.vector(profile) for profile in profiles), np.zeros(column.width))
    summed[-len(Total) + Total.REQUESTS] = 3
    assert whole.tolist() == summed.tolist()
