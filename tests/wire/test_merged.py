"""Digests merged from their bytes, many at a time, are the digests merged one by one."""

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import strategies

from nilometer.sketch import TDigest
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.errors import IncompatibleSketches
from nilometer.wire.sketches import digests
from nilometer.wire.sketches.digests import merged_digests_from_wire
from nilometer.wire.sketches.tdigest import digest_from_wire, digest_to_wire, digests_to_wire

LARGEST = 1.7976931348623157e308


def bits(digest: TDigest) -> Any:
    return digest.min, digest.max, [column.tobytes() for column in digest.centroids()]


def messages_of(streams: list[list[float]], compression: float = 100.0) -> list[pb.TDigest]:
    return [digest_to_wire(TDigest.of(stream, compression)) for stream in streams]


def merged_from_wire(messages: Iterable[pb.TDigest]) -> TDigest:
    (merged,) = merged_digests_from_wire([list(messages)])
    return merged


def one_by_one(messages: list[pb.TDigest]) -> TDigest:
    return TDigest.merge_all([digest_from_wire(message) for message in messages])


@given(
    st.lists(strategies.streams_of_any | strategies.tied, max_size=6),
    st.sampled_from([20.0, 100.0]),
    st.randoms(use_true_random=False),
)
@example([[0.1], [0.0, 0.1, 0.2]], 100.0, np.random)
@example([[LARGEST, -LARGEST], [LARGEST]], 100.0, np.random)
def test_merging_bytes_gives_the_bits_of_merging_digests(
    streams: list[list[float]], compression: float, rng: Any
) -> None:
    messages = messages_of(streams, compression)
    expected = bits(one_by_one(messages))
    assert bits(merged_from_wire(messages)) == expected
    rng.shuffle(messages)
    with pytest.MonkeyPatch.context() as patch:  # equal means on both sides of every border
        patch.setattr(digests, "MOST_TOGETHER", 2)
        assert bits(merged_from_wire(messages)) == expected


def test_many_digests_are_merged_without_making_one_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    messages = messages_of([rng.normal(size=size).tolist() for size in rng.integers(1, 999, 400)])
    expected = bits(one_by_one(messages))

    def refuse(message: pb.TDigest) -> TDigest:
        raise AssertionError(message)

    monkeypatch.setattr(digests, "digest_from_wire", refuse)
    assert bits(merged_from_wire(messages)) == expected
    assert bits(merged_from_wire(reversed(messages))) == expected


@pytest.mark.parametrize("factor", [2.0**26, 2.0**30, 2.0**40])
def test_weights_of_any_size_add(factor: float) -> None:
    messages = [digest_to_wire(TDigest.of([1.0, 2.0]).scaled(factor)) for _ in range(3)]
    merged = merged_from_wire([*messages, *messages_of([[1.5]])])
    assert merged.count == 6 * factor + 1
    assert merged.centroids()[2].all()


def test_a_value_is_one_atom_whether_it_was_an_extreme_or_not() -> None:
    """Its mean is rounded on the wire, its minimum is not."""
    merged = merged_from_wire(messages_of([[0.1] * 5, [0.0, 0.1, 0.2]]))
    assert merged.centroids()[1].tolist() == [1.0, 6.0, 1.0]


def test_empty_ones_add_nothing() -> None:
    assert merged_from_wire([]).count == 0
    assert merged_from_wire(messages_of([[], [1.0], []])).count == 1


def test_digests_of_different_parameters_are_refused_with_both() -> None:
    messages = [*messages_of([[1.0]]), *messages_of([[2.0]], 50.0)]
    for order in itertools.permutations(messages):
        with pytest.raises(IncompatibleSketches, match=r"100.*50|50.*100"):
            merged_from_wire(order)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"compression": 3.0}, "compression"),
        ({"compression": float("nan")}, "compression"),
        ({"min": float("-inf")}, "finite"),
        ({"max": float("nan")}, "finite"),
        ({"min": 9.0}, "order"),
        ({"count": 4}, "disagree"),
        ({"means": b"\x80"}, "cut short"),
        ({"means": b"\x01\x01"}, "disagree"),
        ({"weights": b"\x02\x02\x01"}, "disagree|empty"),
        ({"means": b"\x00\x00\x00"}, "ascend"),
        ({"means": b"\xff" * 9 + b"\x01\x00\x00"}, "ascend"),
    ],
)
def test_one_bad_message_is_refused_by_its_reason(change: dict[str, Any], reason: str) -> None:
    (good,) = messages_of([[1.0, 2.0, 3.0]])
    bad = pb.TDigest()
    bad.CopyFrom(good)
    for name, value in change.items():
        setattr(bad, name, value)
    with pytest.raises(ValueError, match=reason):
        merged_from_wire([good, bad, good])


@given(st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=6)), min_size=1, max_size=3))
def test_any_bytes_are_merged_as_one_by_one_or_refused_alike(
    parts: list[tuple[bytes, bytes]],
) -> None:
    messages = []
    for means, weights in parts:
        count = sum(byte >> 1 for byte in weights if byte < 0x80)
        messages.append(
            pb.TDigest(
                compression=100, count=count, min=-1e9, max=1e9, means=means, weights=weights
            )
        )
    try:
        expected = bits(one_by_one(messages))
    except ValueError as error:
        with pytest.raises(ValueError, match=r"t-digest|varint"):
            merged_from_wire(messages)
        assert str(error)
    else:
        assert bits(merged_from_wire(messages)) == expected


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=80), max_size=6)
)
def test_digests_coded_together_are_those_coded_alone(streams: list[list[float]]) -> None:
    made = [TDigest.of(stream) for stream in streams]
    alone = [digest_to_wire(digest).SerializeToString() for digest in made]
    assert [one.SerializeToString() for one in digests_to_wire(made)] == alone
