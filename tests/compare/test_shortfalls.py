"""A reference that is too small to judge with says so, and how large it should be."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from nilometer.batch.reference import reference_of
from nilometer.compare import COMPARATORS, Counted, NoDistance, NotCompared, compare, shortfalls
from nilometer.profile import Reference

IDENTIFIERS = [f"{number:x}" for number in range(7919, 7919 * 401, 7919)]


def reference(**columns: Sequence[object]) -> Reference:
    table = pa.table(columns)
    return reference_of(table, entity="e", name="r", source="s", created_ns=1)


def numbers(count: int) -> list[float]:
    return list(np.random.default_rng(count).lognormal(size=count))


def test_a_reference_that_is_large_enough_has_no_shortfall() -> None:
    assert shortfalls(reference(x=numbers(500), kind=["a", "b"] * 250)) == []


def test_a_small_column_names_the_comparators_and_the_size_that_suffices() -> None:
    (sentence,) = shortfalls(reference(x=numbers(60)))
    assert sentence == (
        "input.x has 60 values, too few for psi, jensen_shannon, hellinger and 3 more "
        "(100), p01_change, p99_change (500): use at least 500"
    )


def test_columns_that_lack_the_same_are_one_sentence() -> None:
    columns = {f"x{number}": numbers(20) for number in range(5)}
    (sentence,) = shortfalls(reference(**columns))
    assert sentence.startswith("input.x0, input.x1, input.x2 and 2 more have 20 values")


@pytest.mark.parametrize("count", [3, 29, 30, 49, 50, 99, 100, 499, 500])
@pytest.mark.parametrize("draw", [numbers, lambda count: ["a", "b", "c"] * (count // 3)])
def test_a_column_without_a_shortfall_is_judged_by_every_comparator_of_its_values(
    count: int, draw: Callable[[int], Sequence[object]]
) -> None:
    column = reference(x=draw(count)).columns["input.x"]
    large = reference(x=draw(1000)).columns["input.x"].feature
    found = [
        compare(one, column, large) for one in COMPARATORS.values() if one.counted is Counted.VALUES
    ]
    is_short = any(
        isinstance(one, NotCompared) and one.reason is NoDistance.TOO_FEW for one in found
    )
    assert bool(shortfalls(reference(x=draw(count)))) == is_short


def test_a_column_of_identifiers_is_told_at_any_size() -> None:
    (sentence,) = shortfalls(reference(id=IDENTIFIERS))
    assert "leave the column out if it is an identifier, or use at least" in sentence
    assert shortfalls(reference(id=["a", "b", "c", "d"] * 100)) == []


def test_a_reference_without_columns_is_told() -> None:
    (sentence,) = shortfalls(replace(reference(x=numbers(500)), columns={}))
    assert sentence.startswith("the reference has no columns")
