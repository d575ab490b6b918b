"""Edges come from declarations and calls; there are never too many."""

from nilometer.causes.graph import Flow
from nilometer_collector.pipeline.calls import Call, Evidence
from nilometer_collector.pipeline.flows import MOST_EDGES, Column, columns_of, flows_of


def call(caller: str, callee: str, share: float = 1.0) -> Call:
    return Call(
        caller=caller,
        callee=callee,
        evidence=Evidence.HEADER,
        requests=1,
        share=share,
        last_ns=0,
    )


def test_learned_edges_with_the_smallest_shares_are_left_out_first() -> None:
    declared = {Flow("source", f"e{at:03d}") for at in range(MOST_EDGES - 2)}
    calls = [call("a", f"r{at}", share=at / 10) for at in range(5)]
    found = flows_of(declared, calls, {})
    assert found.declared == declared
    assert found.calls.keys() == {Flow("a", "r4"), Flow("a", "r3")}
    assert found.left_out == 3


def test_declared_edges_are_bounded_too() -> None:
    declared = {Flow("source", f"e{at:04d}") for at in range(MOST_EDGES + 7)}
    found = flows_of(declared, [call("source", "e0000"), call("source", "e0506")], {})
    assert (len(found.declared), found.left_out) == (MOST_EDGES, 7)
    assert found.calls.keys() == {Flow("source", "e0000")}


def test_calls_both_ways_confirm_one_declared_edge() -> None:
    found = flows_of({Flow("a", "b")}, [call("a", "b", 0.2), call("b", "a", 0.5)], {})
    assert found.calls == {Flow("a", "b"): call("b", "a", 0.5)}


def test_a_declared_column_replaces_the_one_of_the_same_name() -> None:
    sent, received = {"output.x", "output.y", "output.z"}, {"input.x", "input.y"}
    renamed = {"input.y": "output.z", "input.gone": "output.gone"}
    assert columns_of(sent, received, renamed) == [
        Column("output.z", "input.y"),
        Column("output.x", "input.x"),
    ]
