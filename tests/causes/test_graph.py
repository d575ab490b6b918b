"""Who is upstream, where edges make a cycle, and which alarmed entity moved first."""

import pytest

from nilometer.causes.graph import LATER_NS, Graph, first_movers

MINUTE = 60 * 1_000_000_000
CHAIN = Graph.of([("sensor", "comfort"), ("comfort", "advice")])


def moved(graph: Graph, **minutes: int) -> list[tuple[str, tuple[str, ...]]]:
    """Return the first movers and their followers, for the minute of each onset."""
    found = first_movers(graph, {name: minute * MINUTE for name, minute in minutes.items()})
    return [(one.entity, one.followers) for one in found]


def test_upstream_and_downstream_go_through_others() -> None:
    assert CHAIN.upstream("advice") == {"sensor", "comfort"}
    assert CHAIN.downstream("sensor") == {"comfort", "advice"}
    assert CHAIN.upstream("sensor") == CHAIN.upstream("unknown") == set()


def test_the_alarmed_entity_without_an_alarm_upstream_moved_first() -> None:
    assert moved(CHAIN, sensor=7, comfort=5, advice=9) == [("sensor", ("comfort", "advice"))]
    assert moved(CHAIN, comfort=5, advice=3) == [("comfort", ("advice",))]
    assert moved(CHAIN, sensor=1, advice=2) == [("sensor", ("advice",))]  # over a silent entity


def test_an_alarm_upstream_that_came_much_later_explains_nothing() -> None:
    later = 1 + LATER_NS // MINUTE
    assert [name for name, _ in moved(CHAIN, sensor=later + 1, advice=1)] == ["advice", "sensor"]
    assert [name for name, _ in moved(CHAIN, sensor=later, advice=1)] == ["sensor"]


def test_of_several_first_movers_the_earliest_is_first() -> None:
    graph = Graph.of([("a", "c"), ("b", "c")])
    assert moved(graph, a=5, b=4, c=6) == [("b", ("c",)), ("a", ("c",))]
    assert moved(graph) == []


def test_in_a_cycle_the_earliest_onset_moved_first() -> None:
    graph = Graph.of([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "e")])
    assert graph.cycles() == [["a", "b", "c"], ["e"]]
    assert moved(graph, a=3, b=1, c=2, d=0, e=5) == [("b", ("d", "c", "a")), ("e", ())]
    assert moved(graph, a=1, b=1) == [("a", ("b",))]


@pytest.mark.parametrize("length", [1, 2, 3000])
def test_a_cycle_of_any_length_ends(length: int) -> None:
    names = [f"e{at:04d}" for at in range(length)]
    graph = Graph.of(zip(names, [*names[1:], names[0]], strict=True))
    assert graph.cycles() == [names]
    assert graph.upstream(names[0]) == {*names}


def test_a_graph_without_a_cycle_has_none() -> None:
    assert CHAIN.cycles() == Graph.of([]).cycles() == []
    diamond = Graph.of([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
    assert diamond.cycles() == []
