from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import laws, strategies
from support.laws import Law, Subject, bits, sorted_items

from nilometer.sketch import (
    BinnedCounts,
    Distinct,
    ExponentialHistogram,
    Frequent,
    Moments,
    TDigest,
)
from nilometer.wire.sketches.distinct import distinct_from_wire, distinct_to_wire
from nilometer.wire.sketches.exponential import histogram_from_wire, histogram_to_wire
from nilometer.wire.sketches.frequent import frequent_from_wire, frequent_to_wire
from nilometer.wire.sketches.moments import moments_from_wire, moments_to_wire
from nilometer.wire.sketches.tdigest import digest_from_wire, digest_to_wire

EDGES = (-2.5, 0.0, 1e-300, 7.0)


def array(values: list[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def read_digest(digest: TDigest) -> Any:
    means, weights, atoms = digest.centroids()
    ends = (
        np.inf if digest.min is None else digest.min,
        -np.inf if digest.max is None else digest.max,
    )
    return digest.count, means.tobytes(), weights.tobytes(), atoms.tobytes(), bits(*ends)


def read_but_means(digest: TDigest) -> Any:
    _, weights, atoms = digest.centroids()
    return digest.count, weights.tobytes(), atoms.tobytes(), digest.min, digest.max


def read_moments(m: Moments) -> tuple[float, ...]:
    return m.count, m.mean, m.m2, m.m3, m.m4


def nearly(ours: tuple[float, ...], theirs: tuple[float, ...]) -> bool:
    """Alike within rounding, on the scale of measurements: at most 1000, so deviations 2000."""
    n = max(ours[0], 1)
    scales = [0.0, 2e3, *(n * 2e3**power for power in (2, 3, 4))]
    pairs = zip(ours, theirs, scales, strict=True)
    return all(abs(one - other) <= 1e-13 * scale for one, other, scale in pairs)


def read_frequent(f: Frequent) -> Any:
    return f.capacity, f.total, sorted_items(f.counts), sorted_items(f.errors)


def read_distinct(d: Distinct) -> Any:
    return d.precision, d.registers.tobytes()


def distinct_of(values: list[str]) -> Distinct:
    sketch = Distinct()
    sketch.observe_strings(values)
    return sketch


def distinct_numbers_of(values: list[float]) -> Distinct:
    sketch = Distinct(precision=4)
    sketch.observe_numbers(array(values))
    return sketch


def frequent_of(values: list[str]) -> Frequent:
    counted: dict[str, int] = {}
    for value in values:
        counted[value] = counted.get(value, 0) + 1
    return Frequent.of(counted, capacity=8)


SUBJECTS: list[Subject[Any]] = [
    Subject(
        name="t-digest",
        of=TDigest.of,
        streams=strategies.streams,
        merge=TDigest.merge,
        merge_all=TDigest.merge_all,
        count=lambda digest: digest.count,
        content=read_digest,
        round_trip=lambda digest: digest_from_wire(digest_to_wire(digest)),
        travels=read_but_means,
    ),
    Subject(
        name="coarse t-digest",
        of=lambda values: TDigest.of(values, compression=20),
        streams=st.lists(strategies.finite, min_size=0, max_size=200),
        merge=TDigest.merge,
        merge_all=TDigest.merge_all,
        count=lambda digest: digest.count,
        content=read_digest,
        round_trip=lambda digest: digest_from_wire(digest_to_wire(digest)),
        travels=read_but_means,
    ),
    Subject(
        name="moments",
        of=lambda values: Moments.of(array(values)),
        streams=strategies.measurements,
        merge=Moments.merge,
        count=lambda moments: moments.count,
        content=read_moments,
        exact=read_moments,
        same=nearly,
        commutes=nearly,
        round_trip=lambda moments: moments_from_wire(moments_to_wire(moments)),
    ),
    Subject(
        name="exponential histogram",
        of=lambda values: ExponentialHistogram.of(array(values)),
        # Magnitudes that keep the merge quick; test_histogram has the whole range.
        streams=st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), max_size=60),
        merge=ExponentialHistogram.merge,
        count=lambda histogram: histogram.count,
        content=lambda histogram: histogram,
        exact=lambda histogram: histogram,
        round_trip=lambda h: histogram_from_wire(histogram_to_wire(h)),
    ),
    Subject(
        name="binned counts",
        of=lambda values: BinnedCounts.of(array(values), EDGES),
        streams=strategies.streams,
        merge=BinnedCounts.merge,
        count=lambda binned: binned.count,
        content=lambda binned: binned,
        exact=lambda binned: binned,
    ),
    Subject(
        name="heavy hitters with room",
        of=lambda values: Frequent.of(dict.fromkeys(values, 2)),
        streams=st.lists(strategies.names, unique=True, max_size=20),
        size=lambda stream: 2 * len(stream),
        merge=Frequent.merge,
        count=lambda frequent: frequent.count,
        content=read_frequent,
        exact=read_frequent,
        round_trip=lambda f: frequent_from_wire(frequent_to_wire(f)),
    ),
    Subject(
        name="heavy hitters that overflow",
        of=frequent_of,
        streams=strategies.words,
        merge=Frequent.merge,
        count=lambda frequent: frequent.count,
        content=read_frequent,
        round_trip=lambda f: frequent_from_wire(frequent_to_wire(f)),
    ),
    Subject(
        name="distinct strings",
        of=distinct_of,
        streams=strategies.words,
        merge=Distinct.merge,
        count=lambda _: 0,
        size=lambda _: 0,
        content=read_distinct,
        exact=read_distinct,
        round_trip=lambda d: distinct_from_wire(distinct_to_wire(d)),
    ),
    Subject(
        name="distinct numbers",
        of=distinct_numbers_of,
        streams=strategies.streams,
        merge=Distinct.merge,
        count=lambda _: 0,
        size=lambda _: 0,
        content=read_distinct,
        exact=read_distinct,
        round_trip=lambda d: distinct_from_wire(distinct_to_wire(d)),
    ),
]


@pytest.mark.parametrize(("subject", "law"), [*laws.cases(SUBJECTS)], ids=laws.case_name)
@strategies.few
@given(data=st.data())
def test_a_sketch_obeys(subject: Subject[Any], law: Law, data: st.DataObject) -> None:
    law(subject, data)
