"""Rows, columns, windows, label sets and names, multiplied: memory stays within a budget."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from nilometer.decode import Side
from nilometer.decode.columns import ROWS_AT_ONCE, Block
from nilometer.decode.lists import MAX_SHORT
from nilometer.profile import FeatureProfile, SummarySample
from nilometer.profile.profiler import Batch, Profiler
from nilometer.profiling import admission, found
from nilometer.profiling.admission import Names
from nilometer.profiling.budget import Budget
from nilometer.profiling.found import Found
from nilometer.profiling.maps import Maps
from nilometer.profiling.observation import Observation, declared, pack
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.segments import MAX_OPEN_WINDOWS, LabelSets, Segments
from nilometer.profiling.user_profilers import Runner
from nilometer.values.entity import Role
from nilometer.values.labels import Labels
from nilometer.values.steps import finished
from nilometer.wire.samples import sample_to_bytes

MINUTE = 60 * 10**9
START = 1_700_000_040 * 10**9
MIB = 1 << 20


def observation(body: bytes, *, encoding: str = "", minute: int = 0) -> Observation:
    return Observation(
        *(START + minute * MINUTE, 0.25, 200, "ok", "POST", "/predict", len(body), 1),
        *("application/json", encoding, "application/json", "", body, b"1"),
    )


def keys(count: int, prefix: str = "k") -> bytes:
    return json.dumps({f"{prefix}{at}": at for at in range(count)}).encode()


def profiling(most: int = 32 * MIB, **more: object) -> Profiling:
    return Profiling("tested", Labels(), MINUTE, budget=Budget(most), **more)  # type: ignore[arg-type]  # of the tests


def samples(profiled: Profiling) -> list[SummarySample]:
    return [sample for profile in profiled.take() for sample in profile.samples()]


def features(profiled: Profiling) -> dict[str, FeatureProfile]:
    return {
        one.summary: one.content
        for one in samples(profiled)
        if isinstance(one.content, FeatureProfile)
    }


def seen(found: list[SummarySample]) -> dict[str, int]:
    """What became of all observations, by reason."""
    told: dict[str, int] = {}
    for sample in found:
        if sample.summary == "service":
            coverage = sample.coverage
            parts = {"profiled": coverage.profiled, **coverage.dropped, **coverage.undecodable}
            for reason, count in parts.items():
                told[reason] = told.get(reason, 0) + count
    return {reason: count for reason, count in told.items() if count}


def peak_of(work: Callable[[], object]) -> int:
    """Most bytes of Python objects that *work* had at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_rows_times_known_features_are_counted_and_not_made() -> None:
    profiled = profiling(names=Names(admit_after=1))
    profiled.observe([observation(keys(999))])
    bomb = gzip.compress(b"[" + b"1," * 60_000 + b"1]")

    def observe() -> None:
        profiled.observe([observation(bomb, encoding="gzip")] * 4)
        profiled.settle()

    assert peak_of(observe) < 24 * MIB
    of = features(profiled)
    assert (of["input.k7"].missing, of["input.k7"].numbers.count) == (4 * 60_001, 1)
    assert (of["input.value"].missing, of["input.value"].numbers.count) == (1, 4 * 60_001)


def test_rows_of_unlike_columns_cost_their_cells_only() -> None:
    rows = [{f"c{at % 999}": at} for at in range(18_000)]
    profiled = profiling(names=Names(admit_after=1))
    body = json.dumps(rows).encode()

    def observe() -> None:
        profiled.observe([observation(body)])
        profiled.settle()

    assert peak_of(observe) < 32 * MIB
    of = features(profiled)
    assert len(of) == 1000  # the output's too
    assert {one.cells for name, one in of.items() if name != "output.value"} == {18_000}
    assert of["input.c0"].numbers.count == 19


def test_present_cells_and_missing_ones_are_those_of_the_padded_column() -> None:
    side = Side()
    side.add_rows([{"a": 1, "b": 2}, {"b": 3}, {"a": 4, "c": "x"}])
    side.add_block(Block(2, {"a": np.array([5.0, 6.0]), "d": ["y", None]}))
    present = finished(side.present_in_steps())
    assert set(present) == {"a", "b", "c", "d"}
    for name, column in present.items():
        padded = side.column(name)
        cells = list(column.cells(name))
        absent = side.rows - column.count
        assert sorted(map(str, padded)) == sorted(map(str, cells + [None] * absent))


