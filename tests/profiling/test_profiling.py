import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.profile import (
    Coverage,
    FeatureProfile,
    FeatureSpec,
    ScoreProfile,
    ServiceProfile,
    SummarySample,
)
from nilometer.profiling.admission import Names
from nilometer.profiling.layout import LONGEST_PAUSE, Layout, Part, by_kind
from nilometer.profiling.observation import Observation, pack, readable
from nilometer.profiling.profiling import FEWEST_ALIKE, Profiling
from nilometer.profiling.segments import ABSENT, MAX_OPEN_WINDOWS, MIXED, LabelSets, Segments
from nilometer.values.errors import ConfigError
from nilometer.values.labels import OVERFLOW_KEY, Labels
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
        {"response_body": None},
        {"response_body": b"{"},
        {"response_type": "image/png"},
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
        for one in batch:
            slow.observe([one])
    assert read(fast) == read(slow)


def read_at_once(layout: Layout, arrays: Sequence[Any]) -> list[Part] | None:
    """What *layout* makes of a batch; it learns what it cannot read, as `Profiling` has it do."""
    sent = pack(arrays)
    found = layout.read(sent, FEWEST_ALIKE)
    if found is None:
        layout.learn(sent, readable(arrays))
    return found


def test_a_kind_that_came_before_is_read_at_once() -> None:
    """Else the test above would compare the long way with itself."""
    batch = [observation({"a": at / 2}, prediction_id=f"id-{at}") for at in range(FEWEST_ALIKE)]
    for fields in (len(Observation.__struct_fields__), 15):  # the second is an older worker's
        layout = Layout()
        arrays = [_tuple(one)[:fields] for one in batch]
        assert read_at_once(layout, arrays) is None
        ((kind, rows),) = read_at_once(layout, arrays) or []
        assert kind is not None
        assert [(row.latency, row.request_body, row.in_flight) for row in rows] == [
            (one.latency, one.request_body, one.in_flight) for one in batch
        ]
        ((kind, few),) = read_at_once(layout, arrays[:2]) or []
        assert kind is None
        assert few == readable(arrays[:2])


def test_kinds_of_a_mixed_batch_are_read_at_once_each() -> None:
    """A request that fails sends none of the others the long way."""
    plain = [observation({"a": at / 2}) for at in range(2 * FEWEST_ALIKE)]
    created = [observation({"a": at / 2}, status=201) for at in range(FEWEST_ALIKE)]
    failed = observation({"a": 1.0}, status=500, outcome="server_error")
    named = observation({"a": 1.0}, labels={"tier": "gold"})
    batch = [named, *plain[1:], failed, named, *created, plain[0]]
    found = by_kind(batch, FEWEST_ALIKE)
    assert [(kind and kind.status, len(rows)) for kind, rows in found] == [
        (None, 1),
        (200, len(plain)),
        (None, 2),
        (201, len(created)),
    ]


def _tuple(one: Observation) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in one.__struct_fields__)


NOT_PLAIN: dict[str, list[Any]] = {
    "arrival_ns": ["soon", -1, 1.5],
    "latency": [None, math.nan, math.inf, -1.0],
    "request_size": [1.5, -1, 1 << 60],
    "in_flight": [1 << 40],
    "status": ["ok", 500, 0],
    "method": [7, "GET"],
    "outcome": [[1], "server_error"],
    "path": [3],
    "request_type": [None, "text/csv"],
    "request_encoding": ["gzip"],
    "event_time": ["2026-11-29T00:00:00Z"],
    "stream_end": ["completed"],
    "labels": [{"tier": "gold"}, 7],
    "values": [b"\x80"],
    "share": [2.0, 0.0, -0.5, math.nan, "all"],
    "left_out": [1, None],
    "values_only": [True],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, some in NOT_PLAIN.items() for value in some]
)
def test_what_is_of_no_plain_kind_is_not_read_at_once(field: str, value: Any) -> None:
    at = Observation.__struct_fields__.index(field)
    layout = Layout()
    arrays = [list(_tuple(observation({"a": 1.0}))) for _ in range(2 * FEWEST_ALIKE)]
    assert read_at_once(layout, arrays) is None
    assert read_at_once(layout, arrays) is not None
    odd = [*arrays[0][:at], value, *arrays[0][at + 1 :]]
    for batch in ([odd, *arrays[1:]], [odd] * FEWEST_ALIKE):
        for parts in (
            layout.read(pack(batch), FEWEST_ALIKE) or [],
            by_kind(readable(batch), FEWEST_ALIKE),
        ):
            read = sum(len(rows) for kind, rows in parts if kind is not None)
            assert read <= len(batch) - batch.count(odd)


