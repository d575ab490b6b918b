"""Hypothesis strategies for domain values. `conftest.py` contains the settings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from nilometer.alert import (
    AgainstReference,
    Alerter,
    Evaluation,
    Fixed,
    Hours,
    Maintenance,
    Range,
    Repeat,
    Severity,
    ThresholdSide,
    Times,
    Verdict,
)
from nilometer.alert.conditions import (
    AgainstBaseline,
    AgainstOther,
    AgainstPrevious,
    Direction,
    Reported,
)
from nilometer.alert.statistic import STATISTICS
from nilometer.alert.times import DAYS
from nilometer.compare import COMPARATORS
from nilometer.profile import (
    Bounds,
    Coverage,
    Dictionary,
    FeatureProfile,
    FeatureRecorder,
    FeatureSpec,
    ServiceProfile,
    Streams,
    WebSockets,
)
from nilometer.profile.callers import NO_CALLERS, Callers
from nilometer.profile.summary import SummarySample
from nilometer.profile.websockets import NO_WEBSOCKETS
from nilometer.sketch.hashing import hash_strings
from nilometer.values.labels import Labels
from nilometer.values.reasons import (
    ConnectionEnd,
    DropReason,
    LostCellReason,
    Outcome,
    StreamEnd,
    UndecodableReason,
)
from nilometer.values.window import Window

few = settings(max_examples=40)  # for properties that take milliseconds per example

MAX_COUNT = 2**40  # largest counter in a test: far above real counts, far below 2**64

# All finite float64 values, including denormals, both zeros and 1.8e308.
finite = st.floats(allow_nan=False, allow_infinity=False)
awkward = st.sampled_from(
    [0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e308, -1e308, math.ulp(0.0), 1.7976931348623157e308]
)
streams = st.lists(finite | awkward, max_size=60)
streams_of_any = st.lists(finite | awkward, min_size=1, max_size=60)
# Magnitudes whose fourth powers do not overflow when added.
measurements = st.lists(st.integers(-1000, 1000).map(float), max_size=60)
tied = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=200)

names = st.text("abcdefgh", min_size=1, max_size=3)
words = st.lists(names, max_size=80)
edges = st.lists(st.integers(-50, 50).map(float), unique=True, max_size=6).map(
    lambda values: tuple(sorted(values))
)

# Values that a decoder or a data frame may put into a cell.
numpy_scalars = st.sampled_from(
    [
        np.float64(1.5),
        np.float32(-2.5),
        np.float16(0.5),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.bool_(True),  # noqa: FBT003  # a value, not an option
        np.str_("text"),
        np.bytes_(b"raw"),
        np.float64("nan"),
        np.float64("inf"),
        np.datetime64("2024-01-01"),
        np.datetime64("NaT"),
        np.complex128(1j),
        np.void(b"raw"),
    ]
)
decimals = st.sampled_from(
    [Decimal("1.10"), Decimal("NaN"), Decimal("Infinity"), Decimal("-1e999"), Decimal("1e-999")]
)
huge_integers = st.sampled_from([10**400, -(10**400), 2**1024, 2**53 + 1, -(2**64)])
cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    awkward,
    st.text(max_size=80),
    st.characters(categories=["Cs"]),  # lone surrogates, which JSON may contain
    st.binary(max_size=4),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from([(), {1}, object(), 1j, np.array([1.0, 2.0]), np.array(3.0), bytearray(b"x")]),
    numpy_scalars,
    decimals,
    huge_integers,
)
columns = st.lists(cells, max_size=30)

_counts = st.integers(1, MAX_COUNT)
_undecodable = st.dictionaries(st.sampled_from([r.value for r in UndecodableReason]), _counts)


def _coverage(
    further: int,
    sampled_out: int,
    dropped: dict[str, int],
    undecodable: dict[str, int],
    lost_inputs: dict[str, int],
    lost_outputs: dict[str, int],
    unnamed: dict[str, int],
    lost_cells: dict[str, int],
    suppressed: int,
) -> Coverage:
    """Add *further* observations, because only profiled ones can lose a side."""
    return Coverage(
        profiled=max(sum(lost_inputs.values()), sum(lost_outputs.values())) + further,
        sampled_out=sampled_out,
        dropped=dropped,
        undecodable=undecodable,
        lost_inputs=lost_inputs,
        lost_outputs=lost_outputs,
        unnamed=unnamed,
        lost_cells=lost_cells,
        suppressed=suppressed,
    )


coverages = st.builds(
    _coverage,
    st.integers(0, MAX_COUNT),
    st.integers(0, MAX_COUNT),
    st.dictionaries(st.sampled_from([r.value for r in DropReason]), _counts),
    _undecodable,
    _undecodable,
    _undecodable,
    st.dictionaries(st.sampled_from(["number", "string", "missing", "list"]), _counts),
    st.dictionaries(st.sampled_from([r.value for r in LostCellReason]), _counts),
    st.integers(0, MAX_COUNT),
)
requests = st.lists(
    st.tuples(
        st.sampled_from([outcome.value for outcome in Outcome]),
        st.sampled_from(["200", "404", "500", ""]),
        st.integers(0, 2**20).map(lambda ticks: ticks / 1024),  # seconds with exact sums
        st.integers(0, 2**30),
        st.integers(0, 2**30),
    ),
    max_size=20,
)


def streams_from(ends: list[str], first_bytes: list[float], gaps: list[float]) -> Streams:
    """Return streams with as many first bytes as ends."""
    counted = {end: ends.count(end) for end in ends}
    firsts = (first_bytes * len(ends))[: len(ends)] if first_bytes else [0.5] * len(ends)
    return Streams.of(
        ends=counted,
        first_bytes=firsts,
        gaps=np.array(gaps if ends else [], dtype=np.float64),
        chunks=len(gaps) + len(ends) if ends else 0,
        first_tokens=firsts[1:],
        first_reasonings=firsts[2:],
        per_tokens=gaps[1:] if ends else [],
    )


_ticks = st.integers(0, 2**20).map(lambda ticks: ticks / 1024)  # seconds with exact sums
streams_of_requests = st.builds(
    streams_from,
    st.lists(st.sampled_from([end.value for end in StreamEnd]), max_size=5),
    st.lists(_ticks, max_size=5),
    st.lists(_ticks, max_size=10),
)


websockets = st.builds(
    lambda ends, codes, durations, messages, sizes: WebSockets.of(
        ends=ends,
        close_codes=codes[: len(ends)],
        durations=(durations * len(ends))[: len(ends)],
        messages=messages if ends else (0, 0),
        sizes=sizes if ends else (0, 0),
    ),
    st.lists(st.sampled_from([end.value for end in ConnectionEnd]), max_size=5),
    st.lists(st.sampled_from([0, 1000, 1006, 4003]), max_size=5),
    st.lists(_ticks, min_size=1, max_size=5),
    st.tuples(st.integers(0, 2**30), st.integers(0, 2**30)),
    st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)),
)

callers = st.builds(
    lambda named, called: Callers.of(named, called) if named or called else NO_CALLERS,
    st.dictionaries(st.sampled_from(["gateway", "features", "no space"]), st.integers(1, 1000)),
    st.lists(
        st.tuples(
            st.integers(1, 2**64 - 1).map(lambda low: f"00-{low:032x}-00f067aa0ba902b7-01"),
            st.integers(0, 2**62),
            _ticks,
        ),
        max_size=40,
    ),
)


def service_of(
    observed: list[tuple[str, str, float, int, int]],
    streams: Streams | None = None,
    in_flight_max: int = 0,
    sockets: WebSockets = NO_WEBSOCKETS,
    callers: Callers = NO_CALLERS,
) -> ServiceProfile:
    """Return the profile of (outcome, status, latency, request bytes, response bytes)."""
    outcomes: dict[str, int] = {}
    statuses: dict[str, int] = {}
    for outcome, status, *_ in observed:
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if status:
            statuses[status] = statuses.get(status, 0) + 1
    served = ServiceProfile.of(
        outcomes=outcomes,
        statuses=statuses,
        latencies=[latency for _, _, latency, _, _ in observed],
        request_sizes=[size for _, _, _, size, _ in observed],
        response_sizes=[size for _, _, _, _, size in observed],
        in_flight_max=in_flight_max,
        streams=streams,
        websockets=sockets,
    )
    return replace(served, callers=callers)


def feature_of(column: Sequence[object], spec: FeatureSpec | None = None) -> FeatureProfile:
    """Return the profile of one column."""
    recorder = FeatureRecorder(spec)
    recorder.observe(column)
    return recorder.profile()


label_sets: st.SearchStrategy[Labels] = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    max_size=4,
).map(lambda pairs: Labels.of(_mapping(pairs)))


def _mapping(pairs: Mapping[str, str]) -> Mapping[str, str]:
    return pairs


windows = st.builds(
    lambda start, length: Window(start, start + length),
    st.integers(0, 2**62),
    st.integers(1, 10**15),
)
specs = st.builds(
    FeatureSpec,
    bounds=st.none() | st.builds(Bounds, edges=edges, low=st.none() | st.just(0.0)),
    dictionary=st.none()
    | st.builds(
        Dictionary,
        st.lists(names, max_size=3, unique=True).map(tuple),
        st.lists(names, max_size=3).map(lambda words: tuple(sorted(hash_strings(words).tolist()))),
        st.booleans(),
    ),
    readable=st.booleans(),
    key=st.sampled_from([b"", b"key"]),
    distinct=st.booleans(),
    distinct_numbers=st.booleans(),
)
samples = st.builds(
    SummarySample,
    entity=st.just("fraud-scorer"),
    summary=st.sampled_from(["input.amount", "output.score"]),
    labels=label_sets,
    window=windows,
    coverage=coverages,
    content=st.builds(feature_of, columns, specs)
    | st.builds(
        service_of, requests, streams_of_requests, st.integers(0, 2**20), websockets, callers
    ),
    sample=st.sampled_from([1.0, 0.5, 0.1]),
)
_finite_threshold = st.floats(-1e9, 1e9)
_statistics = st.sampled_from(sorted(STATISTICS))
conditions = st.one_of(
    st.builds(
        Fixed,
        statistic=_statistics,
        side=st.sampled_from(ThresholdSide),
        threshold=_finite_threshold,
    ),
    st.builds(
        Range,
        statistic=_statistics,
        low=st.just(-math.inf) | st.floats(-1e9, 0),
        high=st.just(math.inf) | st.floats(0, 1e9),
    ),
    st.builds(
        AgainstReference,
        reference=st.sampled_from(["training", "golden"]),
        comparator=st.sampled_from(list(COMPARATORS.values())),
        threshold=st.floats(1e-6, 10),
        direction=st.sampled_from(Direction),
    ),
    st.builds(AgainstPrevious, threshold=st.floats(1e-6, 10)),
    st.builds(
        AgainstBaseline,
        threshold=st.floats(1e-6, 10),
        days=st.integers(1, 60),
        same_hour=st.booleans(),
    ),
    st.builds(AgainstOther, threshold=st.floats(1e-6, 10), other_labels=st.just("version=1")),
    st.builds(Reported, function=st.sampled_from(["", "own.alerters:late"])),
)
_times = st.builds(
    Times,
    time_zone=st.sampled_from(["UTC", "Europe/Berlin"]),
    hours=st.lists(
        st.builds(
            Hours,
            days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
            start_minute=st.integers(0, 1439),
            end_minute=st.integers(0, 1440),
        ),
        max_size=2,
    ).map(tuple),
    maintenance=st.lists(
        st.builds(
            Maintenance,
            start_ns=st.just(10**18),
            end_ns=st.integers(10**18 + 1, 10**18 + 3600 * 10**9),
            repeat=st.sampled_from(Repeat),
        ),
        max_size=2,
    ).map(tuple),
)
alerters = st.builds(
    Alerter,
    entity=st.just("fraud-scorer"),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
    summary=st.sampled_from(["input.*", "output.score", "service"]),
    condition=conditions,
    minimum_count=st.integers(1, MAX_COUNT),
    windows_to_open=st.integers(1, 100),
    windows_to_close=st.integers(1, 100),
    for_seconds=st.floats(0, 1e6),
    delay_seconds=st.floats(0, 1e5),
    severity=st.sampled_from(Severity),
    times=_times,
)
evaluations = st.builds(
    Evaluation,
    alerter=alerters,
    summary=st.sampled_from(["input.amount", "service"]),
    labels=label_sets,
    window=windows,
    verdict=st.sampled_from(Verdict),
    value=st.floats(allow_nan=False),
    count=st.integers(0, MAX_COUNT),
    reference_digest=st.sampled_from(["", "00ff00ff00ff00ff"]),
    evidence=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    edge=st.booleans(),
    other_way=st.booleans(),
)
