import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.alert import Alerter, Evaluation
from nilometer.compare import exact_reference_column
from nilometer.profile import (
    Bounds,
    Coverage,
    FeatureProfile,
    FeatureSpec,
    Reference,
    ServiceProfile,
    SummarySample,
)
from nilometer.sketch import Frequent, TDigest
from nilometer.sketch.binned import edges_id
from nilometer.values.labels import Labels
from nilometer.values.privacy import LAXEST
from nilometer.values.window import Window
from nilometer.wire import alerts, references
from nilometer.wire.contents.feature import feature_from_wire, feature_to_wire
from nilometer.wire.samples import (
    parts_by_summary,
    sample_from_bytes,
    sample_to_bytes,
    samples_to_bytes,
)
from nilometer.wire.sketches.frequent import frequent_from_wire, frequent_to_wire
from nilometer.wire.sketches.tdigest import digest_from_wire, digest_to_wire

EDGES = (-1.0, 0.0, 2.5)


@given(strategies.samples)
def test_a_sample_comes_back_as_it_went(sample: SummarySample) -> None:
    packed = sample_to_bytes(sample)
    back = sample_from_bytes(packed)
    for name in ("entity", "summary", "labels", "window", "coverage", "sample"):
        assert getattr(back, name) == getattr(sample, name)
    assert type(back.content) is type(sample.content)
    assert back.content.count == sample.content.count
    if isinstance(sample.content, ServiceProfile):
        assert back.content == sample.content


@given(strategies.samples)
def test_bytes_are_stable_from_the_first_journey_on(sample: SummarySample) -> None:
    """Stored bytes do not change by being read and written: checksums and digests hold."""
    once = sample_from_bytes(sample_to_bytes(sample))
    packed = sample_to_bytes(once)
    assert sample_to_bytes(sample_from_bytes(packed)) == packed


@given(st.lists(strategies.samples, max_size=3))
def test_samples_travel_together(samples: list[SummarySample]) -> None:
    back = [sample_from_bytes(one) for _, one in parts_by_summary(samples_to_bytes(samples))]
    one_by_one = [sample_from_bytes(sample_to_bytes(s)) for s in samples]
    assert [sample_to_bytes(s) for s in back] == [sample_to_bytes(s) for s in one_by_one]


@given(strategies.columns)
def test_bins_come_back_where_their_edges_are_known(column: list[Any]) -> None:
    feature = strategies.feature_of(column, FeatureSpec(bounds=Bounds(edges=EDGES)))
    message = feature_to_wire(feature)
    known = {edges_id(EDGES): EDGES}
    assert feature_from_wire(message, known.get).numbers.binned == feature.numbers.binned
    assert feature_from_wire(message).numbers.binned is None


@given(strategies.streams_of_any)
def test_a_digest_answers_within_the_rounding_of_its_means(values: list[float]) -> None:
    digest = TDigest.of(values)
    back = digest_from_wire(digest_to_wire(digest))
    assert (back.min, back.max, back.count) == (digest.min, digest.max, digest.count)
    for ours, theirs in zip(back.centroids()[0], digest.centroids()[0], strict=True):
        assert math.isfinite(ours)
        assert ours == pytest.approx(theirs, rel=6e-8, abs=1e-300)
    quantiles = back.quantile(np.linspace(0, 1, 21)).tolist()
    assert quantiles == sorted(quantiles)


def test_a_digest_of_a_window_takes_about_a_kilobyte() -> None:
    values = np.random.default_rng(0).lognormal(0, 1, 50_000)
    assert digest_to_wire(TDigest.of(values)).ByteSize() < 1000


@given(st.dictionaries(st.text(max_size=4) | st.characters(categories=["Cs"]), st.integers(1, 99)))
def test_names_that_cannot_be_written_lose_no_count(counted: dict[str, int]) -> None:
    """Half a surrogate pair has no UTF-8; what stands for it may stand for several names."""
    back = frequent_from_wire(frequent_to_wire(Frequent.of(counted, 1000)))
    assert sum(back.counts.values()) == back.total == sum(counted.values())


