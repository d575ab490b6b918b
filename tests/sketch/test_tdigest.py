import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import oracles, strategies
from tdigest import TDigest as PeerDigest

from nilometer.sketch import TDigest
from nilometer.values.errors import IncompatibleSketches

SHARES = np.arange(0, 41) / 40
NOT_FINITE = (math.nan, math.inf, -math.inf)


def floats(*values: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


@given(strategies.streams_of_any)
@example([0.0001, -268435456.0])  # interpolation once rounded past the maximum
@example([1.7976931348623157e308, -1.7976931348623157e308])
def test_quantiles_never_decrease_and_end_at_minimum_and_maximum(values: list[float]) -> None:
    quantiles = TDigest.of(values).quantile(SHARES).tolist()
    assert quantiles == sorted(quantiles)
    assert (quantiles[0], quantiles[-1]) == (min(values), max(values))


@given(st.lists(strategies.finite, min_size=30, max_size=300), strategies.streams)
def test_quantiles_never_decrease_when_centroids_are_joined(
    values: list[float], more: list[float]
) -> None:
    digest = TDigest.of(values, compression=20).merge(TDigest.of(more, compression=20))
    quantiles = digest.quantile(SHARES).tolist()
    assert quantiles == sorted(quantiles)
    assert (quantiles[0], quantiles[-1]) == (min(values + more), max(values + more))


@given(st.lists(strategies.finite, min_size=30, max_size=300), strategies.streams_of_any)
def test_ranks_never_decrease_and_are_shares(values: list[float], at: list[float]) -> None:
    ranks = TDigest.of(values, compression=20).rank(sorted(at)).tolist()
    assert ranks == sorted(ranks)
    assert all(0.0 <= rank <= 1.0 for rank in ranks)


@given(strategies.streams_of_any, strategies.streams)
def test_minimum_and_maximum_are_exact(values: list[float], more: list[float]) -> None:
    digest = TDigest.of(values).merge(TDigest.of(more))
    assert (digest.min, digest.max) == (min(values + more), max(values + more))


@given(strategies.tied)
def test_few_different_values_have_exact_ranks(values: list[float]) -> None:
    """Up to a cell each, equal values are one atom: a step, not a slope."""
    digest = TDigest.of(values)
    for value in set(values):
        assert float(digest.rank(value)) == pytest.approx(
            oracles.share_up_to(values, value), abs=1 / 60
        )
    if len(set(values)) == 1:
        assert digest.quantile(SHARES).tolist() == [values[0]] * SHARES.size


def test_an_atom_keeps_its_share_exactly() -> None:
    digest = TDigest.of([0.0] * 600 + list(range(1, 401)))
    assert float(digest.rank(0.0)) == pytest.approx(0.6, abs=1e-12)
    assert digest.quantile([0.0, 0.3, 0.5, 0.599]).tolist() == [0.0] * 4
    assert float(digest.rank(np.nextafter(0.0, -1))) == 0.0


def test_an_atom_that_meets_a_slope_at_the_same_mean_is_a_slope() -> None:
    """Only where every observation had the value is the distribution function a step."""
    slope = TDigest.from_centroids(
        floats(5.0), floats(10.0), np.array([False]), minimum=0.0, maximum=10.0
    )
    merged = slope.merge(TDigest.of([5.0]))
    means, weights, atoms = merged.centroids()
    assert (means.tolist(), weights.tolist(), atoms.tolist()) == ([5.0], [11.0], [False])
    assert 0.0 < float(merged.rank(2.5)) < 0.5


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=300), st.floats(0, 1))
def test_the_rank_of_a_quantile_is_its_share(values: list[float], q: float) -> None:
    """The quantile's value may be an atom, whose rank is up to its share higher."""
    digest = TDigest.of(values, compression=20)
    value = float(digest.quantile(q))
    below = float(digest.rank(np.nextafter(value, -np.inf)))
    assert below - 1e-6 <= q <= float(digest.rank(value)) + 1e-6


