"""Calls that C records are those that Python records, byte for byte apart from times."""

import gc
import math
import pickle
import sys
from collections import UserDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.call_rig import Observed
from support.lane_rig import fields, observing, packed, response, run, scope_of

import nilometer
from nilometer.capture.arguments import Arguments
from nilometer.capture.observe import Beginner
from nilometer.capture.values import current
from nilometer.handoff.plain import lane

numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**n + d for n in (5, 7, 8, 15, 16, 31, 32, 63, 64) for d in (-1, 0, 1)]),
    st.sampled_from([-(2**n) + d for n in (5, 7, 8, 15, 16, 31, 32, 63) for d in (-1, 0, 1)]),
)
texts = st.one_of(st.text(max_size=8), st.sampled_from([31, 32, 255, 256, 65536]).map("é".__mul__))
plain = st.one_of(
    st.none(), st.booleans(), numbers, st.floats(), texts, st.sampled_from(["\ud800", math.inf])
)
names = st.one_of(st.text(min_size=1, max_size=4), st.sampled_from(["k" * 40, "\udfff", "input"]))
maps = st.dictionaries(names, plain, max_size=20)
unusual = st.sampled_from(
    [[1, 2], (1.5,), {"a": {"b": 1}}, {1: 2}, {"a": [1]}, UserDict({"a": 1}), object, 1j, b"x"]
)
values = st.one_of(plain, maps, unusual)


def both(
    function: Any, calls: list[tuple[tuple[Any, ...], dict[str, Any]]], **settings: Any
) -> Any:
    found = []
    for in_python in (False, True):
        observed = Observed(function, in_python=in_python, **settings)
        returned = [outcome(observed.call, *call) for call in calls]
        found.append((returned, [fields(one) for one in observed.packed()]))
        assert observed.worker.in_flight == 0
        assert not observed.worker.guard.lost
    return found


