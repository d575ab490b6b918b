import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Literal, Unpack

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.asgi_zoo import echo, exchange, request_of, run, scope_of
from support.far_side import FarSide
from support.measures import calm_seconds

from nilometer import ConfigError, NilometerMiddleware
from nilometer.alert import AgainstReference, Alerter
from nilometer.batch.reference import reference_of
from nilometer.capture.options import CaptureOptions
from nilometer.capture.types import Receive, Scope, Send
from nilometer.profile import Coverage, FeatureProfile, SummarySample
from nilometer.testing import amounts, eventually
from nilometer.wire.services import FlushRequest, StatusReply, StatusRequest, agent_stub
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings

ENTITY = "tested"


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    side = FarSide()
    yield side
    side.stop()


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a")


class AgentProcess:
    """A real agent in a process of its own."""

    def __init__(self, home: Path, collector: str, *more: str) -> None:
        self.home = home
        self.socket = home / "agent.sock"
        command = [sys.executable, "-m", "nilometer_agent", "--directory", str(home)]
        self.log = (home / "test.log").open("ab")
        self._process = subprocess.Popen(
            [*command, "--collector", collector, *more], stderr=self.log, stdout=self.log
        )
        eventually(lambda: self._process.poll() is not None or self.answers())

    def answers(self) -> bool:
        try:
            self.status()
        except grpc.RpcError:
            return False
        return True

    def status(self) -> StatusReply:
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            reply: StatusReply = agent_stub(channel).Status(StatusRequest(), timeout=60)
            return reply

    def count(self, name: str) -> int:
        return self.status().counters[name]

    def flush(self) -> None:
        with grpc.insecure_channel(f"unix:{self.socket}") as channel:
            agent_stub(channel).Flush(FlushRequest(), timeout=60)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.wait(60)
        self.log.close()
        return self._process.returncode


@pytest.fixture
def agents(far_side: FarSide, home: Path) -> Iterator["list[AgentProcess]"]:
    running: list[AgentProcess] = []
    yield running
    for agent in running:
        agent.end(signal.SIGKILL)


def watched(home: Path, **options: Unpack[CaptureOptions]) -> NilometerMiddleware:
    socket_path = home / "agent.sock"
    given: CaptureOptions = {
        "entity": ENTITY,
        "agent": f"unix:{socket_path}",
        "shutdown_seconds": 60.0,
        **options,
    }
    return NilometerMiddleware(echo, **given)


def post(middleware: NilometerMiddleware, rows: list[object]) -> None:
    async def all_of_them() -> None:
        for row in rows:
            body = row if isinstance(row, bytes) else json.dumps(row).encode()
            sent, error = await exchange(middleware, scope_of(), request_of(body))
            assert error is None
            assert sent[1]["body"] == body

    asyncio.run(all_of_them())


def finish(middleware: NilometerMiddleware) -> None:
    worker = middleware._worker
    assert worker is not None
    worker.stop()


