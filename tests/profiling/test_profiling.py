import json
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.profile import (
    FeatureProfile,
    FeatureSpec,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.profiling.observation import Observation, pack
from nilometer.profiling.profiling import FEWEST_ALIKE, MAX_OPEN_WINDOWS, Profiling
from nilometer.profiling.segments import ABSENT, MIXED, LabelSets, Segments
from nilometer.values.errors import ConfigError
from nilometer.values.labels import OVERFLOW_KEY, Labels
from nilometer.values.steps import finished
from nilometer.values.window import Window

MINUTE = 60 * 10**9
START = 1_700_000_040 * 10**9
BASE = Labels.of(version="7")


def observation(request: Any, response: Any = 1.0, **more: Any) -> Observation:
    body, answer = json.dumps(request).encode(), json.dumps(response).encode()
    fields: dict[str, Any] = {
        "arrival_ns": START,
        "latency": 0.25,
        "status": 200,
        "outcome": "ok",
        "method": "POST",
        "path": "/predict",
        "request_size": len(body),
        "response_size": len(answer),
        "request_type": "application/json",
        "request_encoding": "",
        "response_type": "application/json",
        "response_encoding": "",
        "request_body": body,
        "response_body": answer,
    }
    return Observation(**(fields | more))


def packed(observations: list[Observation]) -> bytes:
    return pack(observations)


def samples(profiling: Profiling) -> dict[tuple[str, Labels], SummarySample]:
    found = [sample for profile in profiling.take() for sample in profile.samples()]
    return {(sample.summary, sample.labels): sample for sample in found}


def feature(sample: SummarySample) -> FeatureProfile:
    assert isinstance(sample.content, FeatureProfile)
    return sample.content


def service(sample: SummarySample) -> ServiceProfile:
    assert isinstance(sample.content, ServiceProfile)
    return sample.content


def read(profiling: Profiling) -> Any:
    return [
        (
            sample.summary,
            sample.window,
            sample.coverage,
            (sample.content.types, sample.content.numbers.moments, sample.content.missing)
            if isinstance(sample.content, FeatureProfile)
            else sample.content,
        )
        for profile in profiling.take()
        for sample in profile.samples()
    ]


rows = st.sampled_from(
    [{"a": 1.5, "b": 2}, {"a": 1.5, "b": None}, {"a": 2.5}, {"a": 1, "b": 1, "c": "x"}, [1, 2]]
)
oddities = st.sampled_from(
    [
        {},
        {"outcome": "server_error", "status": 500},
        {"request_body": None},
        {"request_body": b"{"},
        {"method": "GET", "request_body": b""},
        {"arrival_ns": START + MINUTE},
        {"request_encoding": "gzip"},
        {"stream_end": "completed", "first_byte": 0.1, "chunks": 3},
        {"labels": {"tier": "gold"}},
    ]
)


@given(st.lists(st.tuples(rows, oddities), max_size=6), st.booleans())
def test_batches_of_one_kind_are_profiled_as_each_alone(
    strange: list[tuple[Any, Any]],
    first: bool,  # noqa: FBT001  # drawn
) -> None:
    plain = [observation({"a": at / 2, "b": at}) for at in range(2 * FEWEST_ALIKE)]
    odd = [observation(row, **more) for row, more in strange]
    batch = odd + plain if first else plain + odd
    fast, slow = (Profiling("tested", BASE, MINUTE) for _ in range(2))
    for _ in range(2):
        fast.observe_packed(packed(batch))
        slow.observe(batch)
    assert read(fast) == read(slow)


def test_a_batch_of_one_kind_takes_the_short_way() -> None:
    """Else the test above would compare the long way with itself."""
    profiling = Profiling("tested", BASE, MINUTE)
    batch = [observation({"a": at / 2}) for at in range(FEWEST_ALIKE)]
    arrays = [list(_tuple(one)) for one in batch]
    assert finished(profiling._observe_alike(arrays))
    assert finished(
        profiling._observe_alike([array[:15] for array in arrays])
    )  # of an older worker
    assert not finished(profiling._observe_alike([*arrays, arrays[0][:15]]))


def _tuple(one: Observation) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in one.__struct_fields__)