def test_shares_of_one_batch_are_told_apart_by_its_structure() -> None:
    held = [observation({"a": 1.0}, share=0.25) for _ in range(FEWEST_ALIKE)]
    left_out = [observation({}, share=0.25, left_out=True) for _ in range(2)]
    layout = Layout()
    arrays = [_tuple(one) for one in (held[0], left_out[0], *held[1:], *left_out[1:])]
    assert read_at_once(layout, arrays) is None
    (held_kind, rows), (few_kind, few) = read_at_once(layout, arrays) or []
    assert held_kind is not None
    assert (held_kind.share, held_kind.left_out, len(rows)) == (0.25, False, len(held))
    assert (few_kind, few) == (None, left_out)


def test_a_kind_that_keeps_changing_is_looked_for_less_and_less() -> None:
    kinds = [[_tuple(observation({"a": 1.0}, status=status))] for status in (200, 201)]
    layout = Layout()
    assert not any(read_at_once(layout, kinds[at % 2]) for at in range(4 * LONGEST_PAUSE))
    waited = [read_at_once(layout, kinds[0]) is None for _ in range(2 * LONGEST_PAUSE)]
    assert 8 < sum(waited) <= LONGEST_PAUSE + 1
    assert not waited[-1]


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


@pytest.mark.parametrize("count", [1, 2 * FEWEST_ALIKE])
@pytest.mark.parametrize(
    ("lost", "inputs", "outputs"),
    [
        ({}, "", ""),
        ({"response_body": None}, "", "too_large"),
        ({"response_type": "model/gltf"}, "", "unknown_content_type"),
        ({"response_body": b"{"}, "", "malformed"),
        ({"response_body": b'[{"a": 1}, 2]'}, "", "wrong_shape"),
        ({"response_encoding": "unheard-of"}, "", "encoded"),
        ({"response_body": b""}, "", "empty"),
        ({"response_body": b"[]"}, "", "empty"),
        ({"response_body": b'{"predictions": []}'}, "", "empty"),
        ({"response_body": b"data: [DONE]\n\n", "response_type": "text/event-stream"}, "", "empty"),
        ({"request_body": b"[]"}, "empty", ""),
        ({"request_body": b'{"a":1}\nx\n{"a":2}', "request_type": "application/jsonl"}, "partial", ""),
        ({"request_body": b'{"inputs": []}'}, "empty", ""),
        ({"request_body": b"age,income\n", "request_type": "text/csv; header=present"}, "empty", ""),
        ({"request_body": None}, "too_large", ""),
        ({"request_body": b"{"}, "malformed", ""),
        ({"method": "GET", "request_body": b""}, "", ""),  # asks for nothing: nothing is lost
    ],
)  # fmt: skip
def test_a_side_that_is_lost_is_counted(
    lost: dict[str, Any], inputs: str, outputs: str, count: int
) -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    profiling.observe_packed(packed([observation({"a": 1.0}, **lost)] * count))
    for sample in samples(profiling).values():
        assert (sample.coverage.seen, sample.coverage.profiled) == (count, count)
        assert sample.coverage.lost_inputs == ({inputs: count} if inputs else {})
        assert sample.coverage.lost_outputs == ({outputs: count} if outputs else {})


