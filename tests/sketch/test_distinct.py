import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import oracles, strategies

from nilometer.sketch import Distinct
from nilometer.values.errors import IncompatibleSketches

FOUR_SIGMA = 4 * 1.04 / math.sqrt(1024)


def numbers(*values: float, precision: int = 10) -> Distinct:
    sketch = Distinct(precision)
    sketch.observe_numbers(np.array(values, dtype=np.float64))
    return sketch


def strings(values: list[str]) -> Distinct:
    sketch = Distinct()
    sketch.observe_strings(values)
    return sketch


@pytest.mark.parametrize("different", [10, 100, 1000, 3000, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_numbers_are_counted_within_four_sigma(different: int, offset: float) -> None:
    sketch = Distinct()
    values = np.arange(different, dtype=np.float64) + np.float64(offset)
    sketch.observe_numbers(values)
    sketch.observe_numbers(values[::-3])
    assert sketch.estimate == pytest.approx(different, rel=FOUR_SIGMA)


@pytest.mark.parametrize("different", [10, 1000, 3000, 50_000])
def test_strings_are_counted_within_four_sigma(different: int) -> None:
    sketch = strings([f"customer-{index}" for index in range(different)])
    assert sketch.estimate == pytest.approx(different, rel=FOUR_SIGMA)


def test_over_many_streams_the_error_is_what_the_class_states() -> None:
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(200):
        sketch = Distinct()
        sketch.observe_hashes(rng.integers(0, 2**64, 20_000, dtype=np.uint64))
        errors.append(sketch.estimate / 20_000 - 1)
    assert abs(float(np.mean(errors))) < 0.01
    assert 0.02 < float(np.std(errors)) < 0.05


@given(strategies.words, strategies.words)
def test_the_merge_is_the_union(ours: list[str], theirs: list[str]) -> None:
    union = strings(ours).merge(strings(theirs))
    assert union.registers.tolist() == strings(ours + theirs).registers.tolist()


@given(strategies.words)
def test_a_handful_is_counted_almost_exactly(words: list[str]) -> None:
    """One less for each two words that share a register, which hypothesis will find."""
    few = words[:10]
    used = int((strings(few * 3).registers > 0).sum())
    assert strings(few * 3).estimate == pytest.approx(used, abs=0.1)
    assert oracles.distinct(few) - 1 <= used <= oracles.distinct(few)


def test_nothing_is_nothing() -> None:
    assert Distinct().estimate == 0.0
    assert numbers().estimate == 0.0


def test_both_zeros_are_one_value() -> None:
    assert numbers(0.0, -0.0).registers.tolist() == numbers(0.0).registers.tolist()


def test_halves_of_surrogate_pairs_are_values_too() -> None:
    assert round(strings(["\ud800", "\udfff"]).estimate) == 2


@given(st.integers(0, 2**64 - 1), st.integers(4, 16))
def test_a_register_holds_the_place_of_the_first_one_bit(value: int, precision: int) -> None:
    sketch = Distinct(precision)
    sketch.observe_hashes(np.array([value], dtype=np.uint64))
    text = f"{value:064b}"
    index, rest = int(text[:precision], 2), text[precision:]
    expected = rest.index("1") + 1 if "1" in rest else len(rest) + 1
    assert np.flatnonzero(sketch.registers).tolist() == [index]
    assert sketch.registers[index] == expected


def test_hashes_are_fixed_so_that_processes_agree() -> None:
    """Pinned: another hash would let old and new agents count every value twice."""
    expected = {566: (strings(["fraud"]), 1), 545: (numbers(1.5), 2)}
    for register, (sketch, rank) in expected.items():
        assert np.flatnonzero(sketch.registers).tolist() == [register]
        assert sketch.registers[register] == rank


@pytest.mark.parametrize("precision", [-1, 0, 3, 17, 64])
def test_a_precision_outside_four_to_sixteen_is_refused(precision: int) -> None:
    with pytest.raises(ValueError, match="precision must be 4 to 16"):
        Distinct(precision)


def test_sketches_of_different_precision_do_not_merge() -> None:
    with pytest.raises(IncompatibleSketches, match="precision 4 and 5"):
        Distinct(4).merge(Distinct(5))