@pytest.mark.parametrize(
    ("field", "value"),
    [("arrival_ns", "soon"), ("latency", None), ("request_size", 1.5), ("status", "ok"),
     ("method", 7), ("outcome", [1]), ("request_type", None)],
)  # fmt: skip
def test_fields_of_another_type_never_take_the_short_way(field: str, value: Any) -> None:
    at = Observation.__struct_fields__.index(field)
    arrays = [list(_tuple(observation({"a": 1.0}))) for _ in range(FEWEST_ALIKE)]
    for every in (arrays, arrays[:1]):
        for array in every:
            array[at] = value
        assert not finished(Profiling("tested", BASE, MINUTE)._observe_alike(arrays))


def test_one_observation_that_cannot_be_read_takes_no_other_with_it() -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    good = [observation({"a": float(number)}) for number in range(40)]
    spoilt = [(*_tuple(good[0])[:2], status, *_tuple(good[0])[3:]) for status in ("200", 2000)]
    batch = pack([*map(_tuple, good[:20]), *spoilt, *map(_tuple, good[20:])])
    assert profiling.observe_packed(batch) == 42
    found = samples(profiling)
    assert found["input.a", BASE].coverage.seen == 42
    assert found["service", BASE].coverage.dropped == {"malformed_batch": 2}
    assert service(found["service", BASE]).count == 40
    with pytest.raises(msgspec.ValidationError):
        profiling.observe_packed(pack(spoilt))