def test_a_stream_that_is_known_at_both_ends_is_profiled_and_partial() -> None:
    chunk = '{"object": "chat.completion.chunk", "model": "m", "choices": [%s], "usage": %s}'
    first = chunk % ('{"index": 0, "delta": {"content": "a"}}', "null")
    last = chunk % ("", '{"prompt_tokens": 3, "completion_tokens": 5000}')
    told = {
        "response_body": None,
        "response_type": "text/event-stream",
        "response_ends": (f"data: {first}\n\nda".encode(), f"}}\n\ndata: {last}\n\n".encode()),
        "response_size": 10**6,
        "stream_end": "completed",
    }
    profiling = Profiling("tested", BASE, MINUTE)
    profiling.observe_packed(packed([observation({"a": 1.0}, **told)] * 3))
    found = samples(profiling)
    labels = Labels.of({**BASE.as_dict(), "model": "m"})
    assert found["service", labels].coverage == Coverage(profiled=3, lost_outputs={"partial": 3})
    tokens = feature(found["output.output_tokens", labels])
    assert (tokens.numbers.digest.min, tokens.numbers.digest.max) == (5000, 5000)
    assert feature(found["output.characters", labels]).missing == 3


def test_an_agent_of_yesterday_reads_what_a_worker_of_today_sends() -> None:
    """It knows no field behind `values_only`: it counts the answer as over the cap, as ever."""
    at = Observation.__struct_fields__.index("response_ends")

    class Yesterday(msgspec.Struct, array_like=True):
        arrival_ns: int
        rest: int = 0

    fields = _tuple(observation({"a": 1.0}, response_body=None, response_ends=(b"data:", b"x")))
    assert fields[at] == (b"data:", b"x")
    (read_by,) = msgspec.msgpack.Decoder(list[Yesterday]).decode(pack([(1, 2, *fields[at:])]))
    assert read_by.rest == 2
    assert fields[Observation.__struct_fields__.index("response_body")] is None


@pytest.mark.parametrize("count", [1, 2 * FEWEST_ALIKE])
def test_the_length_of_the_json_before_binary_tensors_comes_from_its_header(count: int) -> None:
    """Without it, these bytes are white space behind a JSON document without data."""
    parameters = {"binary_data_size": 2}
    tensor = {"name": "x", "shape": [2], "datatype": "UINT8", "parameters": parameters}
    head, answer = (json.dumps({key: [tensor]}).encode() for key in ("inputs", "outputs"))
    bodies = {"request_body": head + b"  ", "response_body": answer + b"\n "}
    lengths = (str(len(head)), str(len(answer)))
    profiling = Profiling("tested", BASE, MINUTE)
    told = observation({}, **bodies, header_lengths=lengths)
    profiling.observe_packed(packed([told] * count))
    found = samples(profiling)
    assert found["service", BASE].coverage == Coverage(profiled=count)
    for name, cells in (("input.x", [32, 32]), ("output.x", [10, 32])):
        digest = feature(found[name, BASE]).numbers.digest
        assert (digest.count, digest.min, digest.max) == (2 * count, min(cells), max(cells))


def test_a_header_of_words_is_known_by_the_names_of_its_entity() -> None:
    words = observation({}, request_body=b"name,city\nann,rome\n", request_type="text/csv")
    declared = Names(lambda: frozenset({"input.city"}))
    for names, expected in (
        (Names(), {"input.0", "input.1"}),
        (declared, {"input.name", "input.city"}),
    ):
        profiling = Profiling("tested", BASE, MINUTE, names=names)
        profiling.observe([words, words])
        assert {name for name, _ in samples(profiling) if name.startswith("input.")} == expected
    profiling = Profiling("tested", BASE, MINUTE)
    profiling.observe([observation({"city": "rome", "name": "ann"}), words])
    assert {name for name, _ in samples(profiling) if name.startswith("input.")} == {
        "input.name",
        "input.city",
    }


