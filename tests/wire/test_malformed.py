"""For any input, a reader returns a value or raises ValueError or NilometerError.

And what it accepts can be worked with: merged, asked, compared, written. A sample that passes the
door and breaks a query later would take the whole series with it.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import strategies

from nilometer.alert import STATISTICS
from nilometer.compare import COMPARATORS, compare, exact_reference_column
from nilometer.profile import (
    Bounds,
    Coverage,
    FeatureProfile,
    FeatureSpec,
    ServiceProfile,
    SummarySample,
)
from nilometer.v1 import alert_pb2, summary_pb2
from nilometer.values.errors import NilometerError
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer.wire import alerts, references
from nilometer.wire.contents.feature import feature_from_wire, feature_to_wire
from nilometer.wire.coverage import coverage_from_wire
from nilometer.wire.samples import (
    parts_by_summary,
    sample_from_bytes,
    sample_from_wire,
    sample_to_bytes,
)
from nilometer.wire.sketches.distinct import distinct_from_wire
from nilometer.wire.sketches.exponential import histogram_from_wire
from nilometer.wire.sketches.frequent import frequent_from_wire
from nilometer.wire.sketches.moments import moments_from_wire
from nilometer.wire.sketches.tdigest import digest_from_wire, varints

REFUSALS = (ValueError, NilometerError)

READERS: list[Callable[[bytes], Any]] = [
    sample_from_bytes,
    lambda packed: list(parts_by_summary(packed)),
    references.reference_from_bytes,
    alerts.alerter_from_bytes,
]

GOOD = strategies.feature_of([-1.0, 0.0, 2.0, 1e9, "a", True, None, [1]])
REFERENCE = exact_reference_column(
    strategies.feature_of([-1.0, 0.0, 2.0]), np.array([-1.0, 0.0, 2.0]), 32
)


def read(reader: Callable[[Any], Any], packed: Any) -> Any:
    try:
        return reader(packed)
    except REFUSALS:
        return None


def work_with(sample: SummarySample) -> None:
    """Everything the agent and the collector do with a sample that they accepted."""
    content = sample.content
    for statistic in STATISTICS.values():
        value = statistic(content)
        assert value is None or isinstance(value, float)
    sample_to_bytes(sample)
    other = GOOD if isinstance(content, FeatureProfile) else ServiceProfile()
    good = SummarySample(
        entity=sample.entity,
        summary=sample.summary,
        labels=sample.labels,
        window=sample.window,
        coverage=sample.coverage,
        content=other,
        sample=sample.sample,
    )
    try:
        merged = SummarySample.merge_all([sample, good, sample], sample.window, sample.labels)
    except NilometerError:  # other parameters: incompatible, on purpose
        return
    assert merged.content.count == 2 * content.count + other.count
    if isinstance(merged.content, FeatureProfile):
        quantiles = merged.content.numbers.digest.quantile([0.0, 0.5, 1.0]).tolist()
        assert quantiles == sorted(quantiles)
        for comparator in COMPARATORS.values():
            compare(comparator, REFERENCE, content if isinstance(content, FeatureProfile) else GOOD)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@given(packed=st.binary(max_size=200))
@example(packed=b"\xff\xff\xff")
def test_any_bytes_are_read_or_refused(reader: Callable[[bytes], Any], packed: bytes) -> None:
    read(reader, packed)


@given(strategies.samples, st.data())
def test_a_cut_sample_is_read_or_refused(sample: SummarySample, data: st.DataObject) -> None:
    packed = sample_to_bytes(sample)
    cut = packed[: data.draw(st.integers(0, len(packed)))]
    found = read(sample_from_bytes, cut)
    if found is not None:
        work_with(found)


@given(strategies.samples, st.data())
def test_a_sample_with_wrong_bytes_is_refused_or_of_use(
    sample: SummarySample, data: st.DataObject
) -> None:
    packed = bytearray(sample_to_bytes(sample))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    found = read(sample_from_bytes, bytes(packed))
    if found is not None:
        work_with(found)


unsigned = st.integers(0, 5) | st.integers(0, 2**64 - 1)
signed = st.integers(-5, 5) | st.integers(-(2**31), 2**31 - 1)
any_float = st.floats() | strategies.awkward
small_counts = st.lists(unsigned, max_size=5)
bucket_messages = st.builds(
    summary_pb2.ExponentialHistogram.Buckets, offset=signed, counts=small_counts
)
histogram_messages = st.builds(
    summary_pb2.ExponentialHistogram,
    scale=signed | st.integers(-12, 22),
    zero_count=unsigned,
    positive=bucket_messages,
    negative=bucket_messages,
)
digest_messages = st.builds(
    summary_pb2.TDigest,
    compression=any_float | st.sampled_from([20.0, 100.0]),
    count=unsigned,
    min=any_float,
    max=any_float,
    means=st.binary(max_size=12),
    weights=st.binary(max_size=6) | st.lists(st.integers(0, 9), max_size=3).map(bytes),
)


@st.composite
def plausible_digests(draw: st.DrawFn) -> summary_pb2.TDigest:
    """Digests whose lengths and count agree, whatever their centroids say."""
    deltas = draw(st.lists(st.integers(0, 2**36) | unsigned, min_size=1, max_size=4))
    weights = [draw(st.integers(0, 3) | st.integers(0, 2**62)) for _ in deltas]
    flags = [weight << 1 | draw(st.integers(0, 1)) for weight in weights]
    return summary_pb2.TDigest(
        compression=draw(st.sampled_from([20.0, 100.0, float("inf"), 1e300])),
        count=sum(weights) % 2**64,
        min=draw(any_float),
        max=draw(any_float),
        means=varints(np.array(deltas, dtype=np.uint64)),
        weights=varints(np.array(flags, dtype=np.uint64)),
    )


digest_messages |= plausible_digests()
frequent_messages = st.builds(
    summary_pb2.Frequent,
    capacity=st.sampled_from([0, 1, 2, 64, 2**32 - 1]),
    total=unsigned,
    values=st.lists(st.text("ab", max_size=1), max_size=3),
    counts=small_counts,
    errors=small_counts,
)
distinct_messages = st.builds(
    summary_pb2.Distinct,
    precision=st.integers(0, 20),
    registers=st.binary(max_size=20),
    sparse=st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 2**18), max_size=4),
)
moments_messages = st.builds(
    summary_pb2.Moments, count=unsigned, mean=any_float, m2=any_float, m3=any_float, m4=any_float
)
numeric_messages = st.builds(
    summary_pb2.Numeric,
    moments=moments_messages,
    digest=digest_messages,
    histogram=histogram_messages,
)
feature_messages = st.builds(
    summary_pb2.Feature,
    missing=unsigned,
    nan=unsigned,
    types=st.dictionaries(st.sampled_from(["number", "x", ""]), unsigned),
    numeric=st.none() | numeric_messages,
    categories=st.none() | frequent_messages,
    distinct=st.none() | distinct_messages,
)


@pytest.mark.parametrize(
    ("reader", "messages"),
    [
        (histogram_from_wire, histogram_messages),
        (digest_from_wire, digest_messages),
        (frequent_from_wire, frequent_messages),
        (distinct_from_wire, distinct_messages),
        (moments_from_wire, moments_messages),
        (feature_from_wire, feature_messages),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
@given(data=st.data())
def test_a_contradictory_message_is_refused_or_of_use(
    reader: Callable[[Any], Any], messages: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    found = read(reader, data.draw(messages))
    if found is None:
        return
    match reader.__name__:
        case "histogram_from_wire":
            found.merge(GOOD.numbers.histogram)
            found.merge(found).quantile(0.5)
        case "digest_from_wire":
            quantiles = found.quantile([0.0, 0.5, 1.0])
            assert found.count == 0 or found.min <= quantiles[0] <= quantiles[1] <= quantiles[2]
            again = found.merge(found)
            assert again.count == 2 * found.count
        case "frequent_from_wire":
            assert found.merge(found).total == 2 * found.total
            assert all(count >= found.errors.get(v, 0) for v, count in found.counts.items())
        case "distinct_from_wire":
            assert found.merge(found).estimate == found.estimate >= 0
        case "moments_from_wire":
            assert (
                found.merge(GOOD.numbers.moments).count == found.count + GOOD.numbers.moments.count
            )
            spread = found.standard_deviation
            assert spread is None or spread >= 0 or math.isnan(spread)
        case _:
            work_with(
                SummarySample(
                    entity="e",
                    summary="input.a",
                    labels=Labels(),
                    window=Window(0, 1),
                    coverage=Coverage(),
                    content=found,
                )
            )


@given(
    st.builds(
        alert_pb2.Alerter,
        entity=st.sampled_from(["e", ""]),
        name=st.sampled_from(["n", ""]),
        summary=st.sampled_from(["*", ""]),
        kind=st.sampled_from([0, 1, 2, 3, 99]),
        statistic=st.sampled_from(["mean", "nope", ""]),
        comparison=st.sampled_from([">", "=>", ""]),
        threshold=any_float,
        low=any_float,
        high=any_float,
        reference=st.sampled_from(["training", ""]),
        comparator=st.sampled_from(["psi", "js", ""]),
        minimum_count=unsigned,
        windows_to_open=st.integers(0, 2**32 - 1),
        windows_to_close=st.integers(0, 2),
        severity=st.sampled_from(["info", "fatal", ""]),
    )
)
def test_an_alerter_message_is_an_alerter_or_refused(message: alert_pb2.Alerter) -> None:
    found = read(alerts.alerter_from_wire, message)
    if found is not None:
        assert alerts.alerter_from_bytes(alerts.alerter_to_bytes(found)) == found


def test_two_values_of_different_magnitude_are_no_bomb() -> None:
    """Two hostile buckets 2**32 apart at any scale: laid out, they would fill the memory."""
    far = [
        summary_pb2.ExponentialHistogram(
            scale=scale,
            positive=summary_pb2.ExponentialHistogram.Buckets(offset=offset, counts=[1]),
        )
        for scale in (20, -10)
        for offset in (2**31 - 1, -(2**31))
    ]
    for message in far:
        found = read(histogram_from_wire, message)
        if found is not None:
            found.merge(GOOD.numbers.histogram)


def buckets(offset: int, *counts: int) -> summary_pb2.ExponentialHistogram:
    side = summary_pb2.ExponentialHistogram.Buckets(offset=offset, counts=counts)
    return summary_pb2.ExponentialHistogram(scale=0, positive=side)


def centroids(deltas: list[int], flags: list[int], **more: float) -> summary_pb2.TDigest:
    settings: dict[str, Any] = {"min": -1e9, "max": 1e9, "compression": 100.0, **more}
    return summary_pb2.TDigest(
        count=sum(flag >> 1 for flag in flags),
        means=varints(np.array(deltas, dtype=np.uint64)),
        weights=varints(np.array(flags, dtype=np.uint64)),
        **settings,
    )


ZERO = 1 << 35  # what the codec writes for 0.0


@pytest.mark.parametrize(
    ("reader", "message", "why"),
    [
        *(
            (
                histogram_from_wire,
                summary_pb2.ExponentialHistogram(scale=scale, zero_count=1),
                "histogram",
            )
            for scale in (21, -11, -1024, 2**31 - 1, -(2**31))
        ),
        (histogram_from_wire, buckets(0, *[1] * 161), "histogram"),
        (histogram_from_wire, buckets(5000, 1), "histogram"),
        (histogram_from_wire, buckets(-5000, 1), "histogram"),
        (digest_from_wire, centroids([ZERO, 1], [2, 0]), "t-digest"),
        (digest_from_wire, centroids([ZERO], [2], min=2.0, max=1.0), "t-digest"),
        (digest_from_wire, centroids([ZERO], [2], min=float("nan")), "t-digest"),
        (digest_from_wire, centroids([ZERO], [2], max=float("inf")), "t-digest"),
        (digest_from_wire, centroids([1], [2]), "t-digest"),
        (digest_from_wire, centroids([ZERO, 2**64 - 9], [2, 2]), "t-digest"),
        (digest_from_wire, centroids([ZERO, 1], [2]), "t-digest"),
        (digest_from_wire, centroids([ZERO], [2**55]), "t-digest"),
        (digest_from_wire, centroids([ZERO], [2], compression=1.0), "compression"),
        (digest_from_wire, centroids([ZERO], [2], compression=1e999), "compression"),
        (frequent_from_wire, summary_pb2.Frequent(), "heavy hitters"),
        (
            frequent_from_wire,
            summary_pb2.Frequent(capacity=1, total=2, values=["a", "b"], counts=[1, 1]),
            "heavy hitters",
        ),
        (
            frequent_from_wire,
            summary_pb2.Frequent(capacity=2, total=1, values=["a"], counts=[2]),
            "heavy hitters",
        ),
        (
            frequent_from_wire,
            summary_pb2.Frequent(capacity=2, total=2, values=["a"], counts=[1], errors=[2]),
            "heavy hitters",
        ),
        (
            frequent_from_wire,
            summary_pb2.Frequent(capacity=2, total=2, values=["a"], counts=[1, 1]),
            "zip",
        ),
        (
            distinct_from_wire,
            summary_pb2.Distinct(precision=4, registers=b"\x3e" * 16),
            "register",
        ),
        (
            distinct_from_wire,
            summary_pb2.Distinct(precision=4, sparse=[16 << 8 | 1]),
            "register",
        ),
        (
            distinct_from_wire,
            summary_pb2.Distinct(precision=5, registers=b"\x01" * 16),
            "needs 32",
        ),
        (
            feature_from_wire,
            summary_pb2.Feature(numeric=summary_pb2.Numeric(moments=summary_pb2.Moments(count=5))),
            r"count \[0, 5\]",
        ),
    ],
)
def test_a_contradiction_is_refused(reader: Callable[[Any], Any], message: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        reader(message)


def test_counts_on_edges_that_miss_numbers_are_refused() -> None:
    message = feature_to_wire(
        strategies.feature_of([1.0], FeatureSpec(bounds=Bounds(edges=(0.0,))))
    )
    message.numeric.binned.counts[1] = 7
    with pytest.raises(ValueError, match="count"):
        feature_from_wire(message, lambda _: (0.0,))


def test_coverage_that_does_not_add_up_is_refused() -> None:
    message = summary_pb2.Coverage(seen=3, profiled=2)
    with pytest.raises(ValueError, match="coverage of 2 does not add up to 3 seen"):
        coverage_from_wire(message)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_more_lost_sides_than_were_profiled_are_refused(side: str) -> None:
    message = summary_pb2.Coverage(seen=3, profiled=2, sampled_out=1)
    getattr(message, f"lost_{side}").update({"too_large": 2, "malformed": 1})
    with pytest.raises(ValueError, match=f"{side}: 3 lost exceed 2 profiled"):
        coverage_from_wire(message)


def test_a_sample_without_content_is_refused() -> None:
    message = summary_pb2.SummarySample(
        entity="e", summary="input.a", window_start_unix_nano=0, window_end_unix_nano=1
    )
    with pytest.raises(ValueError, match=r"'input\.a' has no content"):
        sample_from_wire(message)


@pytest.mark.parametrize(
    "change",
    [
        {"window_end_unix_nano": 0},
        {"labels": {"Not-A-Key": "x"}},
        {"labels": {"a": "x" * 257}},
    ],
)
def test_labels_and_windows_that_are_not_allowed_are_refused(change: dict[str, Any]) -> None:
    message = summary_pb2.SummarySample(
        **{
            "entity": "e",
            "summary": "input.a",
            "window_end_unix_nano": 1,
            "feature": summary_pb2.Feature(),
            **change,
        }
    )
    with pytest.raises(NilometerError):
        sample_from_wire(message)


def test_bins_that_do_not_fit_their_edges_are_refused() -> None:
    feature = strategies.feature_of([1.0], FeatureSpec(bounds=Bounds(edges=(0.0,))))
    message = feature_to_wire(feature)
    with pytest.raises(ValueError, match="2 edges need 3 counts"):
        feature_from_wire(message, lambda _: (0.0, 1.0))