def with_maps(count: int) -> Profiling:
    """Return a profiling that knows *count* maps ``p0`` to ``p<count>``."""
    profiled = profiling()
    for _ in range(6):  # these names are admitted
        profiled.observe(
            [observation(json.dumps({f"p{at}": {"k": 1} for at in range(count)}).encode())]
        )
    for new in range(12):
        body = {f"p{at}": {"k": 1, f"n{new}": 2} for at in range(count)}
        profiled.observe([observation(json.dumps(body).encode())])
    profiled.take()
    assert len(profiled._names._maps[Role.INPUT]) == count
    return profiled


def test_rows_times_maps_are_measured_once_for_each_set_of_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[int] = []
    sizes = Maps.sizes

    def counting(maps: Maps, names: Sequence[str]) -> dict[str, int]:
        given.append(len(names))
        return sizes(maps, names)

    profiled = with_maps(200)
    monkeypatch.setattr(Maps, "sizes", counting)
    rows = [{"p1": {"k": 1}}, {"p1": {"k": 1}, "p2": {"k": 1, "m": 2}}] * 2000
    profiled.observe([observation(json.dumps(rows).encode())])
    assert sum(given) <= 1 + 3 + 1  # one pass over each set of names, and over the output
    of = features(profiled)
    assert (of["input.p1.size"].numbers.count, of["input.p2.size"].numbers.count) == (4000, 2000)
    assert of["input.p2.size"].numbers.moments.mean == 2


def test_rows_times_maps_are_measured_in_short_steps() -> None:
    profiled = with_maps(200)
    body = json.dumps([{"p1": {"k": at, f"n{at % 12}": 1}} for at in range(4000)]).encode()
    steps = sum(1 for _ in profiled.observe_packed_in_steps(pack([observation(body)])))
    assert steps >= 2 * 4000 // ROWS_AT_ONCE  # to group the rows, and to change them


def test_sizes_of_maps_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_SIZES", 1000)
    profiled = with_maps(20)
    held = profiled.budget.held
    rows = [{"p1": {"k": 1}}] * 900 + [{"p2": {"k": 1}}] * 200
    profiled.observe([observation(json.dumps(rows).encode())])
    (part,) = profiled._waiting._parts.values()
    assert profiled.budget.held - held >= part.inputs.weight + part.outputs.weight
    assert profiled._names.over_limit == 1
    of = features(profiled)
    assert (of["input.p1.size"].numbers.count, of["input.p1.size"].missing) == (900, 200)
    assert of["input.p2.size"].missing == 1100


def test_columns_times_windows_over_the_budget_are_too_large_and_counted() -> None:
    profiled = profiling(4 * MIB)
    profiled.observe([observation(keys(300), minute=at) for at in range(40)])
    profiled.settle()
    assert profiled.budget.held < 5 * MIB
    told = seen(samples(profiled))
    assert sum(told.values()) == 40
    assert told["too_large"] > 10
    assert told["profiled"] >= 2
    assert profiled.budget.held == 0


def test_unnamed_cells_of_columns_without_room_are_counted() -> None:
    profiled = profiling(4 * MIB)
    for minute in range(40):
        row = {**{f"k{at}": at for at in range(300)}, f"new in {minute}": 1.5}
        profiled.observe([observation(json.dumps(row).encode(), minute=minute)])
        profiled.settle()
    found = [one.coverage for one in samples(profiled) if one.summary == "service"]
    without = [one for one in found if one.undecodable]
    assert len(without) > 10
    assert {one.unnamed["number"] for one in without} == {1}  # the new key


def test_known_features_times_windows_are_within_the_budget() -> None:
    profiled = profiling(8 * MIB)
    profiled.observe([observation(keys(1000))])
    assert seen(samples(profiled)) == {"profiled": 1}
    profiled.observe([observation(b'{"k1": 1}', minute=at) for at in range(200)])
    profiled.settle()
    assert profiled.budget.held < 9 * MIB
    told = seen(samples(profiled))
    assert (sum(told.values()), told["too_large"] > 100) == (200, True)


def test_windows_without_room_are_dropped_and_counted() -> None:
    profiled = profiling(1 * MIB)
    profiled.observe([observation(b"1", minute=at) for at in range(1000)])
    assert len(profiled._waiting._parts) < 200
    told = seen(samples(profiled))
    assert sum(told.values()) == 1000
    assert told["batch_too_large"] > 800
    profiled.observe([observation(b"1")])
    assert seen(samples(profiled)) == {"profiled": 1}  # there is room again


def test_heavy_bodies_are_profiled_before_there_are_many() -> None:
    body = gzip.compress(json.dumps([{"a": at} for at in range(10_000)]).encode())
    profiled = profiling(16 * MIB)

    def observe() -> None:
        profiled.observe([observation(body, encoding="gzip") for _ in range(24)])

    assert peak_of(observe) < 24 * MIB
    assert features(profiled)["input.a"].numbers.count == 240_000