def reference_of(columns: dict[str, list[Any]]) -> Reference:
    made = {}
    for summary, cells in columns.items():
        feature = strategies.feature_of(cells, FeatureSpec(readable=True))
        numbers = np.array([cell for cell in cells if isinstance(cell, float)])
        made[summary] = exact_reference_column(feature, numbers, 8)
    return Reference(
        entity="fraud-scorer",
        name="training",
        rows=3,
        created_ns=1_700_000_000_000_000_000,
        source="train.parquet",
        columns=made,
        digest="",
    )


tables = st.dictionaries(
    st.sampled_from(["input.a", "input.b", "output.c"]),
    st.lists(st.floats(-1e9, 1e9) | st.text("xyz", max_size=2) | st.none(), max_size=20),
)


@given(tables)
def test_a_reference_comes_back_with_its_edges_and_bins(columns: dict[str, list[Any]]) -> None:
    reference = references.with_digest(reference_of(columns))
    back = references.reference_from_bytes(references.reference_to_bytes(reference))
    for name in ("entity", "name", "rows", "created_ns", "source", "digest"):
        assert getattr(back, name) == getattr(reference, name)
    assert back.columns.keys() == reference.columns.keys()
    for summary, column in reference.columns.items():
        assert back.columns[summary].edges == column.edges
        assert back.columns[summary].feature.numbers.binned == column.feature.numbers.binned


@given(tables, tables)
def test_the_digest_of_a_reference_names_its_columns(ours: Any, theirs: Any) -> None:
    one, other = (
        references.with_digest(reference_of(ours)),
        references.with_digest(reference_of(theirs)),
    )
    again = references.with_digest(replace(reference_of(ours), source="elsewhere", created_ns=2))
    assert one.digest == again.digest
    assert len(one.digest) == 16
    if {k: sorted(map(repr, v)) for k, v in ours.items()} != {
        k: sorted(map(repr, v)) for k, v in theirs.items()
    }:
        assert one.digest != other.digest
    assert (
        references.with_digest(
            references.reference_from_bytes(references.reference_to_bytes(one))
        ).digest
        == one.digest
    )


@given(strategies.alerters)
def test_an_alerter_comes_back_as_it_went(alerter: Alerter) -> None:
    assert alerts.alerter_from_bytes(alerts.alerter_to_bytes(alerter)) == alerter


@given(strategies.evaluations)
def test_an_evaluation_comes_back_as_it_went(evaluation: Evaluation) -> None:
    packed = alerts.evaluation_to_bytes(evaluation)
    message = alerts.evaluation_to_wire(evaluation)
    assert alerts.evaluation_from_wire(message) == evaluation
    assert packed == message.SerializeToString(deterministic=True)


@given(tables, st.lists(strategies.alerters, max_size=3))
def test_a_plan_is_named_by_its_content(columns: Any, alerters: list[Alerter]) -> None:
    known = [references.with_digest(reference_of(columns))]
    messages = [references.reference_to_wire(one) for one in known]
    plan = alerts.plan_to_wire(messages, alerters)
    assert alerts.plan_to_wire(messages, alerters).version == plan.version
    back = alerts.plan_from_wire(plan)
    assert back.collector_judges
    assert not back.unread
    assert not back.prediction_sums
    assert back.alerters == alerters
    assert back.disclosure == LAXEST
    assert [reference.digest for reference in back.references] == [known[0].digest]
    asking = alerts.plan_to_wire(messages, alerters, prediction_sums=True)
    assert alerts.plan_from_wire(asking).prediction_sums
    assert asking.version != plan.version
    assert alerts.plan_to_wire(messages, alerters[1:]).version != plan.version or not alerters


def test_the_order_of_keys_does_not_change_the_bytes() -> None:
    def packed(*outcomes: str) -> bytes:
        sample = SummarySample(
            entity="e",
            summary="service",
            labels=Labels.of(dict.fromkeys(outcomes, "x")),
            window=Window(0, 1),
            coverage=Coverage(dropped=dict.fromkeys(outcomes, 1)),
            content=ServiceProfile(outcomes=dict.fromkeys(outcomes, 1)),
        )
        return sample_to_bytes(sample)

    assert packed("a", "b", "c") == packed("c", "a", "b")


def test_an_empty_feature_is_a_few_bytes() -> None:
    assert feature_to_wire(FeatureProfile()).ByteSize() == 0
