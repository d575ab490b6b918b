"""How agents and workers begin and end: drained, within bounds, and honest about their health."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.asgi_zoo import echo, exchange, request_of, scope_of
from support.measures import calm_seconds

from nilometer import ConfigError, NilometerMiddleware
from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import pack
from nilometer.testing import eventually
from nilometer.wire.frames import Batch
from nilometer.wire.services import CHANNEL_OPTIONS
from nilometer_agent.health import DURABLE, SERVICE
from nilometer_agent.outbox import failover
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.workers.service import CAPTURE

ROW = (
    *(1_700_000_000_000_000_000, 0.01, 200, "ok", "POST", "/predict", 13, 2),
    *("application/json", "", "application/json", "", b'{"amount": 1}', b"{}", ""),
)
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVING = health_pb2.HealthCheckResponse.SERVING


def batch(count: int = 1) -> Batch:
    return Batch(entity="tested", observations=pack([ROW] * count), count=count)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a")


@contextmanager
def running(home: Path, **told: object) -> Iterator[Agent]:
    settings = {"collector": "", "commit_seconds": 0.02, **told}
    agent = Agent(AgentSettings(directory=str(home), **settings))  # type: ignore[arg-type]
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()


def has_observed(agent: Agent) -> bool:
    return agent.counters.snapshot()["observations"] > 0


def link_to(home: Path, worker: bytes = b"w" * 16) -> AgentLink:
    return AgentLink(CaptureSettings(entity="tested", agent=f"unix:{home / 'agent.sock'}"), worker)


def polled(link: AgentLink, over: Callable[[], bool]) -> float:
    """Tend *link* as a worker does until *over*; the seconds it took."""

    def over_now() -> bool:
        link.poll()
        return over()

    started = calm_seconds()
    eventually(over_now, poll=0.05)
    return calm_seconds() - started


# A worker and its agent


@pytest.mark.parametrize("outage_seconds", [0.2, 3.0])
def test_a_worker_is_back_within_a_second_and_a_half_of_its_agent(
    home: Path, outage_seconds: float
) -> None:
    link = link_to(home)
    with running(home):
        link.send(batch(), 1)
        polled(link, lambda: not link.unacknowledged)
    link.send(batch(), 1)
    until = time.monotonic() + outage_seconds
    while time.monotonic() < until:  # its waits grow to their longest
        link.poll()
        time.sleep(0.05)
    with running(home):
        assert polled(link, lambda: not link.unacknowledged) <= 1.5
        assert link.reconnects == 1
        link.finish(time.monotonic() + 1)


def test_a_batch_of_before_the_restart_counts_once(home: Path) -> None:
    first, again = link_to(home), link_to(home)  # one worker: the answers to the first were lost
    with running(home):
        first.send(batch(7), 7)
        polled(first, lambda: not first.unacknowledged)
        first.finish(time.monotonic() + 1)
    with running(home) as agent:
        again.send(batch(7), 7)
        again.send(batch(5), 5)
        polled(again, lambda: not again.unacknowledged)
        counted = agent.status().counters
        assert counted["batches_repeated"] == 1
        assert (counted["observations"], counted["observations_found"]) == (5, 7)
        again.finish(time.monotonic() + 1)


def test_a_worker_keeps_so_many_bytes_and_no_more(home: Path) -> None:
    settings = CaptureSettings(
        entity="tested",
        agent=f"unix:{home / 'agent.sock'}",
        max_unacknowledged_bytes=1 << 20,
    )
    link = AgentLink(settings, b"w" * 16)
    sent = 0
    while link.has_room():
        link.send(batch(100), 100)
        sent += 100
        link.poll()
    assert link._kept_bytes < (1 << 20) + len(batch(100).observations) + 256
    with running(home) as agent:
        polled(link, lambda: not link.unacknowledged)
        assert link.has_room()
        assert agent.status().counters["observations"] == sent
        link.finish(time.monotonic() + 1)


# The end of a worker


def stopped_in(middleware: NilometerMiddleware) -> float:
    started = calm_seconds()
    middleware._worker.stop()
    return calm_seconds() - started


def busy_middleware(home: Path) -> NilometerMiddleware:
    middleware = NilometerMiddleware(echo, entity="tested", agent=f"unix:{home / 'agent.sock'}")

    async def served() -> None:
        for _ in range(300):
            await exchange(middleware, scope_of(), request_of(b'{"amount": 1}'))

    asyncio.run(served())
    return middleware


def test_the_end_of_a_worker_without_an_agent_takes_a_tenth_of_a_second(home: Path) -> None:
    assert stopped_in(busy_middleware(home)) <= 0.1


def test_the_end_of_a_worker_with_its_agent_hands_everything_on_within_two_seconds(
    home: Path,
) -> None:
    with running(home) as agent:
        middleware = busy_middleware(home)
        assert stopped_in(middleware) <= 2.0
        assert stopped_in(middleware) <= 0.1  # there is nothing to do again
        assert agent.status().counters["observations"] == 300


def test_an_agent_that_hangs_holds_the_end_of_a_worker_up_for_two_seconds(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "agent.sock.frames"))
        listener.listen(64)
        middleware = busy_middleware(home)
        assert middleware._worker.settings.shutdown_seconds == 2.0
        started = time.monotonic()
        assert stopped_in(middleware) <= 2.5
        assert time.monotonic() - started >= 1.5  # it may come back until then


def test_a_forked_child_does_not_stop_its_parents_worker(home: Path) -> None:
    with running(home) as agent:
        middleware = busy_middleware(home)
        child = os.fork()
        if not child:
            middleware._worker.stop()
            os._exit(0 if middleware._worker._thread is None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert stopped_in(middleware) <= 2.0
        assert agent.status().counters["observations"] == 300


# The end of an agent


def test_what_comes_while_an_agent_ends_is_committed_or_comes_again(home: Path) -> None:
    link, sent, acknowledged_by_the_first = link_to(home), 0, 0
    for _ in range(3):
        agent = Agent(AgentSettings(directory=str(home), collector="", commit_seconds=0.02))
        agent.start()
        polled(link, lambda: link._stream is not None)
        ender: list[float] = []
        for step in range(60):
            link.send(batch(), 1)
            sent += 1
            link.poll()
            if step == 20:
                polled(link, partial(has_observed, agent))
            if step == 40:
                started = calm_seconds()
                agent.stop()
                ender.append(calm_seconds() - started)
        assert ender[0] <= 5.0
        acknowledged_by_the_first += agent.counters.snapshot()["observations"]
    assert acknowledged_by_the_first > 0
    with running(home) as agent:
        polled(link, lambda: not link.unacknowledged)
        counted = agent.status().counters
        assert counted["observations"] + counted["observations_found"] == sent
        link.finish(time.monotonic() + 1)


def test_sigterm_drains_and_ends_in_five_seconds_whoever_hangs(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        address = f"127.0.0.1:{hangs.getsockname()[1]}"
        command = [sys.executable, "-m", "nilometer_agent", "--directory", str(home)]
        ways = ["--collector", address, "--otlp-endpoint", f"http://{address}"]
        process = subprocess.Popen([*command, *ways], stderr=subprocess.DEVNULL)
        link = link_to(home)
        link.send(batch(9), 9)
        polled(link, lambda: not link.unacknowledged)
        link.send(batch(3), 3)  # on its way when the signal comes
        started = calm_seconds()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert calm_seconds() - started <= 5.5
        assert not (home / "agent.sock").exists()
    with running(home) as agent:
        polled(link, lambda: not link.unacknowledged)
        counted = agent.status().counters
        assert counted["observations"] + counted["observations_found"] == 12
        link.finish(time.monotonic() + 1)


def test_a_source_that_raises_at_the_end_costs_nothing_that_was_taken(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(
        AgentSettings(
            directory=str(home), collector="", commit_seconds=60.0, events_address="127.0.0.1:0"
        )
    )
    assert agent.events is not None

    def broken(deadline: float) -> None:
        raise OSError(deadline)

    stop_events = agent.events.stop
    monkeypatch.setattr(agent.events, "stop", broken)
    agent.start()
    link = link_to(home)
    link.send(batch(3), 3)
    polled(link, lambda: agent.engine.uncommitted > 0)
    agent.stop()
    assert agent.counters.snapshot()["observations"] == 3
    assert not (home / "agent.sock").exists()
    link.finish(time.monotonic() + 1)
    stop_events(time.monotonic() + 5)


def test_an_agent_that_cannot_be_made_lets_its_directory_go(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match="events_address"):
            Agent(AgentSettings(directory=str(home), collector="", events_address=address))
    with running(home) as agent:
        assert agent.engine.works


def test_an_agent_whose_source_cannot_start_ends_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent(AgentSettings(directory=str(home), collector="", events_address="127.0.0.1:0"))
    assert agent.events is not None

    def refused() -> None:
        raise ConfigError("events: no")

    monkeypatch.setattr(agent.events, "start", refused)
    with pytest.raises(ConfigError, match="events: no"):
        agent.start()
    assert not (home / "agent.sock").exists()  # the workers' socket had been opened
    agent.stop()
    assert not agent.engine.works
    with running(home) as again:
        assert again.engine.works


# Health


def state(channel: grpc.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=60).status)


def channel_to(home: Path) -> grpc.Channel:
    return grpc.insecure_channel(f"unix:{home / 'agent.sock'}", options=CHANNEL_OPTIONS)


@pytest.fixture
def watched(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """An agent whose `wait` is running."""
    monkeypatch.setattr(failover, "PROBE_SECONDS", 0.2)
    (home / "data").mkdir()
    with running(home / "data", socket=str(home / "agent.sock")) as agent:
        thread = threading.Thread(target=agent.wait)
        thread.start()
        yield agent
        agent.request_stop()
        thread.join(60)


def test_health_is_true_when_the_disk_goes_and_comes_back(home: Path, watched: Agent) -> None:
    with channel_to(home) as channel:
        eventually(lambda: state(channel, DURABLE) == SERVING)
        away = (home / "data").rename(home / "away")
        link = link_to(home)
        link.send(batch(4), 4)
        polled(link, lambda: not link.unacknowledged)
        eventually(lambda: state(channel, DURABLE) == NOT_SERVING)
        assert state(channel, SERVICE) == SERVING  # it takes batches, and says how it holds them
        assert watched.status().gauges["buffer_durable"] == 0
        away.rename(home / "data")
        eventually(lambda: state(channel, DURABLE) == SERVING)
        eventually(lambda: watched.status().counters["returns_to_disk"] == 1)
        link.finish(time.monotonic() + 1)


def test_an_engine_that_died_is_not_alive(home: Path, watched: Agent) -> None:
    with channel_to(home) as channel:
        eventually(lambda: state(channel, "") == SERVING)
        watched.engine.stop(5.0)

        def dead() -> bool:
            return all(state(channel, of) == NOT_SERVING for of in ("", SERVICE, DURABLE))

        eventually(dead)


def test_an_agent_that_drains_is_not_ready(home: Path) -> None:
    with running(home) as agent, channel_to(home) as channel:
        assert state(channel, SERVICE) == SERVING
        link = link_to(home)
        link.send(batch(), 1)
        polled(link, lambda: not link.unacknowledged)
        agent.health.leave()
        agent.health.refresh()
        assert state(channel, SERVICE) == NOT_SERVING  # nothing makes it serve again
        link.finish(time.monotonic() + 1)


def test_the_methods_name_is_the_contracts() -> None:
    from nilometer.v1 import agent_pb2

    service = agent_pb2.DESCRIPTOR.services_by_name["AgentService"]
    assert f"/{service.full_name}/{service.methods_by_name['Capture'].name}" == CAPTURE


def test_the_thread_that_fetches_plans_survives_any_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def broken() -> bool:
        agent.plans.wanted.clear()
        asked.append("plan")
        raise KeyError("values_allowed")

    with running(home) as agent:
        monkeypatch.setattr(agent.plans, "refresh", broken)
        agent.plans.wanted.set()
        eventually(lambda: len(asked) == 1)
        agent.plans.wanted.set()
        eventually(lambda: len(asked) == 2)
    assert "plan not refreshed" in caplog.text
