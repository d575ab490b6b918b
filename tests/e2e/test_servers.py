"""Ten thousand requests through each real server below `nilometer run`: the sums are exact.

Long, so that it runs only where it is asked for: ``NILOMETER_E2E=1 pytest tests/e2e``.
"""

import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support.fake_agent import FakeAgent

from nilometer.testing import eventually

REQUESTS = 10_000

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("NILOMETER_E2E"), reason="takes minutes: set NILOMETER_E2E=1"
    ),
    pytest.mark.timeout(600),
]


def short_form() -> ModuleType:
    """The module of the short tests: its servers, its client."""
    path = Path(__file__).resolve().parent.parent / "commands" / "test_run.py"
    spec = importlib.util.spec_from_file_location("short_form_of_servers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SHORT = short_form()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    running = FakeAgent(tmp_path / "agent.sock")
    yield running
    running.stop()


@pytest.mark.parametrize("name", SHORT.SERVERS)
def test_ten_thousand_requests_are_ten_thousand_observations(
    name: str, agent: FakeAgent, tmp_path: Path
) -> None:
    with SHORT.running(SHORT.SERVERS[name], agent, tmp_path / "log") as (process, port):
        pids = SHORT.post(port, REQUESTS)
        if name in SHORT.ENDS_AT_ONCE:
            eventually(lambda: len(agent.observations) == REQUESTS, timeout=60)
        SHORT.stop(process)
    log = (tmp_path / "log").read_text()[-2000:]
    assert len(agent.observations) == REQUESTS, log
    assert not agent.dropped
    assert sorted(agent.workers.values()) == sorted(Counter(pids).values()), log
    assert len(agent.workers) == len(set(pids))
