import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies
from tdigest import TDigest as PeerDigest

from nilometer.sketch import TDigest
from nilometer.sketch.interchange import (
    from_datasketches,
    from_dictionary,
    to_datasketches,
    to_dictionary,
)


def read(digest: TDigest) -> Any:
    means, weights, _ = digest.centroids()
    return digest.count, digest.min, digest.max, means.tolist(), weights.tolist()


@given(strategies.streams)
def test_datasketches_bytes_come_back(values: list[float]) -> None:
    digest = TDigest.of(values)
    assert read(from_datasketches(to_datasketches(digest))) == read(digest)


def test_the_layout_is_pinned() -> None:
    assert to_datasketches(TDigest()).hex() == "0101146400010000"
    assert to_datasketches(TDigest.of([1.5])).hex() == "0101146400020000000000000000f83f"
    two = to_datasketches(TDigest.of([1.0, 2.0])).hex()
    assert two == (
        "0201146400000000"
        "0200000000000000"
        "000000000000f03f"
        "0000000000000040"
        "000000000000f03f"
        "0100000000000000"
        "0000000000000040"
        "0100000000000000"
    )


def test_buffered_values_of_another_writer_are_read() -> None:
    packed = bytearray(to_datasketches(TDigest.of([1.0, 2.0])))
    packed[12] = 2
    packed[24:32] = np.float64(9.0).tobytes()
    digest = from_datasketches(bytes(packed) + np.array([8.0, 9.0]).tobytes())
    assert (digest.count, digest.max) == (4, 9.0)
    assert digest.centroids()[0].tolist() == [1.0, 2.0, 8.0, 9.0]


@given(st.binary(max_size=120))
def test_foreign_bytes_give_a_digest_or_a_value_error(noise: bytes) -> None:
    good = to_datasketches(TDigest.of([1.0, 2.0, 3.0]))
    for packed in (noise, good[:8] + noise, good[:32] + noise):
        try:
            digest = from_datasketches(packed)
        except ValueError as error:
            assert "t-digest" in str(error)
        else:
            assert digest.count >= 0
            assert np.isfinite(digest.centroids()[0]).all()


@pytest.mark.parametrize(
    ("at", "value"),
    [(1, 9), (2, 3), (3, 0), (16, 0xFF), (40, 0)],
    ids=["serial", "family", "k", "minimum", "weight"],
)
def test_bytes_that_lie_are_refused(at: int, value: int) -> None:
    packed = bytearray(to_datasketches(TDigest.of([1.0, 2.0])))
    packed[at] = value
    if at == 16:
        packed[16:24] = np.float64("inf").tobytes()
    with pytest.raises(ValueError, match="t-digest"):
        from_datasketches(bytes(packed))


def test_a_dictionary_of_the_tdigest_package_is_read_and_written() -> None:
    values = np.random.default_rng(1).normal(size=3000)
    peer = PeerDigest()
    peer.batch_update(values)
    ours = from_dictionary(json.loads(json.dumps(peer.to_dict())))
    assert ours.count == 3000
    for q in (0.01, 0.25, 0.5, 0.75, 0.99):
        assert peer.cdf(float(ours.quantile(q))) == pytest.approx(q, abs=0.01)
    back = PeerDigest()
    back.update_from_dict(json.loads(json.dumps(to_dictionary(TDigest.of(values)))))
    assert back.n == 3000
    assert back.percentile(50) == pytest.approx(float(np.median(values)), abs=0.05)


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"centroids": 3},
        {"centroids": [{"m": 1.0}]},
        {"centroids": [{"m": float("nan"), "c": 1}]},
        {"centroids": [{"m": 1.0, "c": 0}]},
        {"centroids": [{"m": 1.0, "c": 1.5}]},
    ],
)
def test_a_dictionary_that_is_none_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="t-digest"):
        from_dictionary(stored)
