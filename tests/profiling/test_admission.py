import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.decode import Side
from nilometer.handoff.link import AgentLink
from nilometer.handoff.profile_outlet import ProfileOutlet
from nilometer.handoff.settings import CaptureSettings
from nilometer.profile import FeatureProfile
from nilometer.profiling.admission import (
    ADMIT_AFTER,
    AT_ONCE,
    MAX_CANDIDATES,
    MAX_FEATURES,
    Names,
)
from nilometer.profiling.event_time import EventTimes
from nilometer.profiling.maps import QUIET
from nilometer.profiling.observation import Observation, pack
from nilometer.profiling.profiling import FEWEST_ALIKE, Profiling
from nilometer.profiling.review import REVIEWED, WATCHED
from nilometer.values.entity import Role
from nilometer.values.labels import Labels
from nilometer.values.steps import finished

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


def profiling(names: Names | None = None, labels: Labels = BASE) -> Profiling:
    return Profiling("tested", labels, MINUTE, names=names)


def crowded(admit_after: int = ADMIT_AFTER, declared: frozenset[str] = frozenset()) -> Names:
    """Names of an entity that has as many as are taken at once."""
    names = Names(lambda: declared, admit_after)
    own = [f"own_{at}" for at in range(AT_ONCE - 1)]
    assert not names.meet(Role.OUTPUT, dict.fromkeys(["value"], True)) | names.meet(
        Role.INPUT, dict.fromkeys(own, True)
    )
    return names


class Taken:
    """What a profiling has counted since it was last asked: present cells by feature, and unnamed."""

    def __init__(self, profiling: Profiling) -> None:
        self.cells = Counter[str]()
        self.missing = Counter[str]()
        self.unnamed = Counter[str]()
        for profile in profiling.take():
            self.unnamed.update(profile.coverage.unnamed)
            for sample in profile.samples():
                if isinstance(sample.content, FeatureProfile):
                    self.cells[sample.summary] += sample.content.cells - sample.content.missing
                    self.missing[sample.summary] += sample.content.missing


def test_names_are_taken_at_once_while_there_are_few() -> None:
    profiled = profiling()
    profiled.observe([observation({"a": 1, "b": "x"}, {"y": 2})])
    taken = Taken(profiled)
    assert taken.cells == {"input.a": 1, "input.b": 1, "output.y": 1}
    assert not taken.unnamed


def test_a_later_name_is_a_feature_when_five_requests_have_had_it() -> None:
    profiled = profiling(crowded())
    profiled.observe([observation({"late": at, "text": "x"}) for at in range(7)])
    taken = Taken(profiled)
    assert taken.cells["input.late"] == 3
    assert taken.unnamed == {"number": 4, "string": 4}


def test_rows_of_one_request_are_one_request() -> None:
    profiled = profiling(crowded())
    profiled.observe([observation([{"late": 1}] * 100), observation({"late": 2})])
    taken = Taken(profiled)
    assert "input.late" not in taken.cells
    assert taken.unnamed == {"number": 101}


def test_invented_keys_do_not_push_out_what_comes_later() -> None:
    profiled = profiling()
    junk = [{f"k{at}_{key}": 1 for key in range(100)} for at in range(10)]
    profiled.observe([observation(keys, {"y": 1}) for keys in junk])
    profiled.observe([observation({"amount": 5, "country": "NL"}, {"y": 1})] * 1000)
    taken = Taken(profiled)
    assert taken.cells["input.amount"] == taken.cells["input.country"] == 996
    assert (
        taken.cells["output.y"]
        + taken.unnamed.total()
        + sum(count for name, count in taken.cells.items() if name.startswith("input.k"))
        == 1010 + 1000 + 4 + 4
    )


