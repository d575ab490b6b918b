"""Many digests in arrays answer as each of them does, and merge as they do."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.sketch import TDigest
from nilometer.sketch.digests import Digests
from nilometer.wire.scan import Messages
from nilometer.wire.sketches.digests import digests_from_scan
from nilometer.wire.sketches.tdigest import digest_from_wire, digests_to_wire

SHARES = np.array([0.0, 0.001, 0.25, 0.5, 0.99, 1.0])


def decoded(streams: list[list[float]]) -> tuple[Digests, list[TDigest]]:
    """Return the digests of *streams* in arrays, and one by one."""
    messages = digests_to_wire([TDigest.of(stream) for stream in streams])
    scanned = Messages([message.SerializeToString() for message in messages])
    found = digests_from_scan([(scanned, scanned.whole)])
    assert found is not None
    return found, [digest_from_wire(message) for message in messages]


def bits(digest: TDigest) -> Any:
    return digest.min, digest.max, [column.tobytes() for column in digest.centroids()]


@given(st.lists(strategies.streams_of_any | strategies.tied, min_size=1, max_size=6))
def test_each_answers_as_it_does_alone(streams: list[list[float]]) -> None:
    digests, alone = decoded(streams)
    assert digests.counts.tolist() == [one.count for one in alone]
    assert [bits(digests.at(index)) for index in range(len(alone))] == [bits(one) for one in alone]
    for row, one in zip(digests.quantiles(SHARES), alone, strict=True):
        expected = one.quantile(SHARES)
        spread = (one.max or 0.0) - (one.min or 0.0)
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=min(1e-12 * spread, 1e300))
        if one.count:
            assert (row[0], row[-1]) == (one.min, one.max)


@given(
    st.lists(strategies.streams_of_any | strategies.tied, min_size=2, max_size=6),
    st.randoms(use_true_random=False),
    st.integers(1, 5),
)
def test_groups_merge_to_the_bits_of_their_digests(
    streams: list[list[float]], rng: Any, first: int
) -> None:
    first = min(first, len(streams) - 1)
    digests, alone = decoded(streams)
    groups = np.array([first, len(streams) - first])
    merged = digests.merged(groups)
    for index, part in enumerate((alone[:first], alone[first:])):
        expected = TDigest.merge_all(part) if len(part) > 1 else part[0]
        assert bits(merged.at(index)) == bits(expected)
    assert bits(digests.together()) == bits(TDigest.merge_all(alone))
    rng.shuffle(streams)
    assert bits(decoded(streams)[0].together()) == bits(digests.together())


@pytest.mark.parametrize("heavy", [1, 2**20, 2**40])
def test_means_with_any_digits_and_weights_of_any_size_sort(heavy: int) -> None:
    rng = np.random.default_rng(3)
    streams = [rng.normal(size=size).tolist() for size in (5, 40, 41, 3000)]
    messages = digests_to_wire([TDigest.of(stream).scaled(heavy) for stream in streams])
    scanned = Messages([message.SerializeToString() for message in messages])
    digests = digests_from_scan([(scanned, scanned.whole)])
    assert digests is not None
    expected = TDigest.merge_all([digest_from_wire(message) for message in messages])
    assert bits(digests.together()) == bits(expected)
