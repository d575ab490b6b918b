"""The numbers of many features together are those of each, and anything else is left to the parser."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from nilometer.profile import FeatureProfile, SummarySample
from nilometer.sketch import TDigest
from nilometer.sketch.digests import Digests, MeanCounts
from nilometer.wire import numbers as wire_numbers
from nilometer.wire.numbers import numbers_from_bytes
from nilometer.wire.samples import merged_sample_from_bytes, sample_to_bytes
from nilometer.wire.scan import Messages
from nilometer.wire.sketches import digests
from nilometer.wire.sketches.digests import digests_from_scan
from nilometer.wire.sketches.tdigest import digest_from_wire, digests_to_wire
from nilometer_collector.testing import feature_sample, minute, service_sample

RNG = np.random.default_rng(4)


def bits(digest: TDigest) -> Any:
    return digest.min, digest.max, tuple(column.tobytes() for column in digest.centroids())


def packed_of(samples: Sequence[SummarySample]) -> list[bytes]:
    return [sample_to_bytes(sample) for sample in samples]


def numeric(count: int = 5, size: int = 300) -> list[SummarySample]:
    labels = {"version": "1", "region": "eu"}
    columns = (RNG.lognormal(size=size).tolist() for _ in range(count))
    return [feature_sample(column, labels=labels) for column in columns]


def test_quantiles_and_moments_are_those_of_whole_samples() -> None:
    packed = packed_of([*numeric(), feature_sample(["a", None, "b"]), *numeric(1, 3)])
    numbers = numbers_from_bytes([packed], moments=True)
    assert numbers is not None
    whole = merged_sample_from_bytes(packed, minute(0), feature_sample([1]).labels).content
    assert isinstance(whole, FeatureProfile)
    assert numbers.moments == [whole.numbers.moments]
    assert numbers.digests.counts.tolist() == [whole.numbers.count]
    expected = whole.numbers.digest.quantile([0.5, 0.99])
    np.testing.assert_allclose(numbers.digests.quantiles(np.array([0.5, 0.99]))[0], expected)


@pytest.mark.parametrize("few", [0, 250])
@pytest.mark.parametrize("most", [2, 3, 256])
def test_the_order_of_samples_does_not_change_a_bit(
    most: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_numbers, "FEW", few)
    monkeypatch.setattr(wire_numbers, "MOST_SCANNED", 5)
    monkeypatch.setattr(digests, "MOST_TOGETHER", most)
    packed = packed_of([*numeric(8), feature_sample(["a"])])
    orders = [packed, packed[::-1], [*packed[4:], *packed[:4]]]
    found = []
    for order in orders:
        numbers = numbers_from_bytes([order, order[:1], order[1:]], moments=True)
        assert numbers is not None
        found.append(numbers)
    first = {(one.moments[0], bits(one.digests.at(0))) for one in found}
    assert len(first) == 1
    assert found[0].digests.counts.tolist() == [2400, 300, 2100]


@pytest.mark.parametrize("ties", [0, 40])
def test_large_groups_that_are_counted_have_the_bits_of_a_sort(
    ties: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "MOST_TOGETHER", 16)
    streams = [[64.0] * ties + RNG.lognormal(size=900).tolist() for _ in range(400)]
    messages = digests_to_wire([TDigest.of(stream) for stream in streams])
    scanned = Messages([message.SerializeToString() for message in messages])
    added = []
    add = MeanCounts.add

    def counted(self: MeanCounts, part: Digests) -> None:
        added.append(part)
        add(self, part)

    monkeypatch.setattr(MeanCounts, "add", counted)
    found = digests_from_scan([(scanned, scanned.whole)], np.array([400]))
    assert len(added) == 25
    assert found is not None
    expected = TDigest.merge_all([digest_from_wire(message) for message in messages])
    assert bits(found.at(0)) == bits(expected)


def test_large_groups_keep_the_bound_of_the_rank_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST_TOGETHER", 8)
    own = np.random.default_rng(7)  # the same columns whatever ran before
    columns = [own.lognormal(size=200) for _ in range(64)]
    packed = packed_of([feature_sample(column.tolist()) for column in columns])
    numbers = numbers_from_bytes([packed], moments=False)
    assert numbers is not None
    every = np.sort(np.concatenate(columns))
    shares = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    (found,) = numbers.digests.quantiles(shares)
    ranks = np.searchsorted(every, found) / every.size
    np.testing.assert_allclose(ranks, shares, atol=0.001 + 0.2 / every.size**0.5)


def test_few_samples_have_the_bits_of_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = packed_of([*numeric(6), feature_sample(["a"]), *numeric(2, 3)])
    groups = [packed[:4], packed[4:8], packed[6:7], packed[8:]]
    found = []
    for few in (0, wire_numbers.FEW):
        monkeypatch.setattr(wire_numbers, "FEW", few)
        numbers = numbers_from_bytes(groups, moments=True)
        assert numbers is not None
        digests = [bits(numbers.digests.at(at)) for at in range(len(groups))]
        found.append((digests, numbers.moments))
    assert found[0] == found[1]


@pytest.mark.parametrize("few", [0, 250])
def test_features_without_numbers_have_none(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_numbers, "FEW", few)
    packed = packed_of([feature_sample(["a"]), *numeric(1)])
    numbers = numbers_from_bytes([[one] for one in packed], moments=True)
    assert numbers is not None
    assert numbers.digests.counts.tolist() == [0, 300]
    assert [moments.count for moments in numbers.moments] == [0, 300]
    none = numbers_from_bytes([packed[:1]], moments=True)
    assert none is not None
    assert none.digests.counts.tolist() == [0]


@pytest.mark.parametrize("few", [0, 250])
@pytest.mark.parametrize(
    "other",
    [
        sample_to_bytes(service_sample([0.1])),
        sample_to_bytes(dataclasses.replace(feature_sample([1.0]), sample=0.5)),
        sample_to_bytes(feature_sample([1.0]))[:-1],
        b"\xff\xff",
        b"",
    ],
)
def test_other_contents_shares_and_damage_are_left_to_the_parser(
    other: bytes, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_numbers, "FEW", few)
    assert numbers_from_bytes([[*packed_of(numeric(2)), other]], moments=True) is None
