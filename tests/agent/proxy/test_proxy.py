"""Proxies as the agent runs them: exact sums, faults of ours, the end and the return of their process."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from support.far_side import FarSide
from support.fault_points import IN_THE_GRPC_PROXY, IN_THE_HTTP_PROXY, KINDS, injected
from support.proxied import (
    HOST,
    Proxied,
    client,
    proxied,
    raw_server,
    read_all,
    read_head,
    read_until,
)

from nilometer.handoff.guard import Guard
from nilometer.profile import FeatureProfile, ServiceProfile
from nilometer.settings.settings import load
from nilometer.testing import eventually
from nilometer.values.errors import ConfigError
from nilometer_agent.proxy.keeper import Keeper
from nilometer_agent.proxy.settings import ProxySettings
from nilometer_agent.server import Agent
from nilometer_agent.settings import PREFIX, AgentSettings

ROOT = Path(__file__).resolve().parents[3]
REQUESTS = 10_000
THREADS = 8
CALL = "/inference.GRPCInferenceService/ModelInfer"


def _doubles(connection: socket.socket) -> None:
    """A model that answers with twice the first input."""
    while True:
        head, body = read_head(connection)
        if not head:
            return
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < size:
            body += connection.recv(65536)
        answer = json.dumps({"predictions": [json.loads(body)["instances"][0][0] * 2]}).encode()
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (len(answer), answer)
        )


@pytest.fixture(scope="module")
def model() -> Iterator[int]:
    with raw_server(_doubles) as server:
        yield server.port


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    far = FarSide()
    yield far
    far.stop()


def agent_of(directory: Path, far_side: FarSide | None, *proxies: dict[str, Any]) -> Agent:
    return Agent(
        AgentSettings(
            directory=str(directory),
            collector=far_side.address if far_side else "",
            commit_seconds=0.02,
            proxy=tuple(
                ProxySettings(**{"entity": "scorer", "listen": "0", **one}) for one in proxies
            ),
        )
    )


def port_of(agent: Agent) -> int:
    assert agent.proxies is not None
    return agent.proxies.ports[0]


def predict(port: int, values: range) -> int:
    """Ask for each of *values* over one connection; how many were answered rightly."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    right = 0
    for value in values:
        connection.request(
            "POST",
            "/v1/models/m:predict",
            json.dumps({"instances": [[value]]}),
            {"content-type": "application/json"},
        )
        right += json.loads(connection.getresponse().read()) == {"predictions": [value * 2]}
    connection.close()
    return right


def test_ten_thousand_requests_are_exactly_that(
    model: int, far_side: FarSide, tmp_path: Path
) -> None:
    """Each is answered, seen and profiled once; the sum of the inputs is exact."""
    agent = agent_of(tmp_path, far_side, {"upstream": f"{HOST}:{model}", "labels": {"via": "p"}})
    agent.start()
    try:
        share = REQUESTS // THREADS
        with ThreadPoolExecutor(THREADS) as pool:
            ranges = (range(first * share, (first + 1) * share) for first in range(THREADS))
            assert sum(pool.map(lambda some: predict(port_of(agent), some), ranges)) == REQUESTS
        eventually(lambda: agent.status().counters["profiled"] == REQUESTS)
    finally:
        agent.stop()
    counters = agent.counters.snapshot()
    assert counters["observations"] == counters["profiled"] == REQUESTS
    assert counters["dropped"] == counters["undecodable"] == 0
    samples = [*far_side.samples.values()]
    assert {sample.entity for sample in samples} == {"scorer"}
    services = [one.content for one in samples if isinstance(one.content, ServiceProfile)]
    assert sum(one.count for one in services) == REQUESTS
    inputs = [one for one in samples if one.summary.startswith("input.")]
    assert sum(one.coverage.profiled for one in inputs) == REQUESTS
    assert all(dict(one.labels) == {"via": "p", "model": "m"} for one in samples)
    profiles = [one.content for one in inputs if isinstance(one.content, FeatureProfile)]
    total = sum(one.numbers.moments.count * one.numbers.moments.mean for one in profiles)
    assert total == pytest.approx(sum(range(REQUESTS)), rel=1e-12)
    assert max(one.numbers.digest.max or 0.0 for one in profiles) == REQUESTS - 1


def test_an_agent_without_a_proxy_imports_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; from nilometer_agent.server import Agent; "
        "from nilometer_agent.settings import AgentSettings; "
        f"Agent(AgentSettings(directory={str(tmp_path)!r}, collector='')); "
        "print([m for m in sys.modules if m in {'hpack', 'httptools', 'asyncio'} or "
        "m.startswith('nilometer_agent.proxy.')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "hpack" not in found.stdout
    assert "httptools" not in found.stdout
    assert "nilometer_agent.proxy.settings" in found.stdout
    assert "nilometer_agent.proxy.relay" not in found.stdout


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"hpack and httptools: pip install"):
        Keeper((ProxySettings(entity="m", listen="0", upstream="1"),), tmp_path / "s")


