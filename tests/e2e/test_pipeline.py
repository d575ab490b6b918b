"""Three linked services without any threshold: the default alerter finds the change, and who moved first."""

import time
from pathlib import Path

import pytest
from support.linked_services import linked_services

HOUR = 3600


@pytest.mark.timeout(600)
def test_the_default_alerter_and_the_graph_name_the_first_mover(tmp_path: Path) -> None:
    with linked_services(tmp_path, window_seconds=HOUR, grace_seconds=6 * HOUR) as linked:
        linked.replay(time.time_ns() / 1e9, windows=40, broken=8, window_seconds=HOUR)
        found = linked.alarmed(180)
    assert [mover["entity"] for mover in found["first_movers"]] == ["sensor"]
    assert sorted(found["first_movers"][0]["followers"]) == ["advice", "comfort"]
    print(found["first_movers"][0]["sentence"])