def test_a_flood_of_names_pushes_out_nothing_and_takes_no_memory() -> None:
    names = Names()
    assert not names.meet(Role.INPUT, dict.fromkeys(["amount", "country"], True))
    for request in range(50):
        names.meet(Role.INPUT, dict.fromkeys([f"k{request}_{at}" for at in range(1000)], True))
    assert {"amount", "country"} <= names.known[Role.INPUT].keys()
    assert len(names.known[Role.INPUT]) <= AT_ONCE + 1
    assert len(names._candidates) <= MAX_CANDIDATES


def test_a_flood_that_is_repeated_takes_no_place_from_the_first_names() -> None:
    names = Names()
    own = [f"own_{at}" for at in range(40)]
    sift(names, Role.INPUT, side(dict.fromkeys(own, 1)))
    for start in range(0, 3 * MAX_FEATURES, 200):
        for _ in range(ADMIT_AFTER + 1):
            sift(names, Role.INPUT, side({f"k{at}": 1 for at in range(start, start + 200)}))
            sift(names, Role.OUTPUT, Side())
    assert names.over_limit
    assert len(names.known[Role.INPUT]) <= MAX_FEATURES
    assert set(own) <= names.known[Role.INPUT].keys()


def test_places_that_are_full_are_not_full_for_good() -> None:
    names = crowded()
    for start in range(0, 2 * MAX_FEATURES, 500):
        for _ in range(ADMIT_AFTER):
            sift(names, Role.INPUT, side({f"k{at}": 1 for at in range(start, start + 500)}))
    assert len(names.known[Role.INPUT]) == MAX_FEATURES
    for _ in range(REVIEWED + 2 * ADMIT_AFTER):
        sift(names, Role.INPUT, side({"late": 1, "own_0": 1}))
        sift(names, Role.OUTPUT, Side())
    assert {"late", "own_0"} <= names.known[Role.INPUT].keys()
    assert len(names.known[Role.INPUT]) < 2 * AT_ONCE


def side(row: dict[str, Any]) -> Side:
    found = Side()
    found.add_rows([row])
    return found


def sift(names: Names, role: Role, side: Side, requests: int = 1) -> None:
    finished(names.sift_in_steps(role, side, requests=requests))


def test_a_declared_name_always_has_a_place() -> None:
    names = crowded(declared=frozenset({"input.late", "input.2024-01-01", "output.y"}))
    assert names.meet(Role.INPUT, dict.fromkeys(["late", "2024-01-01", "other"], True)) == {"other"}
    assert names.meet(Role.OUTPUT, dict.fromkeys(["y"], True)) == set()


def test_a_declared_name_has_a_place_where_all_are_taken() -> None:
    names = crowded(admit_after=1, declared=frozenset({"input.late"}))
    names.meet(Role.INPUT, dict.fromkeys([f"k{at}" for at in range(2 * MAX_FEATURES)], True))
    assert names.meet(Role.INPUT, dict.fromkeys(["late", "other"], True)) == {"other"}


@pytest.mark.parametrize(
    "name",
    ["jo@example.com", "2024-01-01", "52000.5", "192.168.0.1", "5.1", "17", "0", "x" * 129],
)
def test_what_looks_like_a_value_has_no_place_whoever_names_it(name: str) -> None:
    tensor = {"name": name, "shape": [1], "datatype": "FP32", "data": [0.5]}
    own = {"name": "own", "shape": [1], "datatype": "FP32", "data": [0.5]}
    handed = msgspec.msgpack.encode({name: 1, "score": 2})
    profiled = profiling()
    profiled.observe([observation({"inputs": [tensor, own]}, values=handed)])
    alike = [observation({"inputs": [tensor, own]})] * FEWEST_ALIKE
    profiled.observe_packed(pack(alike))
    taken = Taken(profiled)
    assert set(taken.cells) == {"input.own", "output.score", "output.value"}
    assert taken.unnamed == {"number": 2 + FEWEST_ALIKE}


