"""Three linked services without any threshold: the default alerter finds the change, and who moved first."""

import time
from pathlib import Path
from typing import Any

import pytest
from support.linked_services import STAGES, linked_services

from nilometer.testing import eventually

HOUR = 3600


@pytest.mark.timeout(600)
def test_the_default_alerter_and_the_graph_name_the_first_mover(tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    with linked_services(tmp_path, window_seconds=HOUR, grace_seconds=6 * HOUR) as linked:
        linked.replay(time.time_ns() / 1e9, windows=40, broken=8, window_seconds=HOUR)

        def all_are_alarmed() -> bool:
            found.update(linked.collector.get("pipeline"))
            return sum(node["open_episodes"] > 0 for node in found["nodes"]) == len(STAGES)

        eventually(all_are_alarmed, timeout=180)
    assert [mover["entity"] for mover in found["first_movers"]] == ["sensor"]
    assert sorted(found["first_movers"][0]["followers"]) == ["advice", "comfort"]
    print(found["first_movers"][0]["sentence"])
