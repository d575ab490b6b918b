"""The example of three linked services: an upstream unit change is named as the first mover."""

import time
from pathlib import Path

from support.linked_services import EXAMPLE, linked_services

from nilometer_collector.commands.declared_files import read_files


def test_an_upstream_unit_change_is_named_as_the_first_mover(tmp_path: Path) -> None:
    with linked_services(tmp_path) as linked:
        document = read_files([EXAMPLE / "apply"]).document
        linked.collector.http.post("/api/v1/apply", json=document).raise_for_status()
        linked.replay(time.time_ns() / 1e9)
        found = linked.alarmed()
    (mover,) = found["first_movers"]
    assert mover["entity"] == "sensor"
    assert mover["followers"] == ["advice", "comfort"]  # all moved in the same window
    assert "UTC: output.temperature: mean is" in mover["sentence"]
    edges = {(one["source"], one["reader"]): one for one in found["edges"]}
    assert edges.keys() == {("sensor", "comfort"), ("comfort", "advice")}
    for edge in edges.values():
        assert (edge["declared"], edge["call"]["share"]) == (False, 1.0)
        assert (edge["columns"], edge["findings"]) == (1, [])  # the fault is in the sensor itself
