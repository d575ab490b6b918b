"""Slow or silent peers occupy each socket of the agent, and a complete sender is still served."""

import http.client
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from support.holding import (
    FOR_EVER,
    half_open_calls,
    is_closed,
    is_ended,
    no_descriptor_left,
    silent_sockets,
)

from nilometer.export import listen
from nilometer.serving import calls
from nilometer.testing import SteppedClock, eventually
from nilometer.wire.services import CHANNEL_OPTIONS
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources import http_server
from nilometer_agent.sources.body_memory import BodyMemory
from nilometer_agent.sources.http_server import HttpServer, Post, Reply
from nilometer_agent.sources.otlp.grpc_server import METRICS

SOCKETS = 100  # more than a server has places
HOST = "127.0.0.1"
POST_HEAD = b"POST /v1/metrics HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
HELD: dict[str, bytes] = {
    "nothing": b"",
    "a byte": b"G",
    "headers": b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ",
    "a body": POST_HEAD + b"Content-Length: 1000\r\n\r\n{",
    "a large body": POST_HEAD + b"Content-Length: 4000000\r\n\r\n{",
}


@dataclass
class Servers:
    """An agent that listens wherever it can, and who is served at each server."""

    agent: Agent

    def port(self, server: str) -> int:
        """The port of *server*."""
        assert self.agent.exports.server is not None
        assert self.agent.events is not None
        assert self.agent.otlp_in is not None
        return {
            "metrics": self.agent.exports.server.port,
            "events": self.agent.events.port,
            "OTLP over HTTP": self.agent.otlp_in.http_port,
            "OTLP over gRPC": self.agent.otlp_in.grpc_port,
        }[server]

    def ask(self, server: str) -> None:
        """As a sender that has just started."""
        if server == "OTLP over gRPC":
            options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(f"{HOST}:{self.port(server)}", options=options) as channel:
                export: Any = channel.unary_unary(METRICS)
                empty = ExportMetricsServiceRequest().SerializeToString()
                export(empty, timeout=60.0, wait_for_ready=True)
            return
        connection = http.client.HTTPConnection(HOST, self.port(server), timeout=60)
        if server == "metrics":
            connection.request("GET", "/livez")
        elif server == "events":
            connection.request("POST", "/", b"{}", {"content-type": "application/json"})
        else:
            kind = {"content-type": "application/x-protobuf"}
            connection.request("POST", "/v1/metrics", b"", kind)
        status = connection.getresponse().status
        connection.close()
        assert status == (400 if server == "events" else 200)

    def is_served(self, server: str) -> None:
        """Fail where *server* does not answer."""
        for _ in range(3):
            self.ask(server)