@pytest.mark.parametrize("place", ["agent", "process"])
def test_what_was_observed_stands_at_the_far_side(
    place: Literal["agent", "process"], far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    agents.append(AgentProcess(home, far_side.address))
    middleware = watched(home, profile_in=place, labels={"region": "eu"})
    values = amounts(1000)
    post(middleware, [{"amount": value, "country": "de"} for value in values])
    post(middleware, [b"{"])
    finish(middleware)
    agents[0].flush()
    eventually(lambda: far_side.seen(ENTITY) == 1001)
    merged = FeatureProfile.merge_all(
        sample.content
        for sample in far_side.samples.values()
        if sample.summary == "input.amount" and isinstance(sample.content, FeatureProfile)
    )
    assert merged.numbers.moments.count == 1000
    assert merged.numbers.moments.mean == pytest.approx(sum(values) / 1000)
    assert (merged.numbers.digest.min, merged.numbers.digest.max) == (min(values), max(values))
    (service,) = {s.labels.as_dict()["region"] for s in far_side.samples.values()}
    assert service == "eu"
    undecodable = sum(
        sample.coverage.undecodable.get("malformed", 0)
        for sample in far_side.samples.values()
        if sample.summary == "service"
    )
    assert undecodable == 1
    names = {
        name
        for sample in far_side.samples.values()
        if isinstance(sample.content, FeatureProfile)
        for name in sample.content.categories.frequent.counts
    }
    assert not names  # no name leaves unless it is allowed, or there is a key to hide it


@pytest.mark.parametrize("place", ["agent", "process"])
def test_tokens_of_an_answer_of_ten_caps_are_right_and_the_rest_is_counted_as_lost(
    place: Literal["agent", "process"], far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    agents.append(AgentProcess(home, far_side.address))
    chunk = {"id": "c-1", "object": "chat.completion.chunk", "model": "m"}
    piece = {**chunk, "choices": [{"index": 0, "delta": {"content": "word "}}]}
    last = {**chunk, "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 4321}}
    events = [f"data: {json.dumps(one)}\n\n".encode() for one in [*[piece] * 170, last]]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body"})

    middleware = NilometerMiddleware(
        app,
        entity=ENTITY,
        agent=f"unix:{home / 'agent.sock'}",
        profile_in=place,
        max_body_bytes=2048,
        shutdown_seconds=60.0,
    )
    assert sum(map(len, events)) > 20_000
    for _ in range(20):
        run(middleware, scope_of(), request_of(b'{"model": "m", "prompt": "why"}'))
    finish(middleware)
    agents[0].flush()
    eventually(lambda: far_side.seen(ENTITY) == 20)
    samples: dict[str, list[SummarySample]] = {}  # a minute may have ended in between
    for sample in far_side.samples.values():
        samples.setdefault(sample.summary, []).append(sample)
    for parts in samples.values():
        coverage = reduce(Coverage.merge, (part.coverage for part in parts))
        assert coverage == Coverage(profiled=20, lost_outputs={"partial": 20})
    tokens = FeatureProfile.merge_all(
        [
            part.content
            for part in samples["output.output_tokens"]
            if isinstance(part.content, FeatureProfile)
        ]
    )
    assert tokens.numbers.moments.count == 20
    assert (tokens.numbers.digest.min, tokens.numbers.digest.max) == (4321, 4321)
    assert agents[0].count("outputs_lost") == 20


def test_workers_of_one_pod_merge_into_one_stream(
    far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    agents.append(AgentProcess(home, far_side.address, "--window-seconds", "86400"))
    several = [watched(home) for _ in range(4)]
    for number, middleware in enumerate(several):
        post(middleware, [{"amount": number}] * 100)
        finish(middleware)
    agents[0].flush()
    eventually(lambda: far_side.seen(ENTITY) == 400)
    assert len([s for s in far_side.samples.values() if s.summary == "input.amount"]) == 1


def test_a_killed_agent_loses_nothing_that_a_worker_still_holds(
    far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    agents.append(AgentProcess(home, far_side.address))
    middleware = watched(home)
    for _ in range(5):
        post(middleware, [{"amount": 1}] * 200)
        agents[-1].end(signal.SIGKILL)
        post(middleware, [{"amount": 2}] * 100)
        agents.append(AgentProcess(home, far_side.address))
    eventually(lambda: agents[-1].status().workers)
    finish(middleware)
    agents[-1].flush()
    eventually(lambda: far_side.seen(ENTITY) >= 1500)
    assert far_side.seen(ENTITY) == 1500


def test_a_lost_reply_counts_once(
    far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    far_side.replies_to_lose = 1
    far_side.failures_to_come = 1
    agents.append(AgentProcess(home, far_side.address))
    middleware = watched(home)
    post(middleware, [{"amount": 1}] * 50)
    finish(middleware)
    agents[0].flush()
    eventually(lambda: agents[0].status().gauges["rows_in_outbox"] == 0)
    assert far_side.seen(ENTITY) == 50
    assert far_side.repeated > 0  # the hard path ran
    assert agents[0].count("ship_failures") == 2


def test_an_absent_collector_loses_nothing(
    home: Path, far_side: FarSide, agents: list[AgentProcess]
) -> None:
    far_side.stop()
    agents.append(AgentProcess(home, far_side.address))
    middleware = watched(home)
    post(middleware, [{"amount": 1}] * 50)
    finish(middleware)
    assert agents[0].end() == 0
    back = FarSide()
    try:
        agents.append(AgentProcess(home, back.address))
        eventually(lambda: back.seen(ENTITY) == 50)
    finally:
        back.stop()


def test_the_agent_judges_what_it_closes(
    far_side: FarSide,
    home: Path,
    agents: list[AgentProcess],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pyarrow

    table = pyarrow.table({"amount": amounts(2000), "country": ["de", "fr"] * 1000})
    far_side.references = [
        reference_of(table, entity=ENTITY, name="training", source="test", created_ns=1)
    ]
    far_side.alerters = [
        Alerter(
            entity=ENTITY,
            name="drift",
            summary="input.*",
            condition=AgainstReference(reference="training", threshold=0.25),
        )
    ]
    monkeypatch.setenv("NILOMETER_AGENT_PLAN_SECONDS", "0.1")
    agents.append(AgentProcess(home, far_side.address, "--window-seconds", "86400"))
    middleware = watched(home)
    post(middleware, [{"amount": 1.0, "country": "de"}])  # the plan comes with the first sight
    eventually(lambda: far_side.plans_known)
    rows = [{"amount": value * 2.5, "country": "de"} for value in amounts(500, seed=1)]
    post(middleware, [{**row, "country": "fr"} if i % 2 else row for i, row in enumerate(rows)])
    finish(middleware)
    agents[0].flush()
    eventually(lambda: len(far_side.evaluations) == 2)
    verdicts = {e.summary: e.verdict.value for e in far_side.evaluations.values()}  # type: ignore[attr-defined]
    assert verdicts == {"input.amount": "BREACH", "input.country": "FINE"}
    names = {
        name
        for sample in far_side.samples.values()
        if sample.summary == "input.country" and isinstance(sample.content, FeatureProfile)
        for name in sample.content.categories.frequent.counts
    }
    assert {"de", "fr"} <= names  # the reference published them


def test_a_second_agent_on_the_directory_refuses_and_leaves_the_first_alone(
    far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    agents.append(AgentProcess(home, far_side.address))
    second = subprocess.run(
        [sys.executable, "-m", "nilometer_agent", "--directory", str(home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "another agent is using it" in second.stderr
    assert agents[0].answers()


def test_a_regular_file_at_the_sockets_path_is_refused_and_kept(home: Path) -> None:
    (home / "agent.sock").write_text("mine")
    with pytest.raises(ConfigError, match="not a socket"):
        Agent(AgentSettings(directory=str(home), collector=""))
    assert (home / "agent.sock").read_text() == "mine"


def test_the_socket_and_the_files_are_for_their_owner_only(
    far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    agents.append(AgentProcess(home, far_side.address))
    for name in ("agent.sock", "agent.db", "agent.lock"):
        assert (home / name).stat().st_mode & 0o077 == 0, name


def test_health_says_serving(far_side: FarSide, home: Path, agents: list[AgentProcess]) -> None:
    agents.append(AgentProcess(home, far_side.address))
    with grpc.insecure_channel(f"unix:{agents[0].socket}") as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="nilometer.v1.AgentService"), timeout=60
        )
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_garbage_on_the_socket_harms_nobody(
    far_side: FarSide, home: Path, agents: list[AgentProcess]
) -> None:
    agents.append(AgentProcess(home, far_side.address))
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(agents[0].socket))
        raw.sendall(os.urandom(4096))
    middleware = watched(home)
    post(middleware, [{"amount": 1}] * 10)
    finish(middleware)
    eventually(lambda: agents[0].count("observations") == 10)


def test_a_worker_without_an_agent_starts_one_that_ends_after_it(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("h")
    monkeypatch.setenv("NILOMETER_AGENT_IDLE_SECONDS", "0.5")
    middleware = NilometerMiddleware(echo, entity=ENTITY, directory=str(home))
    post(middleware, [{"amount": 1}] * 10)
    eventually((home / "agent.sock").exists)
    with grpc.insecure_channel(f"unix:{home / 'agent.sock'}") as channel:
        stub = agent_stub(channel)
        eventually(lambda: stub.Status(StatusRequest(), timeout=60).counters["observations"] == 10)
    finish(middleware)
    eventually(lambda: not (home / "agent.sock").exists())


def test_a_worker_ends_at_once_when_no_agent_is_there(home: Path) -> None:
    middleware = watched(home)
    post(middleware, [{"amount": 1}] * 10)
    started = calm_seconds()
    finish(middleware)
    assert calm_seconds() - started < 1.0


def test_without_the_agents_packages_profiles_stay_in_memory(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from nilometer.handoff.profile_outlet import profiles

    monkeypatch.setattr("nilometer.handoff.spawn.NEEDED", ("no_such_package",))
    middleware = NilometerMiddleware(echo, entity="alone")
    post(middleware, [{"amount": 1}] * 10)
    finish(middleware)
    assert sum(s.coverage.seen for s in profiles("alone") if s.summary == "service") == 10
    why = "no agent can be started: the agent needs no_such_package: pip install 'nilometer[agent]'"
    assert [record.message for record in caplog.records] == [
        f"nilometer: {why}",
        f"nilometer: 10 observations of alone were lost: {why}",
    ]
