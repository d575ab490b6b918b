"""The digest's varints: written by protobuf's encoder, read by ours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.sketch.codec import from_varints, from_varints_of
from nilometer.wire.sketches.tdigest import varints

UNSIGNED = st.integers(0, 2**64 - 1)


@given(st.lists(UNSIGNED | st.integers(0, 0x7F), min_size=1, max_size=300))
def test_varints_round_trip(values: list[int]) -> None:
    packed = varints(np.array(values, dtype=np.uint64))
    assert from_varints(packed).tolist() == values


@given(st.lists(st.lists(UNSIGNED | st.integers(0, 0x3FFF), min_size=1, max_size=9), max_size=9))
def test_packs_are_read_with_and_without_their_sizes(packs: list[list[int]]) -> None:
    packed = [varints(np.array(values, dtype=np.uint64)) for values in packs]
    sizes = np.array([len(values) for values in packs], dtype=np.intp)
    for known in (None, sizes):
        values, found = from_varints_of(packed, known)
        assert values.tolist() == [value for values in packs for value in values]
        assert found.tolist() == sizes.tolist()


@pytest.mark.parametrize("sizes", [[2, 2, 1], [1, 2, 2], [0, 4, 1], [1, 1, 2], [1, 3], []])
@pytest.mark.parametrize("first", [1, 300, 1 << 20])
def test_packs_with_other_sizes_are_refused(sizes: list[int], first: int) -> None:
    packed = [varints(np.array(one, dtype=np.uint64)) for one in ([first], [2, 3, 300], [5])]
    with pytest.raises(ValueError, match="another number of varints"):
        from_varints_of(packed, np.array(sizes, dtype=np.intp))


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
