"""Sums by bin on the wire: exact, small, and refused if they contradict themselves."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.profile import (
    Bounds,
    Coverage,
    FeatureProfile,
    FeatureRecorder,
    FeatureSpec,
    SummarySample,
)
from nilometer.profile.bin_sums import BinSums, Rounded, SumKey
from nilometer.profile.category import Dictionary
from nilometer.profile.cell_bins import CellBins
from nilometer.profile.feature import Cell
from nilometer.v1 import summary_pb2 as pb
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire.contents.feature import feature_from_bytes, feature_to_bytes, feature_to_wire
from nilometer.wire.samples import merged_sample_from_bytes, sample_to_bytes

EDGES = (-1.0, 0.0, 2.5)
NAMES = Dictionary(("cash", "card"))
cells = st.sampled_from([None, -5.0, 0.0, 7, "cash", "other", "n/a", True, math.nan, [1]])


def feature_of(rows: list[tuple[Cell, float]], spec: FeatureSpec, bits: int = 10) -> FeatureProfile:
    """The profile of a feature with the sums of a prediction."""
    edges = spec.bounds.edges if spec.bounds else ()
    bins = CellBins(edges, spec.dictionary)
    recorder = FeatureRecorder(spec)
    recorder.observe([cell for cell, _ in rows])
    predictions = Rounded.of(np.array([value for _, value in rows], np.float64), bits)
    places = bins.places([cell for cell, _ in rows])
    recorder.observe_sums("output.score", BinSums.of(bins.bins, places, predictions))
    return recorder.profile()


@given(
    st.lists(st.tuples(cells, st.floats(-1e6, 1e6) | st.just(math.nan)), max_size=30),
    st.sampled_from([None, NAMES]),
)
def test_sums_travel_exactly(rows: list[tuple[Cell, float]], names: Dictionary | None) -> None:
    spec = FeatureSpec(bounds=Bounds(edges=EDGES), dictionary=names)
    feature = feature_of(rows, spec)
    packed = feature_to_bytes(feature)
    assert feature_from_bytes(packed).sums == feature.sums
    # Merged parts no longer have the counts of their feature; they travel all the same.
    merged = FeatureProfile.merge_all(
        [feature, feature_of(rows[:7], spec, bits=3), FeatureProfile()]
    )
    merged.missing += 5
    assert feature_from_bytes(feature_to_bytes(merged)).sums == merged.sums


def test_a_window_of_a_feature_takes_at_most_130_bytes() -> None:
    """32 bins of 5,000 rows, and a prediction that the feature explains in part."""
    rng = np.random.default_rng(7)
    edges = tuple(np.quantile(rng.lognormal(3.0, 1.0, 20_000), np.arange(1, 32) / 32).tolist())
    column = rng.lognormal(3.0, 1.0, 5_000)
    score = 1 / (1 + np.exp(2.0 - np.log(column) / 2 - rng.normal(0.0, 1.0, 5_000)))
    spec = FeatureSpec(bounds=Bounds(edges=edges))
    with_sums = feature_of([*zip(column.tolist(), score.tolist(), strict=True)], spec, bits=11)
    size = len(feature_to_bytes(with_sums))
    with_sums.sums = {}
    assert size - len(feature_to_bytes(with_sums)) <= 130


def test_a_feature_without_sums_has_no_field_for_them() -> None:
    feature = feature_of([(0.0, 1.0)], FeatureSpec(bounds=Bounds(edges=EDGES)))
    feature.sums = {}
    assert not feature_to_wire(feature).sums


def test_sums_that_contradict_themselves_are_refused() -> None:
    spec = FeatureSpec(bounds=Bounds(edges=EDGES))
    message = feature_to_wire(feature_of([(0.0, 1.0), (7.0, 2.0)], spec))

    def refused(change: pb.BinSums, text: str) -> None:
        changed = pb.Feature.FromString(message.SerializeToString())
        changed.sums[0].MergeFrom(change)
        with pytest.raises(ValueError, match=text):
            feature_from_bytes(changed.SerializeToString())

    refused(pb.BinSums(numbers=5000), "at most")
    refused(pb.BinSums(bits=-9000), "at most")
    refused(pb.BinSums(counts=[-9]), "negative")
    refused(pb.BinSums(sums=[0] * 99), "one count and one sum")
    refused(pb.BinSums(value="x" * 5000), "too long")
    twice = pb.Feature.FromString(message.SerializeToString())
    twice.sums.append(twice.sums[0])
    with pytest.raises(ValueError, match="twice"):
        feature_from_bytes(twice.SerializeToString())


def test_encoded_samples_merge_to_the_sums_of_all_rows() -> None:
    """A window and a roll-up are merged from encoded samples, with their t-digests apart."""
    spec = FeatureSpec(bounds=Bounds(edges=EDGES))
    rows: list[tuple[Cell, float]] = [(float(at % 5), at / 7) for at in range(60)]
    window = Window(0, 60 * 10**9)

    def sample_of(some: list[tuple[Cell, float]]) -> SummarySample:
        return SummarySample(
            entity="m", summary="input.amount", labels=Labels(), window=window,
            coverage=Coverage(), content=feature_of(some, spec),
        )  # fmt: skip

    parts = [sample_to_bytes(sample_of(rows[at::7])) for at in range(7)]
    merged = merged_sample_from_bytes(parts, window, Labels()).content
    assert isinstance(merged, FeatureProfile)
    assert merged.sums == feature_of(rows, spec).sums


def test_sums_beyond_64_bits_are_left_out() -> None:
    feature = feature_of([(0.0, 1.0)], FeatureSpec(bounds=Bounds(edges=EDGES)))
    ((key, sums),) = feature.sums.items()
    assert isinstance(key, SumKey)
    nothing = BinSums.of(sums.bins, np.zeros(0, np.intp), Rounded.of(np.zeros(0), 80))
    feature.sums = {key: sums.merge(nothing)}
    assert feature_from_bytes(feature_to_bytes(feature)).sums == {}
