"""The pipeline shows every entity, its edges, what differs on them, and who moved first."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.problems import ALERTER

from nilometer.profile import ServiceProfile, SummarySample
from nilometer.profile.callers import Callers
from nilometer.testing import SteppedClock
from nilometer_collector.pipeline.pipeline import KEPT_SECONDS, LEARNED_SECONDS
from nilometer_collector.testing import (
    Running,
    an_alerter,
    an_evaluation,
    feature_sample,
    minute,
    service_sample,
)

CELSIUS = np.random.default_rng(2).normal(20.0, 4.0, 300)
EDGE = ("sensor", "comfort")


def requests(
    entity: str, number: int = 0, *, after_ms: int = 0, latency: float = 0.02, **named: int
) -> SummarySample:
    """Return 40 requests in minute *number*, in traces that every entity shares."""
    window = minute(number)
    called = [
        (
            f"00-{trace:032x}-00f067aa0ba902b7-01",
            window.start_ns + (trace * 997 + after_ms) * 1_000_000,
            latency,
        )
        for trace in range(1, 41)
    ]
    sample = service_sample([latency] * 40, failed=2, window=window)
    assert isinstance(sample.content, ServiceProfile)
    content = replace(sample.content, callers=Callers.of(named, [] if named else called))
    return replace(sample, entity=entity, content=content)


def column(entity: str, summary: str, cells: NDArray[np.float64]) -> SummarySample:
    return feature_sample(list(cells), entity=entity, summary=summary)


def declare(served: Running, name: str, *sources: str) -> None:
    body = {"reads_from": sources}
    served.http.put("/api/v1/entity", params={"entity": name}, json=body).raise_for_status()


def edges(answer: Any) -> dict[tuple[str, str], Any]:
    return {(one["source"], one["reader"]): one for one in answer["edges"]}


def test_an_empty_collector_has_an_empty_pipeline(served: Running) -> None:
    answer = served.get("pipeline")
    assert answer["taken"] > 0
    for key in ("nodes", "edges", "first_movers", "cycles"):
        assert answer[key] == []


def test_a_node_has_the_health_of_its_service_and_of_its_data(served: Running) -> None:
    served.sender().ship(requests("sensor"), column("sensor", "output.temperature", CELSIUS))
    (node,) = served.get("pipeline")["nodes"]
    assert (node["name"], node["kind"], node["health"]) == ("sensor", "model", "LEARNING")
    assert node["requests"] == 40
    assert node["requests_per_second"] == 40 / 60
    assert node["error_ratio"] == 0.05
    assert 0.019 < node["latency_p99_seconds"] < 0.022
    assert node["profiled_ratio"] == 0.95
    assert node["open_episodes"] == 0
    assert node["last_seen"] == minute(0).end_ns / 1e9


def test_a_declared_edge_names_the_unit_that_changed_on_it(served: Running) -> None:
    declare(served, "sensor")
    declare(served, "comfort", "sensor")
    served.sender().ship(
        column("sensor", "output.temperature", CELSIUS),
        column("comfort", "input.temperature", CELSIUS * 1.8 + 32),
        column("sensor", "output.humidity", CELSIUS),
        column("comfort", "input.humidity", CELSIUS),
    )
    edge = edges(served.get("pipeline"))[EDGE]
    assert (edge["declared"], edge["call"], edge["columns"], edge["why"]) == (True, None, 2, "")
    assert edge["compared_to"] == minute(0).end_ns / 1e9
    (finding,) = edge["findings"]
    assert finding["fault"] == "unit"
    assert finding["sent"] == "output.temperature"
    assert finding["sentence"] == (
        "input.temperature is 1.8 times as large, plus 32 where comfort receives it, compared with "
        "output.temperature of sensor, as if Celsius became Fahrenheit."
    )


def test_columns_with_other_names_are_declared_on_the_edge(served: Running) -> None:
    declare(served, "sensor")
    columns = {"sensor": {"input.t": "output.celsius"}}
    body = {"reads_from": ["sensor"], "columns": columns}
    put = served.http.put("/api/v1/entity", params={"entity": "comfort"}, json=body)
    assert put.raise_for_status().json()["columns"] == columns
    served.sender().ship(
        column("sensor", "output.celsius", CELSIUS), column("comfort", "input.t", CELSIUS * 100)
    )
    (finding,) = edges(served.get("pipeline"))[EDGE]["findings"]
    assert (finding["sent"], finding["received"]) == ("output.celsius", "input.t")


def test_windows_that_only_one_side_has_are_not_compared(served: Running) -> None:
    declare(served, "sensor")
    declare(served, "comfort", "sensor")
    assert "has the name of an input" in edges(served.get("pipeline"))[EDGE]["why"]


def test_learned_edges_stand_beside_declared_ones_and_fade(
    served: Running, clock: SteppedClock
) -> None:
    declare(served, "comfort", "sensor")
    ship = served.sender().ship
    ship(requests("sensor"), requests("comfort", after_ms=5, latency=0.01))
    ship(requests("advice", comfort=30, nobody=10))
    answer = served.get("pipeline")
    found = edges(answer)
    assert found.keys() == {EDGE, ("comfort", "advice")}
    assert found[EDGE]["declared"]
    assert found[EDGE]["call"]["evidence"] == "traces"
    assert found[EDGE]["call"]["share"] == 1.0
    learned = found["comfort", "advice"]
    assert not learned["declared"]
    assert (learned["call"]["requests"], learned["call"]["share"]) == (30, 0.75)
    unknown = {one["name"]: one["unknown_callers"] for one in answer["nodes"]}
    assert unknown == {"advice": 10, "comfort": 0, "sensor": 0}
    # A day later, advice still has requests, but none from comfort.
    ship(requests("advice", 24 * 60 + 1, nobody=1))
    clock.step(LEARNED_SECONDS + 1)
    assert edges(served.get("pipeline")).keys() == {EDGE}


def test_a_call_against_a_declared_edge_confirms_it(served: Running) -> None:
    declare(served, "comfort", "sensor")  # comfort asks the sensor, and reads its answer
    served.sender().ship(requests("sensor", comfort=3), requests("comfort"))
    edge = edges(served.get("pipeline"))
    assert edge.keys() == {EDGE}
    assert edge[EDGE]["call"]["caller"] == "comfort"


def test_without_a_declaration_the_columns_show_who_reads(served: Running) -> None:
    served.sender().ship(
        requests("sensor", comfort=3),
        requests("comfort"),
        column("sensor", "output.temperature", CELSIUS),
        column("comfort", "input.temperature", CELSIUS),
    )
    assert edges(served.get("pipeline")).keys() == {EDGE}


def test_cycles_and_an_entity_that_is_its_own_parent_are_shown(served: Running) -> None:
    served.sender().ship(requests("a", b=3), requests("b", a=3), requests("c", c=3))
    answer = served.get("pipeline")
    assert answer["cycles"] == [["a", "b"], ["c"]]
    assert edges(answer)["c", "c"]["why"] == "the entity reads from itself"


def test_the_first_mover_is_named_with_those_that_followed(
    served: Running, clock: SteppedClock
) -> None:
    for name, *sources in (("sensor",), ("comfort", "sensor"), ("advice", "comfort")):
        declare(served, name, *sources)
    for at, name in enumerate(("comfort", "advice", "sensor")):
        served.put_alerter(ALERTER | {"entity": name}).raise_for_status()
        sender = served.sender(name)
        sender.ship(an_evaluation(0.5, at, alerter=an_alerter(entity=name)))
    clock.step(KEPT_SECONDS + 1)
    answer = served.get("pipeline")
    (mover,) = answer["first_movers"]
    assert mover["entity"] == "sensor"
    assert mover["followers"] == ["comfort", "advice"]
    assert mover["sentence"] == (
        "sensor moved first, since 2023-11-14 22:16 UTC: input.amount: PSI from training is 0.5 "
        "(threshold 0.2). Downstream of it, comfort and advice followed."
    )
    nodes = {one["name"]: one for one in answer["nodes"]}
    assert nodes["comfort"]["open_episodes"] == 1
    assert nodes["comfort"]["onset"] == minute(0).start_ns / 1e9


def test_open_episodes_of_one_entity_do_not_hide_those_of_another(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("store.sqlite.episodes", "pipeline.pipeline"):
        monkeypatch.setattr(f"nilometer_collector.{module}.MOST_EPISODES", 2)
    for entity, labels in (("quiet", "a"), ("busy", "bcd")):
        said = [
            an_evaluation(0.5, 1, alerter=an_alerter(entity=entity), labels={"segment": one})
            for one in labels
        ]
        served.sender(entity).ship(column(entity, "input.amount", CELSIUS), *said)
    nodes = served.get("pipeline")["nodes"]
    assert {one["name"]: one["open_episodes"] for one in nodes} == {"quiet": 1, "busy": 2}
