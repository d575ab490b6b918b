"""An agent that ends in order leaves its counts to the next one, which goes on with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.otlp_receiver import GrpcReceiver, metrics_of

from nilometer.profile import Coverage, Profile, ServiceProfile, SummarySample
from nilometer.testing import SteppedClock
from nilometer.values.labels import Labels
from nilometer.values.window import Window
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.measure.export import FILE, AgentExports
from nilometer_agent.settings import AgentSettings


def requests(count: int) -> list[SummarySample]:
    profile = Profile("tested", Labels(), Window(0, 60_000_000_000))
    profile.observe_service(
        ServiceProfile.of(
            outcomes={"ok": count},
            statuses={"200": count},
            latencies=[0.01] * count,
            request_sizes=[10] * count,
            response_sizes=[10] * count,
        )
    )
    profile.cover(Coverage(profiled=count))
    return profile.samples()


@pytest.fixture
def receiver() -> Iterator[GrpcReceiver]:
    receiver = GrpcReceiver()
    yield receiver
    receiver.stop()


class Agents:
    """Agents that use one directory, one after the other."""

    def __init__(self, receiver: GrpcReceiver, home: Path, temporality: str = "cumulative") -> None:
        self.receiver = receiver
        self.clock = SteppedClock()
        self.home = home
        self.settings: dict[str, Any] = {
            "otlp_endpoint": receiver.url,
            "otlp_protocol": "grpc",
            "otlp_temporality": temporality,
            "directory": str(home),
            "name": "pod-1",
        }

    def run(self, count: int, *, is_killed: bool = False, **settings: Any) -> None:
        """Count requests in a new agent until it ends."""
        self.clock.step(60)
        counters = Counters()
        told = AgentSettings(**{**self.settings, **settings})
        exports = AgentExports(told, counters, self.clock)
        exports.start()
        exports.committed([], requests(count))
        counters.add(Counter.BATCHES, count)
        self.clock.step(15)
        if not is_killed:
            exports.stop(5.0)
            return
        assert exports.otlp is not None
        exports.otlp.stop(5.0)

    def points(self, name: str) -> list[tuple[int, int]]:
        """Return the start and the count of each point of a metric, in the order of arrival."""
        found = []
        for request in self.receiver.requests:
            metric = metrics_of(request).get(name)
            if metric is not None:
                (point,) = getattr(metric, metric.WhichOneof("data")).data_points
                count = point.count if hasattr(point, "count") else point.as_int
                found.append((point.start_time_unix_nano, count))
        return found


COUNTED = ("nilometer.requests", "http.server.request.duration", "nilometer.agent.batches")


@pytest.mark.parametrize("name", COUNTED)
def test_counts_go_on_from_their_true_start(
    receiver: GrpcReceiver, tmp_path: Path, name: str
) -> None:
    agents = Agents(receiver, tmp_path)
    for count in (2, 1, 4):
        agents.run(count)
    (start, _), *_ = found = agents.points(name)
    assert found == [(start, 2), (start, 3), (start, 7)]


def test_the_cost_of_monitoring_includes_that_of_earlier_agents(
    receiver: GrpcReceiver, tmp_path: Path
) -> None:
    agents = Agents(receiver, tmp_path)
    for _ in range(3):
        agents.run(1)
    spent = [
        metrics_of(request)["process.cpu.time"].sum.data_points[0].as_double
        for request in receiver.requests
    ]
    assert spent[1] >= 2 * spent[0]
    assert spent[2] >= spent[1] + spent[0]


def test_differences_do_not_repeat_what_was_sent(receiver: GrpcReceiver, tmp_path: Path) -> None:
    agents = Agents(receiver, tmp_path, "delta")
    for count in (2, 1, 4):
        agents.run(count)
    for name in COUNTED:
        assert [count for _, count in agents.points(name)] == [2, 1, 4]


def test_a_killed_agent_leaves_nothing_and_the_next_has_a_start_of_its_own(
    receiver: GrpcReceiver, tmp_path: Path
) -> None:
    agents = Agents(receiver, tmp_path)
    agents.run(2)
    agents.run(1, is_killed=True)
    agents.run(4)
    (first, _), _, (second, _) = found = agents.points(COUNTED[0])
    assert found == [(first, 2), (first, 3), (second, 4)]
    assert second > first


def test_another_agent_begins_at_zero(receiver: GrpcReceiver, tmp_path: Path) -> None:
    agents = Agents(receiver, tmp_path)
    agents.run(2)
    agents.run(4, name="pod-2")
    assert [count for _, count in agents.points(COUNTED[0])] == [2, 4]


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", msgspec.msgpack.encode({"started_ns": 1, "families": 3})]
)
def test_a_damaged_file_is_told_and_counts_begin_at_zero(
    receiver: GrpcReceiver,
    tmp_path: Path,
    content: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    agents = Agents(receiver, tmp_path)
    agents.run(2)
    (tmp_path / FILE).write_bytes(content)
    agents.run(4)
    agents.run(1)
    assert [count for _, count in agents.points(COUNTED[0])] == [2, 4, 5]
    assert caplog.text.count("cannot be read, they start at 0") == 1


def test_counts_that_cannot_be_left_are_told(
    receiver: GrpcReceiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agents = Agents(receiver, tmp_path)
    (tmp_path / f"{FILE}.partial").mkdir()
    agents.run(2)
    assert "they will start at 0" in caplog.text