def test_positions_that_a_decoder_makes_are_features() -> None:
    matrix = {"name": "scores", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.5]}
    table = {"dataframe_split": {"columns": [0, 1], "data": [[1, 2]]}}
    observed = msgspec.msgpack.encode({"input": {"7": [1]}})
    profiled = profiling()
    profiled.observe([observation(table, values=observed), observation({"inputs": [matrix]})])
    profiled.observe([observation(1, request_body=b"5,7\n", request_type="text/csv")])
    taken = Taken(profiled)
    assert set(taken.cells) == {
        *("input.0", "input.1", "input.7", "input.scores.0", "input.scores.1", "output.value"),
    }
    assert not taken.unnamed


def test_columns_of_a_tensor_that_is_named_by_a_value_are_unnamed() -> None:
    tensors = [
        {"name": name, "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.5]}
        for name in ("17", "5.1", "jo@example.com", "own")
    ]
    profiled = profiling()
    profiled.observe([observation({"inputs": tensors})])
    taken = Taken(profiled)
    assert set(taken.cells) == {"input.own.0", "input.own.1", "output.value"}
    assert taken.unnamed == {"number": 6}


def test_a_tensor_that_is_declared_has_a_place_whatever_its_name() -> None:
    tensor = {"name": "17", "shape": [1], "datatype": "FP32", "data": [0.5]}
    profiled = profiling(Names(lambda: frozenset({"input.17"})))
    profiled.observe([observation({"inputs": [tensor]})])
    assert set(Taken(profiled).cells) == {"input.17", "output.value"}


def test_observations_that_are_alike_are_admitted_as_each_alone() -> None:
    requests = [observation({"late": at, "later": at / 2}) for at in range(2 * FEWEST_ALIKE)]
    fast, slow = profiling(crowded()), profiling(crowded())
    fast.observe_packed(pack(requests))
    fast.observe_packed(pack(requests))
    for one in requests * 2:
        slow.observe([one])
    for taken in (Taken(fast), Taken(slow)):
        assert taken.unnamed == {"number": 2 * (ADMIT_AFTER - 1)}
        assert taken.cells["input.late"] == 4 * FEWEST_ALIKE - ADMIT_AFTER + 1


def test_label_sets_of_an_entity_admit_together() -> None:
    names = crowded()
    first, second = profiling(names), profiling(names, Labels.of(version="8"))
    for _ in range(3):
        first.observe([observation({"late": 1})])
        second.observe([observation({"late": 1})])
    assert Taken(first).cells["input.late"] + Taken(second).cells["input.late"] == 2


def test_values_of_the_model_earn_their_names_too() -> None:
    profiled = profiling(crowded())
    for at in range(ADMIT_AFTER + 2):
        profiled.observe(
            [observation({"own_0": 1}, values=msgspec.msgpack.encode({"extra": [at, 1]}))]
        )
    taken = Taken(profiled)
    assert taken.cells["output.extra"] == 6
    assert taken.unnamed["number"] == 2 * (ADMIT_AFTER - 1)


def test_the_event_time_is_neither_a_feature_nor_unnamed() -> None:
    profiled = Profiling("tested", BASE, MINUTE, event_times=EventTimes("when"))
    profiled.observe([observation({"when": "2023-11-14T22:14:00Z", "a": 1})])
    taken = Taken(profiled)
    assert set(taken.cells) == {"input.a", "output.value"}
    assert not taken.unnamed


@pytest.mark.parametrize("count", [1, 100])
def test_an_output_of_the_name_of_the_event_time_is_a_feature(count: int) -> None:
    """It must also earn its name like any other, once there are many."""
    names = crowded()
    profiled = Profiling("tested", BASE, MINUTE, event_times=EventTimes("when"), names=names)
    answer = {"when": 3.0, "score": 0.5}
    for _ in range(count):
        profiled.observe([observation({"when": "2023-11-14T22:14:00Z"}, answer)])
    taken = Taken(profiled)
    late = max(count - ADMIT_AFTER + 1, 0)
    assert taken.cells["output.when"] == taken.cells["output.score"] == late
    assert taken.unnamed["number"] == 2 * (count - late)


def test_an_object_whose_keys_keep_changing_is_a_map() -> None:
    profiled = profiling()
    for at in range(600):
        users = {f"user_x{at}y{one}z": {"age": one} for one in range(1 + at % 3)}
        profiled.observe([observation({"amount": at, "users": users})])
    early = Taken(profiled)
    assert len(early.cells) < 32  # those of the first requests, until it is known to be a map
    assert early.cells["input.amount"] == 600
    for at in range(600, 700):
        users = {f"user_x{at}y{one}z": {"age": one} for one in range(1 + at % 3)}
        profiled.observe([observation({"amount": at, "users": users})])
    late = Taken(profiled)
    assert late.cells == {"input.amount": 100, "input.users.size": 100, "output.value": 100}
    assert late.unnamed == {"number": 199}


def test_keys_of_a_map_that_were_there_before_stay_features() -> None:
    profiled = profiling()
    for at in range(REVIEWED + 200):
        more = {f"extra{at}x": 1} if at > 50 else {}
        profiled.observe([observation({"features": {"a": 1, "b": 2, **more}})])
    profiled.take()
    profiled.observe([observation({"features": {"a": 1, "b": 2, "extra": 3}})])
    taken = Taken(profiled)
    assert taken.cells["input.features.a"] == taken.cells["input.features.b"] == 1
    assert taken.cells["input.features.size"] == 1


def test_a_map_that_is_quiet_is_an_object_again() -> None:
    names = Names()
    for at in range(40):
        sift(names, Role.INPUT, side({"o.a": 1, f"o.k{at}x": 1}))
        sift(names, Role.OUTPUT, Side())
    assert "o.size" in names.known[Role.INPUT]
    for _ in range(QUIET + 10):
        sift(names, Role.INPUT, side({"o.a": 1, "o.late": 1}))
        sift(names, Role.OUTPUT, Side())
    assert "o.late" in names.known[Role.INPUT]
    assert "o.size" not in names.known[Role.INPUT]


def test_a_map_that_gets_known_names_only_is_an_object_again() -> None:
    names = Names()
    for at in range(40):
        sift(names, Role.INPUT, side({"o.a": 1, f"o.k{at}x": 1}))
        sift(names, Role.OUTPUT, Side())
    known = side({"o.a": 1, "once": 1})
    sift(names, Role.INPUT, known)
    for _ in range(QUIET + WATCHED + 10):
        if not names.passes(side({"o.a": 1}), Side()):
            sift(names, Role.INPUT, side({"o.a": 1}))
            sift(names, Role.OUTPUT, Side())
    assert "o.size" not in names.known[Role.INPUT]
    assert names.passes(side({"o.a": 1, "once": 1}), Side())  # nothing is watched any more


def test_requests_that_are_counted_together_are_as_many_as_each_alone() -> None:
    names = Names()
    for at in range(40):
        sift(names, Role.INPUT, side({"o.a": 1, f"o.k{at}x": 1}))
        sift(names, Role.OUTPUT, Side())
    for _ in range(QUIET // 256 + 1):
        sift(names, Role.INPUT, side({"o.a": 1}), requests=256)
        sift(names, Role.OUTPUT, Side(), requests=256)
    assert "o.size" not in names.known[Role.INPUT]


def test_names_that_one_request_logs_are_one_change_of_their_object() -> None:
    profiled = profiling()
    for at in range(4):
        row = {"users.a": 1} | {f"users.k{at}n{key}": 1 for key in range(10)}
        profiled.observe([observation({"a": 1}, values=msgspec.msgpack.encode(row))])
    assert "output.users.size" not in Taken(profiled).cells


def test_a_cell_that_is_unnamed_is_not_missing_too() -> None:
    profiled = profiling(crowded())
    rows = [{"late": 1}, {"own_0": 1}, {"late": 1}, {"late": 1}, {"late": 1}, {"own_0": 1}]
    profiled.observe([observation(row) for row in [*rows, {"late": 1}, {"own_0": 1}]])
    profiled.settle()
    profiled.observe([observation({"own_0": 1})])
    taken = Taken(profiled)
    assert taken.unnamed == {"number": 4}
    # Neither are the rows before the last unnamed cell: the feature did not exist yet.
    assert (taken.cells["input.late"], taken.missing["input.late"]) == (1, 1 + 1 + 1)
    assert (taken.cells["input.own_0"], taken.missing["input.own_0"]) == (4, 5)


def test_a_name_that_another_label_set_admits_is_not_missing_where_it_was_unnamed() -> None:
    names = crowded()
    first, second = profiling(names), profiling(names, Labels.of(version="8"))
    second.observe([observation({"late": 1})])
    first.observe([observation({"late": 1})] * ADMIT_AFTER)
    second.observe([observation({"late": 1}), observation({"own_0": 1})])
    taken = Taken(second)
    assert taken.unnamed == {"number": 1}
    assert (taken.cells["input.late"], taken.missing["input.late"]) == (1, 1)


def test_the_size_of_a_map_that_is_told_apart_by_its_keys_is_a_feature() -> None:
    profiled = profiling()
    seen = {f"2024-01-{day:02}": day for day in range(1, 21)}
    profiled.observe([observation({"amount": 1, "seen": seen})])
    (profile,) = profiled.take()
    features = {name: one.profile() for name, one in profile.features.items()}
    assert set(features) == {"input.amount", "input.seen", "input.seen.size", "output.value"}
    assert features["input.seen"].types == {"object": 1}
    numbers = features["input.seen.size"].numbers
    assert numbers is not None
    assert numbers.moments.mean == 20


bodies = st.lists(
    st.dictionaries(
        st.sampled_from(["own_0", "a", "b.c", "x", "jo@example.com", "2024-01-01"]),
        st.sampled_from([1, 2.5, "x", True, None, [1, 2]]),
        max_size=5,
    ),
    max_size=30,
)


@given(bodies, st.integers(1, 6), st.booleans())
def test_every_cell_is_in_a_feature_or_unnamed(
    rows: list[dict[str, Any]],
    admit_after: int,
    first: bool,  # noqa: FBT001  # drawn
) -> None:
    names = Names(admit_after=admit_after) if first else crowded(admit_after)
    profiled = profiling(names)
    for row in rows:
        tensors = [
            {"name": name, "shape": [1], "datatype": "BYTES", "data": [cell]}
            for name, cell in row.items()
            if not isinstance(cell, list)
        ]
        profiled.observe([observation({"inputs": tensors} if tensors else {"none": None})])
    sent = [cell for row in rows for cell in row.values() if not isinstance(cell, list)]
    taken = Taken(profiled)
    present = sum(cell is not None for cell in sent)
    inputs = sum(count for name, count in taken.cells.items() if name.startswith("input."))
    assert inputs + taken.unnamed.total() - taken.unnamed["missing"] == present


def test_profiles_that_are_made_in_the_process_admit_names_too(tmp_path: Path) -> None:
    settings = CaptureSettings(
        entity="tested",
        profile_in="process",
        agent=f"unix:{tmp_path}/none",
        features=("input.own",),
        admit_after=3,
    )
    outlet = ProfileOutlet(settings, AgentLink(settings, b"w" * 16))
    junk = {f"k{at}": 1 for at in range(2 * AT_ONCE)}
    for row in ({**junk, "jo@example.com": 1}, {"own": 1, "late": 1}, {"late": 1}, {"late": 1}):
        outlet.send_batch([msgspec.msgpack.encode(observation(row))], {})
    (profiled,) = outlet._profilings.values()
    taken = Taken(profiled)
    assert (taken.cells["input.own"], taken.cells["input.late"]) == (1, 1)
    # Half of the invented keys, two of `late`, two answers; the address made a map of one key.
    assert taken.unnamed == {"number": AT_ONCE + 2 + 2, "object": 1}