def test_an_address_that_is_taken_stops_the_start(model: int, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        agent = agent_of(tmp_path, None, {"upstream": f"{HOST}:{model}", "listen": str(port)})
        with pytest.raises(ConfigError, match=rf"listen = '{HOST}:{port}': cannot be bound"):
            agent.start()
        agent.stop()


def test_proxies_are_told_by_file_and_by_variable(tmp_path: Path) -> None:
    file = tmp_path / "nilometer.toml"
    file.write_text(
        'collector = ""\n[[proxy]]\nlisten = "0.0.0.0:8080"\nupstream = "8000"\nentity = "a"\n'
        '[[proxy]]\nlisten = "8081"\nupstream = "8001"\nentity = "b"\nprotocol = "grpc"\n'
        'redact_fields = ["*.ssn"]\n'
    )
    one, two = load(AgentSettings, prefix=PREFIX, file=file, environment={}).proxy
    assert (one.entity, str(one.listening), one.protocol) == ("a", "0.0.0.0:8080", "http")
    assert (two.entity, two.protocol, two.redact_fields) == ("b", "grpc", ("*.ssn",))
    told = json.dumps([{"listen": "8080", "upstream": "8000", "entity": "c"}])
    (three,) = load(AgentSettings, prefix=PREFIX, environment={f"{PREFIX}PROXY": told}).proxy
    assert three.entity == "c"
    with pytest.raises(ConfigError, match=f"{PREFIX}PROXY: must be a list of tables in JSON"):
        load(AgentSettings, prefix=PREFIX, environment={f"{PREFIX}PROXY": "8080"[:0] + "{"})
    with pytest.raises(ConfigError, match="protocl"):
        load(
            AgentSettings,
            prefix=PREFIX,
            environment={f"{PREFIX}PROXY": told.replace("entity", "protocl")},
        )


def test_the_recipes_are_what_an_agent_takes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "proxy.md").read_text()
    file = tmp_path / "nilometer.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    (variable,) = re.findall(r"`NILOMETER_AGENT_PROXY='(.*?)'`", page)
    manifest = (ROOT / "deploy" / "kubernetes" / "triton" / "deployment.yaml").read_text()
    pod = next(yaml.safe_load_all(manifest))["spec"]["template"]["spec"]
    (agent,) = pod["initContainers"]
    environment = {one["name"]: one.get("value", "") for one in agent["env"]}
    told = [
        load(AgentSettings, prefix=PREFIX, file=file, environment={}),
        *(
            load(AgentSettings, prefix=PREFIX, environment={f"{PREFIX}PROXY": value})
            for value in (variable, environment[f"{PREFIX}PROXY"])
        ),
    ]
    assert [len(settings.proxy) for settings in told] == [2, 1, 2]
    ports = {port["containerPort"] for port in agent["ports"]}
    assert {proxy.listening.port for proxy in told[2].proxy} <= ports
    (server,) = pod["containers"]
    assert server["readinessProbe"]["httpGet"]["port"] == told[2].proxy[0].listening.port
    assert server["readinessProbe"]["httpGet"]["path"] in told[2].proxy[0].exclude