def opened(directory: Path, **told: object) -> Agent:
    """An agent with every server, each on a free port."""
    agent = Agent(
        AgentSettings(
            directory=str(directory),
            collector="",
            metrics_address=f"{HOST}:0",
            events_address=f"{HOST}:0",
            events_entity="scorer",
            otlp_in_grpc_address=f"{HOST}:0",
            otlp_in_http_address=f"{HOST}:0",
            **told,  # type: ignore[arg-type]  # settings by name
        )
    )
    agent.start()
    return agent


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that end no peer for its time, so that only the room they make serves another."""
    with pytest.MonkeyPatch.context() as patience:
        for module in (http_server, listen):
            patience.setattr(module, "TURN_SECONDS", FOR_EVER)
        patience.setattr(http_server._Handler, "timeout", FOR_EVER)
        patience.setattr(calls, "MESSAGE_SECONDS", FOR_EVER)
        agent = opened(tmp_path_factory.mktemp("a"))
        yield Servers(agent)
        agent.stop()


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("server", ["metrics", "events", "OTLP over HTTP", "OTLP over gRPC"])
def test_a_door_is_open_while_peers_hold_what_they_can(
    servers: Servers, server: str, held: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        silent_sockets(f"{HOST}:{servers.port(server)}", HELD[held], SOCKETS),
    ):
        servers.is_served(server)
    assert len(caplog.records) < 100


@pytest.mark.parametrize("connections", [1, 30])
def test_half_open_calls_hold_no_thread_of_otlp(servers: Servers, connections: int) -> None:
    target = f"{HOST}:{servers.port('OTLP over gRPC')}"
    with half_open_calls(target, METRICS, SOCKETS, connections=connections):
        servers.is_served("OTLP over gRPC")


def test_a_half_open_call_ends(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MESSAGE_SECONDS", 0.2)
    with grpc.insecure_channel(f"{HOST}:{servers.port('OTLP over gRPC')}") as channel:
        over = Event()

        def nothing() -> Iterator[bytes]:
            over.wait(60)
            yield from ()

        export: Any = channel.stream_unary(METRICS)
        with pytest.raises(grpc.RpcError) as caught:
            export(nothing(), timeout=60.0)
        over.set()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "needed room" in str(caught.value.details())


@pytest.mark.parametrize("server", ["metrics", "events"])
def test_one_address_has_a_share_where_a_setting_says_that_addresses_tell_peers_apart(
    tmp_path: Path, server: str
) -> None:
    agent = opened(tmp_path, peers_by_address=True)
    try:
        servers = Servers(agent)
        with silent_sockets(f"{HOST}:{servers.port(server)}", b"G", 16) as held:
            eventually(lambda: sum(map(is_closed, held)) == (12 if server == "metrics" else 0))
            servers.is_served(server)
    finally:
        agent.stop()


def server_of(take: Callable[[Post], Reply], most: int = 1 << 20) -> HttpServer:
    server = HttpServer("events_address", f"{HOST}:0", take, most)
    server.start()
    return server


def test_descriptors_that_run_out_are_logged_once_and_the_longest_silent_makes_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = server_of(lambda _: Reply(202))
    with ExitStack() as undone:
        undone.callback(server.stop, time.monotonic() + 5)
        undone.enter_context(silent_sockets(f"{HOST}:{server.port}", b"P", 20))
        eventually(lambda: len(server._server._open) == 20)
        client = undone.enter_context(no_descriptor_left())
        client.connect((HOST, server.port))
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 202")
    said = [one for one in caplog.records if "cannot be accepted" in one.message]
    assert len(said) == 1
    assert "raise the limit of open files" in said[0].message


def test_a_sender_of_a_byte_now_and_then_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "TURN_SECONDS", 0.5)
    server = server_of(lambda _: Reply(202))
    with silent_sockets(f"{HOST}:{server.port}", HELD["a body"], 1) as (one,):
        assert is_ended(one, b"x")
    server.stop(time.monotonic() + 5)


def test_large_bodies_that_stop_coming_make_room_for_one_that_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_server, "BODY_MEMORY", 1 << 20)
    monkeypatch.setattr(http_server, "TURN_SECONDS", FOR_EVER)
    monkeypatch.setattr(http_server._Handler, "timeout", FOR_EVER)
    server = server_of(lambda post: Reply(202, str(len(post.body)).encode()))
    half = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(900_000)
    with silent_sockets(f"{HOST}:{server.port}", half, 8):
        connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
        connection.request("POST", "/", bytes(600_000))
        assert connection.getresponse().read() == b"600000"
        connection.close()
    server.stop(time.monotonic() + 5)


def test_a_body_that_has_come_is_not_ended_for_another() -> None:
    ended: list[str] = []
    clock = SteppedClock()

    def end(sender: str) -> None:
        ended.append(sender)
        memory.release(sender)

    memory: BodyMemory[str] = BodyMemory(100, 10, end, clock)
    for sender in ("whole", "coming", "silent"):
        memory.take(sender, 33)
    memory.is_whole("whole")
    clock.step(1.0)
    memory.came("coming")
    memory.take("next", 33)  # needs what `silent` holds, and gets it when that one has ended
    assert ended == ["silent"]
    assert memory.held == 99
