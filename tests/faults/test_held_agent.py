"""Thousands of peers that hold each door of an agent in a process of its own, few descriptors and many.

The small forms are in tests/agent/test_held.py and tests/agent/proxy. Here each kind of peer is tried at
each door, against each limit of descriptors, while whoever says all it has to must be served.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from support.holding import FOR_EVER, half_open_calls, silent_sockets
from support.proxied import raw_server, read_head

from nilometer.serving.grpc_server import GrpcServer
from nilometer.testing import eventually
from nilometer.wire.services import CHANNEL_OPTIONS
from nilometer_agent.sources.otlp.grpc_server import METRICS

HOST = "127.0.0.1"
ROUNDS = 5
MAX_LOG_LINES = 100
DOORS = ("metrics", "events", "OTLP over HTTP", "OTLP over gRPC", "HTTP proxy", "gRPC proxy")
GRPC_DOORS = {"OTLP over gRPC": METRICS, "gRPC proxy": "/service/Predict"}
START = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2);"
    "from nilometer.export import listen; from nilometer.serving import calls;"
    "from nilometer_agent.sources import http_server as http;"
    "listen.TURN_SECONDS = calls.MESSAGE_SECONDS = http.TURN_SECONDS = http._Handler.timeout = "
    f"{FOR_EVER};"
    "from nilometer.commands.cli import main; sys.exit(main(['agent', *sys.argv[2:]]))"
)
PROTOBUF = {"content-type": "application/x-protobuf"}


@dataclass(frozen=True, slots=True)
class FarAgent:
    """An agent in a process of its own, and the port of each of its doors."""

    ports: dict[str, int]

    def ask(self, door: str) -> None:
        """As a peer that has just started, and says all it has to."""
        port = self.ports[door]
        if door in GRPC_DOORS:
            options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
            with grpc.insecure_channel(f"{HOST}:{port}", options=options) as channel:
                call: Any = channel.unary_unary(GRPC_DOORS[door])
                empty = ExportMetricsServiceRequest().SerializeToString()
                call(empty, timeout=60.0, wait_for_ready=True)
            return
        with httpx.Client(
            base_url=f"http://{HOST}:{port}", trust_env=False, timeout=60.0
        ) as client:
            match door:
                case "metrics":
                    answer = client.get("/livez")
                case "events":
                    answer = client.post("/", content=b"")
                case "OTLP over HTTP":
                    answer = client.post("/v1/metrics", content=b"", headers=PROTOBUF)
                case _:
                    answer = client.post("/predict", content=b"{}")
        assert answer.status_code == (400 if door == "events" else 200)


def _free_ports(count: int) -> list[int]:
    opened = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in opened]
    for one in opened:
        one.close()
    return ports


def _answer(connection: socket.socket) -> None:
    if read_head(connection)[0]:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        del handler_call_details

        async def answer(request: bytes, context: Any) -> bytes:
            del context
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


class _Model(GrpcServer):
    """A model server whose calls hold no thread: what is held is the proxy."""

    port = 0

    def add_to(self, server: grpc.aio.Server, threads: Executor) -> None:
        """Answer every method with what it was sent."""
        del threads
        server.add_generic_rpc_handlers((_Echo(),))
        self.port = server.add_insecure_port(f"{HOST}:0")


@contextmanager
def _models() -> Iterator[tuple[int, int]]:
    """The ports of an HTTP and of a gRPC server behind the proxies."""
    model = _Model("model", "model", (), connections=20_000, threads=1, stop_seconds=0.0)
    model.start()
    with raw_server(_answer) as http:
        yield http.port, model.port
    model.stop(5.0)


@contextmanager
def far_agent(directory: Path, descriptors: int) -> Iterator[FarAgent]:
    """An agent that may open so many *descriptors*; its log is short when it has ended."""
    directory.mkdir(parents=True)
    ports = dict(zip(DOORS, _free_ports(len(DOORS)), strict=True))
    with _models() as (http, rpc):
        proxies = [
            {
                "entity": "scorer",
                "listen": f"{HOST}:{ports[f'{kind} proxy']}",
                "upstream": f"{HOST}:{port}",
                "protocol": kind.lower(),
            }
            for kind, port in (("HTTP", http), ("gRPC", rpc))
        ]
        told = {
            "DIRECTORY": str(directory / "d"),
            "COLLECTOR": "",
            "METRICS_ADDRESS": f"{HOST}:{ports['metrics']}",
            "EVENTS_ADDRESS": f"{HOST}:{ports['events']}",
            "OTLP_IN_HTTP_ADDRESS": f"{HOST}:{ports['OTLP over HTTP']}",
            "OTLP_IN_GRPC_ADDRESS": f"{HOST}:{ports['OTLP over gRPC']}",
            "PROXY": json.dumps(proxies),
        }
        environment = {**os.environ, **{f"NILOMETER_AGENT_{key}": told[key] for key in told}}
        log = directory / "log"
        with log.open("wb") as errors:
            started = subprocess.Popen(
                [sys.executable, "-c", START, str(descriptors)], stderr=errors, env=environment
            )
        try:
            agent = FarAgent(ports)
            eventually(lambda: _is_ready(ports["metrics"]))
            yield agent
            started.terminate()
            assert started.wait(60) == 0
        finally:
            started.kill()
            started.wait()
    lines = log.read_text().splitlines()
    assert len(lines) < MAX_LOG_LINES, "\n".join(lines[:20])


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


Hold = Callable[[str, int], AbstractContextManager[object]]
HEAD = b"POST /v1/metrics HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"


def sending(first: bytes) -> Hold:
    """Peers that send *first*, and then nothing."""
    return lambda where, count: silent_sockets(where, first, count)


def holds(door: str) -> dict[str, Hold]:
    """The kinds of peers that hold *door*."""
    if door in GRPC_DOORS:
        method = GRPC_DOORS[door]
        return {
            "connections": sending(b""),
            "half-open calls": lambda where, count: half_open_calls(
                where, method, min(count, 1200), connections=max(1, min(count, 1200) // 30)
            ),
        }
    return {
        "connections": sending(b""),
        "headers": sending(HEAD),
        "bodies": sending(HEAD + b"Content-Length: 4000000\r\n\r\n{"),
    }


def held(agent: FarAgent, door: str, kind: str, count: int) -> float:
    """The longest that a peer which says all it has to waited, while *count* others held the door.

    Those may hold on for an hour. Only a gRPC handshake has its usual limit, which ends it.
    """
    longest = 0.0
    with holds(door)[kind](f"{HOST}:{agent.ports[door]}", count):
        for _ in range(ROUNDS):
            began = time.monotonic()
            agent.ask(door)
            longest = max(longest, time.monotonic() - began)
    return longest


def matrix(directory: Path) -> str:
    """Every door and kind, few and many peers, few and many descriptors."""
    longest = dict.fromkeys(DOORS, 0.0)
    for count, descriptors in ((300, 1024), (1200, 1024), (10_000, 20_000)):
        with far_agent(directory / str(count), descriptors) as agent:
            for door in DOORS:
                for kind in holds(door):
                    longest[door] = max(longest[door], held(agent, door, kind, count))
    return ", ".join(f"{door} {seconds:.2f} s" for door, seconds in longest.items())


@pytest.mark.timeout(900)
def test_more_peers_than_places_keep_nobody_out_of_any_door(tmp_path: Path) -> None:
    with far_agent(tmp_path / "a", 256) as agent:
        for door in DOORS:
            for kind in holds(door):
                held(agent, door, kind, 300)