def test_a_worker_of_yesterday_is_read_by_an_agent_of_today() -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    at = Observation.__struct_fields__.index("response_ends")
    yesterday = [_tuple(observation({"a": 1.0}, response_body=None))[:at]] * 3
    profiling.observe_packed(pack(yesterday))
    coverage = samples(profiling)["service", BASE].coverage
    assert coverage == Coverage(profiled=3, lost_outputs={"too_large": 3})


@pytest.mark.parametrize("count", [1, 2 * FEWEST_ALIKE])
@pytest.mark.parametrize(
    ("request_body", "response_body", "reason"),
    [
        (b"{", None, "malformed"),
        (b"[]", b"[]", "empty"),
        (b'{"instances": []}', b'{"predictions": []}', "empty"),
        (b"[]", None, "empty"),
        (b"{", b"[]", "malformed"),
    ],
)
def test_an_observation_without_columns_loses_no_side_beside(
    request_body: bytes, response_body: bytes | None, reason: str, count: int
) -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    profiling.observe([observation({"a": 1.0})])
    profiling.take()
    one = observation({}, request_body=request_body, response_body=response_body)
    profiling.observe_packed(packed([one] * count))
    (sample,) = samples(profiling).values()
    assert sample.coverage == Coverage(undecodable={reason: count})


@pytest.mark.parametrize(
    ("values", "lost"),
    [({"score": 0.5}, {}), ({"output.score": [0.5]}, {}), ({"output": {"score": 0.5}}, {}),
     ({"input.b": 2.0}, {"too_large": 1}), ({}, {"too_large": 1})],
)  # fmt: skip
def test_what_the_model_hands_over_is_not_lost(
    values: dict[str, Any], lost: dict[str, int]
) -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    handed = msgspec.msgpack.encode(values)
    profiling.observe([observation({"a": 1.0}, response_body=None, values=handed)])
    assert samples(profiling)["input.a", BASE].coverage.lost_outputs == lost


@pytest.mark.parametrize("body", [b"[]", b"{"])
def test_values_that_the_model_hands_over_are_columns_of_an_observation(body: bytes) -> None:
    profiling = Profiling("tested", BASE, MINUTE)
    handed = msgspec.msgpack.encode({"score": 0.5})
    profiling.observe([observation({}, request_body=body, response_body=body, values=handed)])
    coverage = samples(profiling)["output.score", BASE].coverage
    reason = "empty" if body == b"[]" else "malformed"
    assert coverage == Coverage(profiled=1, lost_inputs={reason: 1})


def test_sampled_out_observations_lose_no_side() -> None:
    profiling = Profiling("tested", BASE, MINUTE, sample=0.5, seed=7)
    profiling.observe([observation({"a": 1}, response_body=None) for _ in range(200)])
    coverage = samples(profiling)["service", BASE].coverage
    assert 0 < coverage.profiled < 200
    assert coverage.lost_outputs == {"too_large": coverage.profiled}


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
    assert len(profiling._label_sets._sets) <= MAX_OPEN_WINDOWS


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
    labels = Labels.of({**BASE.as_dict(), "model": "m"})
    streams = service(samples(profiling)["service", labels]).streams
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


@pytest.mark.parametrize("count", [1, 32])
def test_texts_under_the_name_of_a_prompt_have_lengths_and_no_categories(count: int) -> None:
    """One by one, and in one pass."""
    profiling = Profiling("tested", BASE, MINUTE)
    one = observation({"prompt": "tell me a secret", "country": "NL"})
    profiling.observe([one] * count)
    found = samples(profiling)
    prompt = feature(found["input.prompt", BASE])
    assert (prompt.types, prompt.categories.total) == ({"string": count}, 0)
    characters = feature(found["input.prompt.characters", BASE])
    assert characters.numbers.count == count
    assert feature(found["input.country", BASE]).categories.total == count