def outcome(call: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> str:
    try:
        return repr(call(*positional, **named))[:80]
    except TypeError as error:
        return f"TypeError {error}"


def holder_of(function: Any, *positional: Any, **settings: Any) -> type:
    """Return the type of the holder that the function finds while it runs."""
    seen: list[Any] = []

    def looking(row: Any) -> Any:
        seen.append(current.get())
        return function(row)

    def looking_at_three(_first: Any, _second: Any, third: Any) -> Any:
        return looking(third)

    observed = Observed(looking if len(positional) == 1 else looking_at_three, **settings)
    observed.worker.notes = True
    observed.call(*positional)
    return type(seen[0])


def test_plain_arguments_are_recorded_in_c() -> None:
    assert holder_of(lambda *_: None, {"a": 1.5}) is lane.FunctionCall
    assert holder_of(lambda *_: None, 1, "b", None) is lane.FunctionCall


@pytest.mark.parametrize("value", [[1], {"a": [1]}, 2**70, {1: 1}, "\ud800"], ids=repr)
def test_other_arguments_are_recorded_in_python(value: Any) -> None:
    assert holder_of(lambda given: given, value) is not lane.FunctionCall


def test_the_setting_turns_c_off() -> None:
    assert holder_of(lambda *_: None, 1, speedups="off") is not lane.FunctionCall


@given(given=values, returned=values)
def test_one_argument_is_recorded_the_same(given: Any, returned: Any) -> None:
    mine, theirs = both(lambda row: (row, returned)[1], [((given,), {}), ((), {"row": given})])
    assert mine == theirs


@given(given=st.lists(values, max_size=4), named=st.dictionaries(st.sampled_from("abcd"), values))
@pytest.mark.parametrize("inputs", [None, ("a", "c"), ("b",)], ids=str)
def test_several_arguments_are_recorded_the_same(inputs: Any, given: Any, named: Any) -> None:
    def function(a: Any, b: Any = 2, *rest: Any, **more: Any) -> Any:
        return {"count": len(rest) + len(more)}

    mine, theirs = both(function, [(tuple(given), named)], inputs=inputs)
    assert mine == theirs


@given(logged=st.lists(st.dictionaries(names, values, max_size=5), max_size=3), row=maps)
def test_logged_values_are_recorded_the_same(logged: list[dict[str, Any]], row: Any) -> None:
    def function(row: Any) -> float:
        for more in logged:
            nilometer.log(**more)
        nilometer.label(region="eu")
        return 0.5

    def both_with_notes() -> Any:
        for in_python in (False, True):
            observed = Observed(function, in_python=in_python)
            observed.worker.notes = True
            observed.call(row)
            yield [fields(one) for one in observed.packed()], observed.worker.guard.lost

    mine, theirs = both_with_notes()
    assert mine == theirs


@given(logged=st.lists(st.dictionaries(names, values, max_size=5), max_size=3))
@pytest.mark.parametrize("capture", ["values", "bodies"])
def test_values_of_a_request_are_recorded_the_same(capture: str, logged: Any) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for more in logged:
            nilometer.log(**more)
        for message in response():
            await send(message)

    found = []
    for in_python in (False, True):
        middleware = observing(app, in_python=in_python, capture=capture)
        middleware._worker.notes = True
        run(middleware, scope_of())
        found.append([fields(one) for one in packed(middleware)])
        assert not middleware._worker.guard.lost
    assert found[0] == found[1]


def test_inputs_are_those_of_the_start() -> None:
    def function(row: dict[str, Any]) -> None:
        row.clear()

    observed = Observed(function)
    observed.call({"a": 1})
    assert b"\xa5input\x81\xa1a\x01" in observed.packed()[0]


def test_a_logged_dictionary_may_change_afterwards() -> None:
    kept = {"a": 1}

    def function(_: int) -> None:
        nilometer.log(**kept)
        kept["a"] = 2

    observed = Observed(function)
    observed.worker.notes = True
    observed.call(1)
    assert b"\xa1a\x01" in observed.packed()[0]


def test_the_share_leaves_values_out() -> None:
    observed = Observed(lambda row: row)
    observed.worker.share = 2.0**-10
    for _ in range(200):
        observed.call(1)
    left_out = [fields(one)[-2] for one in observed.packed()]
    assert len(left_out) == 200
    assert sum(left_out) > 150


def test_a_function_that_raises_is_recorded() -> None:
    def function(_: int) -> None:
        raise LookupError

    observed = Observed(function)
    with pytest.raises(LookupError):
        observed.call(1)
    assert fields(observed.packed()[0])[1] == "exception"
    assert observed.worker.in_flight == 0


def test_an_error_at_the_end_is_counted_and_changes_nothing() -> None:
    class Hostile:
        def __iter__(self) -> Any:
            raise LookupError

        @property
        def shape(self) -> Any:
            raise ValueError("no shape")

    observed = Observed(lambda _: Hostile())
    assert isinstance(observed.call(1), Hostile)
    assert observed.worker.guard.lost == 1
    assert observed.worker.in_flight == 0


def test_an_error_inside_an_observed_request_changes_nothing() -> None:
    class Hostile:
        @property
        def shape(self) -> Any:
            raise ValueError("no shape")

    @nilometer.observe
    def predict(_row: Any) -> Hostile:
        return Hostile()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        predict(1)
        for message in response():
            await send(message)

    middleware = observing(app)
    middleware._worker.notes = True
    assert len(run(middleware, scope_of())) == 2
    assert len(packed(middleware)) == 1
    assert middleware._worker.guard.lost == 0


def test_a_function_at_the_limit_of_recursion_returns() -> None:
    def deep(levels: int) -> Any:
        return call([1]) if levels == 0 else deep(levels - 1)

    completed = returned = raised = 0

    def function(row: Any) -> Any:
        nonlocal completed
        completed += 1
        return row

    call = Observed(function).call
    for levels in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        try:
            returned += deep(levels) == [1]
        except RecursionError:
            raised += 1
    assert raised
    assert returned == completed > 0


def function_of_module(row: float) -> float:
    return row


def test_an_observed_function_can_be_sent_to_another_process() -> None:
    begin = Beginner.of("f", Arguments(function_of_module, None), None)
    again = pickle.loads(pickle.dumps(begin))
    assert type(again) is lane.CallEntry


def test_a_collection_at_every_allocation_changes_nothing() -> None:
    def function(row: dict[str, float]) -> dict[str, float]:
        nilometer.log(note="x", **row)
        return row

    observed = Observed(function)
    observed.worker.notes = True
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for _ in range(20):
            observed.call({"a": 1.5})
    finally:
        gc.set_threshold(*before)
    assert len(observed.packed()) == 20


def test_no_object_of_a_call_is_left() -> None:
    def function(row: dict[str, float]) -> dict[str, float]:
        nilometer.log(note="x", **row)
        return {"score": sum(row.values())}

    observed = Observed(function)
    observed.worker.notes = True

    def serve(count: int) -> None:
        for _ in range(count):
            observed.call({"a": 1.5, "b": 2.5})
            assert len(observed.packed()) == 1

    serve(100)
    gc.collect()
    before = len(gc.get_objects()), sys.getallocatedblocks()
    serve(1000)
    gc.collect()
    after = len(gc.get_objects()), sys.getallocatedblocks()
    assert max(new - old for new, old in zip(after, before, strict=True)) < 20
