"""An agent, a collector, and separate virtual environments for real model servers."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.stack import BUILT
from support.far_side import FarSide

from nilometer.profile import FeatureProfile, ServiceProfile
from nilometer_agent.measure.laws import broken
from nilometer_agent.proxy.settings import ProxySettings
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings


def environment(name: str, python: str, *packages: str) -> Path:
    """The interpreter of the environment *name*, made where there is none; skips with the reason."""
    home = BUILT / name
    done = home / ".installed"
    if not done.exists():
        home.parent.mkdir(exist_ok=True)
        install = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages]
        for command in ([python, "-m", "venv", str(home)], install):
            made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=800)
            if made.returncode:
                reason = made.stderr.strip().splitlines()[-1:] or ["no word"]
                pytest.skip(f"{name} cannot be installed: {reason[0][:200]}")
        done.touch()
    return home / "bin" / "python"


class Watched:
    """An agent with proxies, and where it ships."""

    def __init__(self, directory: Path, *proxies: ProxySettings) -> None:
        self.far_side = FarSide()
        self.agent = Agent(
            AgentSettings(
                directory=str(directory),
                collector=self.far_side.address,
                commit_seconds=0.05,
                proxy=proxies,
            )
        )
        self.agent.start()
        self.ports = self.agent.proxies.ports if self.agent.proxies is not None else []

    def wait_for(self, observations: int) -> None:
        """Wait until so many are committed."""
        deadline = time.monotonic() + 60
        while (now := self.agent.counters.snapshot())["observations"] < observations:
            assert time.monotonic() < deadline, (observations, now)
            time.sleep(0.05)

    def settle(self, observations: int) -> None:
        """Wait until so many are committed, then end in order."""
        self.wait_for(observations)
        assert broken(self.looks()) == []
        self.agent.stop()
        assert self.agent.counters.snapshot()["observations"] == observations
        assert self.agent.counters.snapshot()["dropped"] == 0

    def looks(self) -> Iterator[dict[str, int]]:
        """The agent's figures, some times."""
        for _ in range(4):
            status = self.agent.status()
            yield {**status.counters, **status.gauges}
            time.sleep(0.05)

    def sums(self, entity: str) -> dict[str, Any]:
        """Rows and sum of each numeric summary."""
        found: dict[str, tuple[int, float]] = {}
        for sample in self.far_side.samples.values():
            if sample.entity == entity and isinstance(sample.content, FeatureProfile):
                moments = sample.content.numbers.moments
                rows, total = found.get(sample.summary, (0, 0.0))
                found[sample.summary] = (
                    rows + moments.count,
                    total + moments.count * moments.mean,
                )
        return found

    def statuses(self, entity: str) -> dict[int, int]:
        """Requests by status, all of them."""
        whole = ServiceProfile()
        for sample in self.far_side.samples.values():
            if sample.entity == entity and isinstance(sample.content, ServiceProfile):
                whole = whole.merge(sample.content)
        return {int(status): count for status, count in whole.statuses.items()}

    def close(self) -> None:
        self.agent.stop()
        self.far_side.stop()


@contextmanager
def watched(directory: Path, *proxies: ProxySettings) -> Iterator[Watched]:
    """An agent with *proxies*."""
    running = Watched(directory, *proxies)
    try:
        yield running
    finally:
        running.close()