@pytest.mark.parametrize("compression", [20, 50, 100, 200])
@pytest.mark.parametrize("count", [1, 100, 4095, 4096, 4097, 50_000])
def test_the_centroids_stay_within_their_bound(compression: float, count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    digest = TDigest.of(values, compression)
    for part in (digest, digest.merge(digest), TDigest.merge_all([digest] * 30)):
        means, weights, atoms = part.centroids()
        assert means.size == weights.size == atoms.size <= 1.25 * compression + 2
        assert weights.sum() == part.count
        assert np.all(np.diff(means) >= 0)


@pytest.mark.parametrize("bad", NOT_FINITE)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_what_is_not_finite_is_refused_and_changes_nothing(bad: float, position: int) -> None:
    digest = TDigest.of([1.0, 2.0])
    with pytest.raises(ValueError, match="finite values only"):
        digest.observe(np.insert(floats(3.0, 4.0), position, bad))
    assert (digest.count, digest.min, digest.max) == (2, 1.0, 2.0)


@pytest.mark.parametrize("compression", [19.9, 0.0, -1.0, math.nan, math.inf])
def test_a_compression_that_bounds_nothing_is_refused(compression: float) -> None:
    with pytest.raises(ValueError, match="compression"):
        TDigest(compression)


def test_digests_of_different_compression_do_not_merge() -> None:
    with pytest.raises(IncompatibleSketches) as caught:
        TDigest(100).merge(TDigest(200))
    assert (caught.value.parameter, caught.value.ours, caught.value.theirs) == (
        "compression",
        100.0,
        200.0,
    )


def test_the_empty_digest_knows_nothing() -> None:
    digest = TDigest()
    assert (digest.count, digest.min, digest.max) == (0, None, None)
    assert np.isnan(digest.quantile([0.0, 0.5])).all()
    assert np.isnan(digest.rank(1.0))
    assert np.isnan(TDigest.of([1.0]).rank(np.nan))
    assert TDigest.merge_all([]).count == 0


def test_huge_values_stay_finite_and_ordered() -> None:
    values = np.random.default_rng(5).uniform(-1.79, 1.79, 20_000) * 1e308
    digest = TDigest.merge_all([TDigest.of(part) for part in np.array_split(values, 7)])
    quantiles = digest.quantile(np.linspace(0, 1, 1001))
    assert np.isfinite(digest.centroids()[0]).all()
    assert np.isfinite(quantiles).all()
    assert np.all(quantiles[1:] >= quantiles[:-1])
    ordered = np.sort(values)
    assert oracles.rank_error(ordered, float(quantiles[500]), 0.5) < 0.01


def test_denormals_and_both_zeros_keep_their_place() -> None:
    tiny = 5e-324
    digest = TDigest.of([-tiny, -0.0, 0.0, tiny])
    assert (digest.min, digest.max) == (-tiny, tiny)
    assert float(digest.rank(0.0)) == pytest.approx(0.75)
    assert float(digest.rank(-0.0)) == float(digest.rank(0.0))


@given(
    st.lists(st.lists(strategies.finite, max_size=80), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_parts_in_any_order_give_the_same_bits(streams: list[list[float]], random: Any) -> None:
    parts = [TDigest.of(values, compression=20) for values in streams]
    expected = [column.tobytes() for column in TDigest.merge_all(parts).centroids()]
    random.shuffle(parts)
    assert [column.tobytes() for column in TDigest.merge_all(parts).centroids()] == expected


def test_a_thousand_parts_in_twenty_orders_give_the_same_bits() -> None:
    rng = np.random.default_rng(11)
    parts = [TDigest.of(rng.lognormal(0, 1, int(rng.integers(0, 200)))) for _ in range(1000)]
    seen = set()
    for _ in range(20):
        shuffled = [parts[index] for index in rng.permutation(len(parts))]
        merged = TDigest.merge_all(shuffled)
        seen.add(b"".join(column.tobytes() for column in merged.centroids()))
    assert len(seen) == 1


@pytest.mark.parametrize("batch", [1, 7, 4096, 5000])
def test_how_observations_are_batched_does_not_show(batch: int) -> None:
    values = np.random.default_rng(2).normal(size=12_000)
    digest = TDigest()
    for start in range(0, values.size, batch):
        digest.observe(values[start : start + batch])
    whole = TDigest.of(values)
    for ours, theirs in zip(digest.centroids(), whole.centroids(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("name", ["normal", "lognormal", "uniform"])
def test_ranks_agree_with_the_digest_of_another_hand(name: str) -> None:
    """PyPI's `tdigest` on finite data; it hangs on NaN, so it is only an oracle."""
    rng = np.random.default_rng(4)
    values = {
        "normal": rng.normal(size=3000),
        "lognormal": rng.lognormal(0, 1, 3000),
        "uniform": rng.uniform(size=3000),
    }[name]
    peer = PeerDigest()
    peer.batch_update(values)
    digest = TDigest.of(values)
    for value in np.quantile(values, np.linspace(0.01, 0.99, 25)):
        assert float(digest.rank(value)) == pytest.approx(peer.cdf(value), abs=0.01)
    ordered = np.sort(values)
    for percent in (1, 10, 25, 50, 75, 90, 99):
        assert oracles.rank_error(ordered, peer.percentile(percent), percent / 100) < 0.01
        ours = float(digest.quantile(percent / 100))
        assert oracles.rank_error(ordered, ours, percent / 100) < 0.002


def test_its_text_says_what_it_holds() -> None:
    assert repr(TDigest()) == "TDigest(compression=100, empty)"
    assert (
        repr(TDigest.of([1, 2, 3])) == "TDigest(compression=100, count=3, min=1, median=2, max=3)"
    )
