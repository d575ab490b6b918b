"""Moments of vectors merge exactly, and Hotelling's and the Frechet distance are those of all rows."""

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import linalg

from nilometer.batch import profile_of, reference_of
from nilometer.compare import COMPARATORS, Comparison, NoDistance, NotCompared, compare
from nilometer.profile import FeatureProfile, FeatureSpec, Reference
from nilometer.profile.derived.vectors import Embedding, vector_columns
from nilometer.wire.contents.feature import feature_from_bytes, feature_to_bytes

COLUMN = "input.vector"
DIMENSIONS = 24
MIX = np.linalg.qr(np.random.default_rng(1).normal(size=(DIMENSIONS, DIMENSIONS)))[0]


def vectors(rows: int, seed: int, *, shift: float = 0.0, spread: float = 1.0) -> Any:
    """Return vectors with 24 directions of different variance; the second moves by *shift* sd."""
    latent = np.random.default_rng(seed).normal(size=(rows, DIMENSIONS))
    latent[:, 1] = latent[:, 1] * spread + shift
    return (latent * np.linspace(3, 0.2, DIMENSIONS)) @ MIX + 5.0


def table(rows: Any) -> pa.Table:
    return pa.table({"vector": rows.tolist()})


@pytest.fixture(scope="module")
def reference() -> Reference:
    return reference_of(
        table(vectors(1500, 0)), entity="m", name="training", source="x", created_ns=0
    )


def seen(reference: Reference, rows: Any) -> FeatureProfile:
    def spec_of(summary: str) -> FeatureSpec:
        return reference.spec(summary) or FeatureSpec()

    return profile_of(table(rows), spec_of)[COLUMN]


def distance(reference: Reference, name: str, rows: Any) -> Comparison:
    found = compare(COMPARATORS[name], reference.columns[COLUMN], seen(reference, rows))
    assert isinstance(found, Comparison), found
    return found


def coordinates(reference: Reference, rows: Any) -> Any:
    embedding = reference.columns[COLUMN].embedding
    assert isinstance(embedding, Embedding)
    found = vector_columns(rows, embedding)
    return np.column_stack([found[f"pc{at:02d}"] for at in range(1, 17)])


def test_both_distances_are_those_of_all_rows(reference: Reference) -> None:
    now = vectors(400, 3, shift=0.7, spread=1.4)
    past, current = coordinates(reference, vectors(1500, 0)), coordinates(reference, now)
    moved = current.mean(axis=0) - past.mean(axis=0)
    pooled = (1499 * np.cov(past.T) + 399 * np.cov(current.T)) / 1898
    expected = np.sqrt(moved @ np.linalg.solve(pooled, moved))
    assert distance(reference, "hotelling", now).value == pytest.approx(expected, rel=1e-4)
    sides = np.cov(past.T, bias=True), np.cov(current.T, bias=True)
    shared = np.trace(linalg.sqrtm(sides[0] @ sides[1]).real)
    apart = moved @ moved + np.trace(sides[0]) + np.trace(sides[1]) - 2 * shared
    expected = apart / np.trace(sides[0])
    assert distance(reference, "frechet", now).value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["hotelling", "frechet"])
def test_without_drift_the_mean_is_the_stated_noise(reference: Reference, name: str) -> None:
    found = [distance(reference, name, vectors(300, seed)) for seed in range(10, 22)]
    mean = np.mean([one.value for one in found])
    assert mean == pytest.approx(np.mean([one.noise for one in found]), rel=0.2)


def test_a_change_of_one_direction_is_beyond_the_noise(reference: Reference) -> None:
    moved = distance(reference, "hotelling", vectors(300, 5, shift=1.0))
    assert moved.value > 3 * moved.noise
    wider = distance(reference, "frechet", vectors(300, 5, spread=2.0))
    assert wider.value > 3 * wider.noise
    assert (moved.largest_bin, moved.rise) == ("", None)


def test_parts_merge_to_the_same_bits_in_any_order(reference: Reference) -> None:
    rows = vectors(90, 6)
    parts = [seen(reference, part) for part in np.array_split(rows, 3)]
    every = {
        feature_to_bytes(FeatureProfile.merge_all(order)) for order in itertools.permutations(parts)
    }
    assert every == {feature_to_bytes(seen(reference, rows))}


def test_moments_survive_the_wire_and_are_about_a_kilobyte(reference: Reference) -> None:
    feature = seen(reference, vectors(500, 7))
    packed = feature_to_bytes(feature)
    assert feature_from_bytes(packed).vectors == feature.vectors
    assert len(packed) < 1200


def test_vectors_that_are_not_finite_or_huge_are_left_out_or_bounded(reference: Reference) -> None:
    rows = vectors(200, 8)
    rows[0], rows[1, 3] = np.nan, 1e300
    (sums,) = seen(reference, rows).vectors.values()
    assert sums.count == 199
    assert distance(reference, "hotelling", rows).value < 1e6


def test_a_constant_reference_has_finite_distances() -> None:
    constant = reference_of(
        table(np.ones((150, 4))), entity="m", name="training", source="x", created_ns=0
    )
    for name in ("hotelling", "frechet"):
        assert distance(constant, name, np.ones((150, 4))).value == 0.0
        assert np.isfinite(distance(constant, name, np.ones((150, 4)) * 1.5).value)


def test_too_few_vectors_or_none_have_no_distance(reference: Reference) -> None:
    few = compare(
        COMPARATORS["hotelling"], reference.columns[COLUMN], seen(reference, vectors(29, 9))
    )
    assert few == NotCompared(NoDistance.TOO_FEW, "hotelling needs 30 vectors: the window has 29")
    other = compare(
        COMPARATORS["frechet"], reference.columns[COLUMN], seen(reference, np.ones((200, 3)))
    )
    assert isinstance(other, NotCompared)
    assert other.reason is NoDistance.UNDEFINED


def test_a_privacy_level_that_groups_values_keeps_no_moments(reference: Reference) -> None:
    feature = seen(reference, vectors(100, 2))
    assert feature.vectors
    assert feature.coarsened(20).vectors == {}
