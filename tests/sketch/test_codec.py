import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.sketch.codec import (
    EXACT_UP_TO,
    MAX_DROPPED_BITS,
    dropped_bits,
    from_rounded_bits,
    from_varints,
    ordered_bits,
    rounded_bits,
)


@pytest.mark.parametrize("packed", [b"\x80", b"\x01\xff", b"\xff" * 20])
def test_varints_that_are_cut_short_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="cut short"):
        from_varints(packed)


def test_a_varint_of_eleven_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than ten bytes"):
        from_varints(b"\x80" * 10 + b"\x01")


@given(st.binary(max_size=40))
def test_any_bytes_are_varints_or_refused(packed: bytes) -> None:
    try:
        values = from_varints(packed)
    except ValueError:
        return
    assert values.size == sum(byte < 0x80 for byte in packed)


def coded(values: list[float]) -> tuple[int, list[float]]:
    """The dropped bits, and what comes back."""
    ordered = ordered_bits(np.array(values, dtype=np.float64))
    dropped = dropped_bits(ordered)
    return dropped, from_rounded_bits(rounded_bits(ordered, dropped), dropped).tolist()


ascending = st.lists(strategies.finite, min_size=1, max_size=200).map(sorted)


@given(ascending)
def test_order_is_kept(values: list[float]) -> None:
    ordered = ordered_bits(np.array(values)).tolist()
    assert ordered == sorted(ordered)
    bits = rounded_bits(ordered_bits(np.array(values)), 28).tolist()
    assert bits == sorted(bits)


@given(ascending.filter(lambda values: len(values) <= EXACT_UP_TO))
def test_few_values_come_back_to_the_bit(values: list[float]) -> None:
    assert coded(values) == (0, [value + 0.0 for value in values])


@given(ascending)
def test_what_was_rounded_once_is_not_rounded_again(values: list[float]) -> None:
    _, once = coded(values)
    if np.isfinite(once).all():
        assert coded(once)[1] == once


@pytest.mark.parametrize("offset", [0.0, 1e3, 1.7e9, -1e12])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_rounding_is_a_small_part_of_a_narrow_gap_whatever_the_offset(
    offset: float, scale: float
) -> None:
    """Times of today differ by seconds at 1.7e9: a fixed number of digits would lose them."""
    values = np.sort(offset + scale * np.random.default_rng(5).normal(size=126))
    dropped, back = coded(values.tolist())
    gaps = np.diff(values)
    narrow = np.partition(gaps, gaps.size // 20)[gaps.size // 20]
    assert np.abs(np.array(back) - values).max() <= narrow
    assert np.median(np.abs(np.array(back) - values)) <= narrow / 100 + 1e-15 * abs(offset)
    assert dropped > 0 or abs(offset) > 1e5 * scale


def test_wide_ranges_drop_most_and_never_all() -> None:
    wide = np.geomspace(1e-300, 1e300, 126).tolist()
    dropped, back = coded(wide)
    assert dropped == MAX_DROPPED_BITS
    assert back == pytest.approx(wide, rel=2**-8)


@pytest.mark.parametrize("value", [5e-324, -5e-324, 2.2e-308, 1.7976931348623157e308, -0.0])
def test_the_edges_of_float64_survive(value: float) -> None:
    assert coded([value]) == (0, [value + 0.0])
