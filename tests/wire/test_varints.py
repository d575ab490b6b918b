"""The digest's varints: written by protobuf's encoder, read by ours."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nilometer.sketch.codec import from_varints
from nilometer.wire.sketches.tdigest import varints

UNSIGNED = st.integers(0, 2**64 - 1)


@given(st.lists(UNSIGNED | st.integers(0, 0x7F), min_size=1, max_size=300))
def test_varints_round_trip(values: list[int]) -> None:
    packed = varints(np.array(values, dtype=np.uint64))
    assert from_varints(packed).tolist() == values


@given(st.lists(UNSIGNED | st.integers(0, 0x7F), min_size=1, max_size=40))
def test_varints_are_those_of_protobuf(values: list[int]) -> None:
    expected = []
    for value in values:
        rest = value
        while rest > 0x7F:
            expected.append(rest & 0x7F | 0x80)
            rest >>= 7
        expected.append(rest)
    assert varints(np.array(values, dtype=np.uint64)) == bytes(expected)