def test_a_proxy_that_is_killed_comes_back(model: int, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    agent = agent_of(tmp_path, None, {"upstream": f"{HOST}:{model}", "listen": str(port)})
    agent.start()
    try:
        assert predict(port, range(3)) == 3
        keeper = agent.proxies
        assert keeper is not None
        assert keeper._process is not None
        eventually(lambda: agent.status().counters["profiled"] == 3)
        os.kill(keeper._process.pid, signal.SIGKILL)
        eventually(lambda: keeper.restarts == 1)
        assert predict(port, range(2)) == 2
        eventually(lambda: agent.status().counters["profiled"] == 5)
    finally:
        agent.stop()


def test_a_proxy_that_is_being_started_again_is_ended_too(
    model: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ProxySettings(entity="m", listen="0", upstream=f"{HOST}:{model}")
    keeper = Keeper((proxy,), tmp_path / "s")
    spawn, begun, go_on = keeper._spawn, threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        go_on.wait(60)
        spawn()

    keeper.start()
    monkeypatch.setattr(keeper, "_spawn", slowly)
    assert keeper._process is not None
    os.kill(keeper._process.pid, signal.SIGKILL)
    assert begun.wait(60)
    threading.Timer(0.2, go_on.set).start()
    keeper.stop(time.monotonic() + 60)
    assert keeper.restarts == 1
    assert keeper._process.poll() is not None


def test_proxies_end_with_an_agent_that_is_killed(model: int, tmp_path: Path) -> None:
    told = [{"listen": "0", "upstream": f"{HOST}:{model}", "entity": "m"}]
    agent = subprocess.Popen(
        [sys.executable, "-m", "nilometer_agent", "--directory", str(tmp_path), "--collector", ""],
        env={**os.environ, f"{PREFIX}PROXY": json.dumps(told)},
        stderr=subprocess.DEVNULL,
    )
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children")
    try:
        child = eventually(lambda: children.read_text().split())[0]
        eventually(lambda: b"nilometer_agent.proxy" in Path(f"/proc/{child}/cmdline").read_bytes())
    finally:
        agent.kill()
        agent.wait(60)
    eventually(lambda: not _alive(child))


def _alive(pid: str) -> bool:
    try:
        return b"nilometer_agent.proxy" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_request_that_is_under_way_is_answered_at_the_end(tmp_path: Path) -> None:
    asked, told = threading.Event(), threading.Event()

    def handle(connection: socket.socket) -> None:
        read_head(connection)
        asked.set()
        told.wait(60)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with raw_server(handle) as server:
        agent = agent_of(tmp_path, None, {"upstream": f"{HOST}:{server.port}"})
        agent.start()
        with client(port_of(agent)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: m\r\n\r\n")
            assert asked.wait(60)
            stopping = threading.Thread(target=agent.stop)
            stopping.start()
            time.sleep(0.2)
            told.set()
            assert read_until(connection, b"ok").endswith(b"ok")
            stopping.join(60)
    assert agent.counters.snapshot()["observations"] == 1


# Faults of ours: every byte as without, whatever breaks.

_LENGTH = b"Content-Length: 2\r\n\r\n"
_POST = b"POST /p HTTP/1.1\r\nHost: m\r\n"


def _talks(connection: socket.socket) -> None:
    """A server with an answer of each kind, told by the path."""
    while True:
        head, body = read_head(connection)
        if not head:
            return
        while b"chunked" in head and not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
        while b"Length: 4" in head and len(body) < 4:
            body += connection.recv(65536)
        if b" /chunks" in head:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab")
            connection.sendall(b"\r\n1\r\nc\r\n0\r\nx: 1\r\n\r\n")
        elif b" /close" in head:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nsome")
            return
        elif b" /switch" in head:
            connection.sendall(b"HTTP/1.1 101 Now\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhi")
            connection.sendall(connection.recv(65536)[::-1])
            return
        elif b" /nothing" in head:
            connection.sendall(b"HTTP/1.1 204 No\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + _LENGTH + b"ok")


def _one_of_each(port: int) -> list[Any]:
    seen: list[Any] = []
    with client(port) as connection:
        for request, end in (
            (_POST + b"Content-Length: 4\r\n\r\nabcd", b"ok"),
            (
                b"POST /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
                b"x: 1\r\n\r\n",
            ),
            (b"GET /nothing HTTP/1.1\r\n\r\n", b"\r\n\r\n"),
            (b"GET /close HTTP/1.1\r\n\r\n", b""),
        ):
            connection.sendall(request)
            seen.append(read_until(connection, end) if end else read_all(connection))
    with client(port) as connection:
        connection.sendall(b"GET /switch HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        seen.append(read_until(connection, b"hi"))
        connection.sendall(b"\x00\x01\x02")
        seen.append(read_all(connection))
    return seen


@pytest.fixture(scope="module")
def http_pair() -> Iterator[tuple[Proxied, list[Any]]]:
    with raw_server(_talks) as server, proxied(server.port, drops_in_flight=True) as proxy:
        yield proxy, _one_of_each(server.port)


def _armed(proxy: Proxied) -> None:
    """As if nothing had gone wrong before."""
    worker = proxy.proxy_server.worker
    worker.guard, worker.live = Guard(), True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", IN_THE_HTTP_PROXY)
def test_a_fault_of_ours_leaves_every_http_answer(
    point: str, kind: str, http_pair: tuple[Proxied, list[Any]]
) -> None:
    proxy, bare = http_pair
    _armed(proxy)
    with injected(point, kind) as fault:
        assert _one_of_each(proxy.port) == bare
        eventually(lambda: not proxy.proxy_server.connections)
        assert fault.reached


@pytest.fixture(scope="module")
def grpc_pair() -> Iterator[tuple[Proxied, list[Any]]]:
    server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
    handlers: dict[str, Any] = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(lambda request, _: request[::-1]),
        "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(
            lambda requests, _: (one[::-1] for one in requests)
        ),
    }
    service = CALL.split("/")[1]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    with proxied(port, protocol="grpc", drops_in_flight=True) as proxy:
        yield proxy, _calls(port)
    server.stop(0).wait(60)


def _calls(port: int) -> list[Any]:
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
    with grpc.insecure_channel(f"{HOST}:{port}", options=options) as channel:
        unary: Callable[..., Any] = channel.unary_unary(CALL)
        stream: Callable[..., Any] = channel.stream_stream(CALL.replace("Model", "ModelStream"))
        missing: Any = channel.unary_unary("/a/b")
        seen = [unary(b"abc", timeout=60), [*stream(iter([b"ab", b"cd"]), timeout=60)]]
        try:
            missing(b"", timeout=60)
        except grpc.RpcError as error:
            seen.append(error.code())
        return seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", IN_THE_GRPC_PROXY)
def test_a_fault_of_ours_leaves_every_grpc_answer(
    point: str, kind: str, grpc_pair: tuple[Proxied, list[Any]]
) -> None:
    proxy, bare = grpc_pair
    _armed(proxy)
    with injected(point, kind) as fault:
        assert _calls(proxy.port) == bare
        eventually(lambda: not proxy.proxy_server.connections)
        assert fault.reached
