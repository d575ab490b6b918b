import math

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from nilometer.sketch.codec import KEPT_BITS, from_rounded_bits, from_varints, rounded_bits, varints

UNSIGNED = st.integers(0, 2**64 - 1)
NORMAL = 2.2250738585072014e-308  # smallest float64 with all its digits
LARGEST = 1.7976931e308  # above, rounding to 24 digits may reach infinity; digests clip


@given(st.lists(UNSIGNED, max_size=50))
def test_varints_round_trip(values: list[int]) -> None:
    packed = varints(np.array(values, dtype=np.uint64))
    assert from_varints(packed).tolist() == values


@given(UNSIGNED)
def test_a_varint_is_the_one_of_protobuf(value: int) -> None:
    expected, rest = [], value
    while rest > 0x7F:
        expected.append(rest & 0x7F | 0x80)
        rest >>= 7
    assert varints(np.array([value], dtype=np.uint64)) == bytes([*expected, rest])


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


@given(strategies.streams)
def test_rounded_bits_keep_the_order_and_fit(values: list[float]) -> None:
    bits = rounded_bits(np.array(sorted(values), dtype=np.float64))
    assert bits.tolist() == sorted(bits.tolist())
    assert all(bit < 1 << KEPT_BITS for bit in bits.tolist())


@given(st.floats(-LARGEST, LARGEST).filter(lambda value: abs(value) >= NORMAL))
def test_rounding_is_to_24_binary_digits(value: float) -> None:
    back = float(from_rounded_bits(rounded_bits(np.array([value])))[0])
    assert abs(back - value) <= 6e-8 * abs(value)


@given(st.floats(-NORMAL, NORMAL))
def test_denormals_and_zeros_round_on_their_own_grid(value: float) -> None:
    back = float(from_rounded_bits(rounded_bits(np.array([value])))[0])
    assert abs(back - value) <= math.ldexp(1.0, -1074 + 64 - KEPT_BITS - 1)


@given(strategies.streams)
def test_rounding_twice_is_rounding_once(values: list[float]) -> None:
    once = rounded_bits(np.clip(np.array(values, dtype=np.float64), -LARGEST, LARGEST))
    assert rounded_bits(from_rounded_bits(once)).tolist() == once.tolist()