def test_buffers_of_many_columns_are_folded_when_they_are_large() -> None:
    row = {f"k{at}": at / 7 for at in range(200)}
    body = gzip.compress(json.dumps([row] * 200).encode())
    profiled = profiling(4 * MIB)
    for _ in range(30):
        profiled.observe([observation(body, encoding="gzip")])
        profiled.settle()
        assert profiled.budget.held < 5 * MIB
    assert features(profiled)["input.k7"].numbers.count == 6000


def test_long_names_that_wait_are_folded() -> None:
    profiled = profiling()

    def observe() -> None:
        for at in range(40):
            text = f"{at} " * 60_000
            profiled.observe([observation(json.dumps({"code": text}).encode())])
        profiled.settle()

    assert peak_of(observe) < 24 * MIB
    assert features(profiled)["input.code"].categories.total == 40


def test_derived_columns_are_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_RESERVED", 10)
    names = Names()
    profiled = profiling(names=names)
    vectors = {f"v{at}": [1.0] * (MAX_SHORT + 1) for at in range(20)}
    profiled.observe([observation(json.dumps({"amount": 1} | vectors).encode())])
    assert len(features(profiled)) == 1 + 20 + 10 + 1
    assert names.over_limit == 20 * 5 - 10


def test_profilers_are_given_no_more_aligned_cells_than_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(found, "MAX_ALIGNED_CELLS", 500)
    given: list[dict[str, int]] = []

    def look(batch: Batch) -> dict[str, list[object]]:
        given.append({name: len(column) for name, column in batch.items()})
        return {}

    runner = Runner([Profiler(name="look", version="1", columns=("*",), function=look)])
    profiled = profiling(user_profilers=runner)
    rows = [{"a": at, f"c{at}": 1} for at in range(100)]
    profiled.observe([observation(json.dumps(rows).encode())])
    profiled.settle()
    assert given[0]["input.a"] == 100
    assert len(given[0]) == 5  # 100 rows of each, and one of the output


def test_the_label_sets_of_windows_are_known_by_hashes_only_between_two_commits() -> None:
    sets = LabelSets(Labels(), 3)
    first = sets.get({"a": "1"})
    assert sets.get({"a": "2"}) != first
    sets.rest()
    assert sets.get({"a": "1"}) == first
    assert sets.get({"a": "3"}).as_dict() == {"nilometer_overflow": "true"}
    profiled = profiling(segments=Segments.of({"s": "input.s"}))
    profiled.observe([observation(b'{"s": 1}', minute=at) for at in range(100)])
    assert len(profiled._label_sets._sets) <= MAX_OPEN_WINDOWS


def test_features_times_the_text_of_labels_are_within_the_budget() -> None:
    profiled = profiling(4 * MIB)
    labels = [{f"l{at}": f"{number} {'x' * 200}" for at in range(8)} for number in range(16)]
    bodies = [observation(keys(100)) for _ in labels]
    given = [
        msgspec.structs.replace(one, labels=own) for one, own in zip(bodies, labels, strict=True)
    ]
    profiled.observe(given)
    profiled.settle()
    assert profiled.budget.held <= 4 * MIB
    parts = samples(profiled)
    told = seen(parts)
    assert sum(told.values()) == 16
    assert told["profiled"] >= 2
    assert told["too_large"] >= 8  # without the text of the labels, 10 of them have room
    assert sum(len(sample_to_bytes(one)) for one in parts) < 4 * MIB


def test_a_label_set_of_much_text_shares_the_overflow_set() -> None:
    sets = LabelSets(Labels.of(zone="a"), 3)
    fits = {f"k{at}": "x" * 254 for at in range(8)}
    assert sets.get(fits).as_dict() == {**fits, "zone": "a"}
    overflow = {"nilometer_overflow": "true", "zone": "a"}
    assert sets.get({**fits, "k0": "x" * 255}).as_dict() == overflow
    assert len(sets) == 2


def test_values_of_the_models_own_code_are_bounded() -> None:
    profiled = profiling()
    large = observation(b'{"a": 1}')
    values = msgspec.msgpack.encode({"v": [[] for _ in range(300_000)]})
    large = msgspec.structs.replace(large, values=values)
    assert peak_of(lambda: profiled.observe([large])) < 4 * MIB
    assert seen(samples(profiled)) == {"too_large": 1}


def test_what_a_batch_declares_is_read_before_it_is_unpacked() -> None:
    for count in (0, 1, 15, 16, 300, 70_000):
        assert declared(pack([()] * count)) == count
    assert declared(b"") == declared(b"garbage") == 0


def test_a_column_that_is_handed_over_is_whole() -> None:
    column = Found.given("a", [1, 2])
    assert (column.rows, column.aligned()) == (2, [1, 2])