def test_a_window_that_ends_in_mid_batch_splits_it() -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    batch = [observation({"a": 1.0}, arrival_ns=START + at * MINUTE // 16) for at in range(32)]
    profiling.observe_packed(packed(batch))
    assert [profile.window.start_ns - START for profile in profiling.take()] == [0, MINUTE]


# Segments


def test_each_observation_has_one_label_set_and_they_add_up() -> None:
    profiling = Profiling(
        "tested", BASE, MINUTE, segments=Segments.of({"region": "input.region", "vip": "input.vip"})
    )
    regions = ["eu", "us", None, "eu", 7, 2.0, True, "x" * 1000, ""]
    for region in regions:
        row = {"region": region, "vip": True, "a": 1.0}
        profiling.observe([observation(row, labels={"tier": "gold", "Bad Key": "x"})])
    found = samples(profiling)
    counts = Counter[str]()
    for (summary, labels), sample in found.items():
        assert labels.as_dict()["version"] == "7"
        assert labels.as_dict()["tier"] == "gold"
        if summary == "input.a":
            counts[labels.as_dict()["region"]] += feature(sample).count
    assert counts == {"eu": 2, "us": 1, ABSENT: 2, "7": 1, "2": 1, "true": 1, "x" * 256: 1}
    assert sum(s.coverage.seen for (name, _), s in found.items() if name == "service") == 9


def test_rows_of_one_request_that_differ_are_mixed() -> None:
    profiling = Profiling("tested", BASE, MINUTE, segments=Segments.of({"r": "input.r"}))
    profiling.observe([observation([{"r": "eu"}, {"r": "us"}]), observation([{"r": "eu"}] * 2)])
    labels = {labels.as_dict()["r"] for _, labels in samples(profiling)}
    assert labels == {MIXED, "eu"}


def test_label_sets_past_the_cap_are_one_whose_sums_stay_right() -> None:
    profiling = Profiling(
        "tested", BASE, MINUTE, segments=Segments.of({"user": "input.user"}), max_label_sets=10
    )
    for number in range(500):
        profiling.observe([observation({"user": f"u{number % 100}", "a": float(number)})])
    found = samples(profiling)
    requests = {labels: s for (name, labels), s in found.items() if name == "service"}
    assert len(requests) == 10
    overflow = Labels.of({**BASE.as_dict(), OVERFLOW_KEY: "true"})
    assert requests[overflow].coverage.seen == 500 - 9 * 5
    assert sum(sample.coverage.seen for sample in requests.values()) == 500
    amounts = [feature(s).numbers.moments for (name, _), s in found.items() if name == "input.a"]
    assert sum(m.mean * m.count for m in amounts) == pytest.approx(sum(range(500)))


def test_label_sets_start_anew_when_windows_are_long_past() -> None:
    profiling = Profiling(
        "tested", BASE, MINUTE, segments=Segments.of({"user": "input.user"}), max_label_sets=2
    )
    for number in range(100):
        at = START + number * MINUTE
        profiling.observe([observation({"user": f"u{number}"}, arrival_ns=at)])
        (labels,) = {labels for _, labels in samples(profiling)}
        assert labels.as_dict()["user"] == f"u{number}"
    assert len(profiling._label_sets) <= MAX_OPEN_WINDOWS


def test_a_cap_is_of_one_window() -> None:
    sets = LabelSets(BASE, 3)
    assert sets.get({"a": "1"}) is sets.get({"a": "1"})
    assert OVERFLOW_KEY not in sets.get({"a": "2"}).as_dict()
    assert OVERFLOW_KEY in sets.get({"a": "3"}).as_dict()


@pytest.mark.parametrize(
    "rules",
    [
        {"Region": "input.r"},
        {"r": "r"},
        {"r": "service.r"},
        {"r": "input."},
        {OVERFLOW_KEY: "input.r"},
    ],
)
def test_a_rule_that_names_no_field_is_refused(rules: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="segments"):
        Segments.of(rules)


# Sampling


def test_sampled_out_requests_are_counted_and_not_decoded() -> None:
    profiling = Profiling("tested", BASE, MINUTE, sample=0.25, seed=1)
    batch = [observation({"a": float(at)}) for at in range(4000)]
    profiling.observe_packed(packed(batch))
    found = samples(profiling)
    requests = found["service", BASE]
    assert service(requests).count == requests.coverage.seen == 4000
    assert requests.coverage.profiled == pytest.approx(1000, abs=100)
    assert requests.coverage.sampled_out == 4000 - requests.coverage.profiled
    assert feature(found["input.a", BASE]).count == requests.coverage.profiled
    assert {sample.sample for sample in found.values()} == {0.25}


def test_sampling_does_not_follow_the_beat_of_the_traffic() -> None:
    """Every second request is another kind: an every-n-th sampler would see one of them."""
    profiling = Profiling("tested", BASE, MINUTE, sample=0.1, seed=2)
    profiling.observe([observation({"a": float(at % 2)}) for at in range(10_000)])
    mean = feature(samples(profiling)["input.a", BASE]).numbers.moments.mean
    assert mean == pytest.approx(0.5, abs=0.06)


def test_windows_that_were_thinned_differently_weigh_what_they_had() -> None:
    """A tenth of a busy shifted window, and the whole of a quiet one: as many requests each."""
    rng = np.random.default_rng(3)
    parts = []
    for sample, mean, minute in ((0.1, 10.0, 0), (1.0, 0.0, 1)):
        profiling = Profiling(
            "tested",
            BASE,
            MINUTE,
            sample=sample,
            seed=4,
            spec_of=lambda summary: FeatureSpec(
                score=(0.5,) if summary == "output.value" else None
            ),
        )
        at = START + minute * MINUTE
        values = rng.normal(mean, 1.0, 20_000)
        kinds = np.where(values > 5, "high", "low")
        profiling.observe(
            [
                observation({"a": float(value), "k": str(kind)}, mean / 10, arrival_ns=at)
                for value, kind in zip(values, kinds, strict=True)
            ]
        )
        parts.append(samples(profiling))
    both = Window(START, START + 2 * MINUTE)
    merged = SummarySample.merge_all([part["input.a", BASE] for part in parts], both, BASE)
    numbers = feature(merged).numbers
    assert numbers.moments.mean == pytest.approx(5.0, abs=0.2)
    assert float(numbers.digest.rank(5.0)) == pytest.approx(0.5, abs=0.03)
    assert numbers.digest.count == numbers.count
    assert numbers.histogram is not None
    assert numbers.histogram.count == numbers.count
    assert merged.coverage.seen == 40_000
    assert merged.sample == 1.0
    kinds_merged = feature(
        SummarySample.merge_all([part["input.k", BASE] for part in parts], both, BASE)
    )
    assert kinds_merged.categories.total == pytest.approx(40_000, rel=0.05)
    scores = SummarySample.merge_all(
        [part["output.value.scores", BASE] for part in parts], both, BASE
    )
    assert isinstance(scores.content, ScoreProfile)
    assert scores.content.score.mean == pytest.approx(0.5, abs=0.02)
    assert scores.content.count == scores.content.score.count
    assert scores.content.by_predicted()["1"] == pytest.approx(20_000, rel=0.1)


def test_a_share_that_changes_in_mid_window_makes_samples_of_its_own() -> None:
    profiling = Profiling("tested", BASE, MINUTE, sample=0.5, seed=5)
    profiling.observe([observation({"a": 1.0}) for _ in range(10)])
    profiling.sample = 1.0
    profiling.observe([observation({"a": 1.0}) for _ in range(10)])
    taken = profiling.take()
    assert [profile.sample for profile in taken] == [0.5, 1.0]
    assert sum(profile.coverage.seen for profile in taken) == 20


# The service


def test_streams_have_their_first_byte_their_gaps_and_their_end() -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    gaps = np.array([0.5, 0.25, np.nan, -1.0], "<f4").tobytes() + b"x"
    streamed = {"first_byte": 0.125, "chunks": 4, "chunk_gaps": gaps, "in_flight": 3}
    for end in ("completed", "client_left", "something new"):
        profiling.observe([observation({"a": 1.0}, stream_end=end, **streamed)])
    profiling.observe([observation({"a": 1.0}, in_flight=2)])
    profile = service(samples(profiling)["service", BASE])
    streams = profile.streams
    assert (profile.in_flight_max, streams.count, streams.chunks) == (3, 3, 12)
    assert streams.ends == {"completed": 1, "client_left": 1, "error": 1}
    assert (streams.first_byte.count, streams.first_byte_sum) == (3, 0.375)
    assert (streams.chunk_gap.count, streams.chunk_gap_sum) == (6, 2.25)
    assert streams.first_byte.quantile(0.5) == pytest.approx(0.125, rel=0.011)


def test_a_stream_that_tells_of_its_own_error_has_failed() -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    whole = b'data: {"object":"chat.completion.chunk","choices":[]}\n\n'
    failed = whole + b'data: {"error":{"message":"out of memory","code":500}}\n\n'
    for body in (whole + b"data: [DONE]\n\n", failed):
        profiling.observe(
            [
                msgspec.structs.replace(
                    observation({"model": "m", "messages": []}, stream_end="completed", chunks=2),
                    response_body=body,
                    response_type="text/event-stream",
                )
            ]
        )
    streams = service(samples(profiling)["service", BASE]).streams
    assert streams.ends == {"completed": 1, "error": 1}


def test_a_latency_is_known_to_a_hundredth_from_a_microsecond_to_an_hour() -> None:
    latencies = np.geomspace(1e-6, 3600, 1001).tolist()
    profile = ServiceProfile.of(
        outcomes={"ok": 1001}, statuses={}, latencies=latencies, request_sizes=[], response_sizes=[]
    )
    assert profile.latency.base == pytest.approx(1.0219, abs=1e-4)
    for at in range(0, 1001, 50):
        q = (at + 0.5) / 1001
        assert profile.latency.quantile(q) == pytest.approx(latencies[at], rel=0.0111)


def test_what_the_model_handed_over_stands_with_the_outputs_or_where_its_name_says() -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    values = msgspec.msgpack.encode({"margin": 0.5, "input.age": [30, 40], "tier": "gold"})
    batch = [observation({"a": 1.0}, values=values) for _ in range(FEWEST_ALIKE)]
    profiling.observe_packed(packed(batch))
    profiling.observe([observation({"a": 1.0}, values=b"\xc1"), observation({"a": 1.0})])
    found = samples(profiling)
    assert feature(found["output.margin", BASE]).numbers.moments.mean == 0.5
    assert feature(found["output.margin", BASE]).missing == 0  # it need not be handed over always
    assert feature(found["input.age", BASE]).count == 2 * FEWEST_ALIKE
    assert feature(found["output.tier", BASE]).categories.total == FEWEST_ALIKE
