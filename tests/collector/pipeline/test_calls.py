"""Calls are learned from the parent header, and from traces that lie one inside the other."""

import random
from collections.abc import Iterable, Mapping, Sequence

import pytest

from nilometer.profile.callers import Callers
from nilometer.values.window import Window
from nilometer_collector.pipeline.calls import Call, Evidence, Seen, calls_in

MILLISECOND = 1_000_000
MINUTE = 60_000 * MILLISECOND
START = 1_700_000_040_000 * MILLISECOND

Served = tuple[int, float, float]  # trace, milliseconds since the minute began, duration in ms


def seen(requests: Iterable[Served], minute: int = 0, **named: int) -> Seen:
    """Return the requests of one entity in one minute."""
    start = START + minute * MINUTE
    called = [
        (
            f"00-{trace:032x}-00f067aa0ba902b7-01",
            start + round(at * MILLISECOND),
            duration / 1000,
        )
        for trace, at, duration in requests
    ]
    window = Window(start, start + MINUTE)
    return Seen(window, len(called) or sum(named.values()), Callers.of(named, called))


def learned(found: Mapping[str, Sequence[Seen]]) -> dict[tuple[str, str], Call]:
    return {(one.caller, one.callee): one for one in calls_in(found)}


def each(traces: Iterable[int], after: float, duration: float, skew: float = 0.0) -> list[Served]:
    """Return one request of each trace, *after* milliseconds after the trace began."""
    return [(trace, trace * 7 % 50_000 + after + skew, duration) for trace in traces]


def test_a_header_counts_the_requests_of_each_caller() -> None:
    found = learned(
        {
            "scorer": [seen([], gateway=30, batch=10), seen([], 1, gateway=60)],
            "gateway": [seen([])],
            "batch": [],
        }
    )
    gateway = found["gateway", "scorer"]
    assert (gateway.evidence, gateway.requests, gateway.share) == (Evidence.HEADER, 90, 0.9)
    assert gateway.last_ns == START + 2 * MINUTE
    assert found["batch", "scorer"].last_ns == START + MINUTE


def test_made_up_parents_make_no_edge_and_an_own_name_is_shown() -> None:
    found = learned({"scorer": [seen([], nobody=5, scorer=1)]})
    assert found.keys() == {("scorer", "scorer")}
    assert found["scorer", "scorer"].share == pytest.approx(1 / 6)


@pytest.mark.parametrize("skew", [0.0, 4.0, -4.0])  # milliseconds between the pods' clocks
def test_a_chain_is_learned_from_traces_without_its_short_cut(skew: float) -> None:
    traces = range(1, 2001)
    found = learned(
        {
            "a": [seen(each(traces, 0, 40))],
            "b": [seen(each(traces, 2, 30, skew))],
            "c": [seen(each(traces, 4, 20))],
        }
    )
    assert found.keys() == {("a", "b"), ("b", "c")}
    assert {one.evidence for one in found.values()} == {Evidence.TRACES}
    assert found["a", "b"].share == found["b", "c"].share == 1.0


def test_a_busy_entity_between_two_others_hides_no_short_cut() -> None:
    # The sample of b has few traces of a, so most common traces of a and c do not show b.
    found: dict[str, list[Seen]] = {"a": [], "b": [], "c": []}
    for minute in range(20):
        first = 1 + minute * 9000
        traces, other = range(first, first + 300), range(first + 300, first + 3300)
        found["a"].append(seen(each(traces, 0, 40), minute))
        found["b"].append(seen(each([*traces, *other], 2, 30), minute))
        found["c"].append(seen(each(traces, 4, 20), minute))
    assert learned(found).keys() == {("a", "b"), ("b", "c")}
    assert learned(found)["a", "b"].share == pytest.approx(0.09, abs=0.06)


def test_a_share_of_the_traffic_is_estimated() -> None:
    found = learned(
        {
            "a": [seen(each(range(at * 999, at * 999 + 250), 0, 30), at) for at in range(60)],
            "b": [seen(each(range(at * 999, at * 999 + 999), 1, 10), at) for at in range(60)],
        }
    )
    assert found.keys() == {("a", "b")}
    assert found["a", "b"].share == pytest.approx(0.25, abs=0.08)


def test_entities_that_one_front_end_calls_are_not_linked() -> None:
    traces = range(1, 400)
    one_after_the_other = {
        "a": [seen(each(traces, 0, 15))],
        "b": [seen(each(traces, 15.5, 10))],
    }
    assert learned(one_after_the_other) == {}
    draw = random.Random(3)
    at_once = {
        name: [seen([(trace, trace * 7, draw.uniform(5, 40)) for trace in traces])]
        for name in ("a", "b")
    }
    assert learned(at_once) == {}


def test_few_traces_show_no_call() -> None:
    two = {"a": [seen(each([1, 2], 0, 30))], "b": [seen(each([1, 2], 1, 10))]}
    assert learned(two) == {}
    three = {"a": [seen(each([1, 2, 3], 0, 30))], "b": [seen(each([1, 2, 3], 1, 10))]}
    assert learned(three).keys() == {("a", "b")}


def test_a_header_takes_precedence_over_traces() -> None:
    traces = range(1, 20)
    callee = seen(each(traces, 1, 10), a=19)
    (call,) = calls_in({"a": [seen(each(traces, 0, 30))], "b": [callee]})
    assert call.evidence is Evidence.HEADER
    assert call.requests == 19


def test_a_forged_trace_through_many_entities_shows_nothing_and_ends() -> None:
    names = [f"e{at}" for at in range(200)]
    forged = {
        name: [seen(each([1, 2, 3, 4], at / 10, 100 - at / 5))] for at, name in enumerate(names)
    }
    assert calls_in(forged) == []
