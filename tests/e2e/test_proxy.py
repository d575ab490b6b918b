"""A real Triton and a real TorchServe behind the agent's proxies, asked by real clients.

Each server has an environment of its own below ``.e2e``, which is made once. What a client sees with
the proxy is what it sees without, and what was sent is what was profiled, to the last row.

TorchServe's worker imports torch for one `isinstance`; the wheel of torch brings gigabytes of CUDA,
and our handler makes no tensors: a module with an empty `Tensor` stands in for it. The frontend, its
worker and the archive are TorchServe's own.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.watched import environment, watched
from support.proxied import read_head

from nilometer.testing import eventually
from nilometer_agent.proxy.settings import ProxySettings
from nilometer_collector.demo.processes import free_port

HOST = "127.0.0.1"
MODELS = Path(__file__).resolve().parent / "models"
EACH = 200  # requests of each kind
SYSTEM_PYTHON = "/usr/bin/python3"  # Triton's Python backend is linked against the system's

pytestmark = pytest.mark.timeout(900)


def ask(port: int, request: bytes) -> bytes:
    """Every byte of the answer to *request*, which has a length."""
    with socket.create_connection((HOST, port), timeout=30) as connection:
        connection.sendall(request)
        head, body = read_head(connection)
        lowered = head.lower()
        if b"content-length: " in lowered:
            size = int(lowered.split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(body) < size:
                body += connection.recv(65536)
        else:
            while not body.endswith(b"0\r\n\r\n"):
                body += connection.recv(65536)
        return head + b"\r\n\r\n" + body


def answers(port: int, path: str) -> bool:
    """Whether the server on *port* says 200 to *path*."""
    try:
        head = ask(port, f"GET {path} HTTP/1.1\r\nHost: m\r\n\r\n".encode())
    except OSError:
        return False
    return head.startswith(b"HTTP/1.1 200")


# Triton.


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, int]]:
    """A running Triton with a model that doubles: its interpreter, HTTP port and gRPC port."""
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"Triton: there is no {SYSTEM_PYTHON}")
    python = environment(
        "triton", SYSTEM_PYTHON, "nvidia-pytriton==0.7.0", "tritonclient[http,grpc]"
    )
    http, grpc, metrics = free_port(), free_port(), free_port()
    log = tmp_path_factory.mktemp("triton") / "log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [python, MODELS / "triton_model.py", str(http), str(grpc), str(metrics)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: answers(http, "/v2/models/doubler/ready"), 120)
        yield python, http, grpc
    finally:
        assert running.stdin is not None
        running.stdin.close()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)


def clients(python: Path, http: int, grpc: int) -> Any:
    """What Triton's own clients see."""
    command = [str(python), str(MODELS / "triton_client.py"), str(http), str(grpc), str(EACH)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


def test_triton(triton: tuple[Path, int, int], tmp_path: Path) -> None:
    """JSON, binary tensors, compression, gRPC and its streams: as without, and summed up exactly."""
    python, http, grpc = triton
    bare = clients(python, http, grpc)
    proxies = (
        ProxySettings(entity="over-http", listen="0", upstream=str(http)),
        ProxySettings(entity="over-grpc", listen="0", upstream=str(grpc), protocol="grpc"),
    )
    with watched(tmp_path, *proxies) as running:
        assert clients(python, *running.ports) == bare
        # Metadata, a model that is not there; a stream of gRPC is one call, a probe is none.
        over_http, over_grpc = 4 * EACH + 2, 3 * EACH + 1 + 2
        running.settle(over_http + over_grpc)
        for entity in ("over-http", "over-grpc"):
            sums = running.sums(entity)
            rows = 4 * EACH
            for cell in range(4):
                sent = 4 * sum(number + cell for number in range(EACH))
                assert sums[f"input.x.{cell}"] == (rows, pytest.approx(sent, rel=1e-9))
                assert sums[f"output.y.{cell}"] == (rows, pytest.approx(2 * sent, rel=1e-9))
            assert len(sums) == 8
        # Metadata is no prediction.
        assert running.statuses("over-http") == {200: over_http - 2, 404: 1}
        assert running.statuses("over-grpc") == {200: over_grpc - 2, 404: 1}
        sys.stdout.write(f"Triton: {over_http} over HTTP, {over_grpc} over gRPC, all equal\n")


def test_triton_answers_with_the_same_bytes(triton: tuple[Path, int, int], tmp_path: Path) -> None:
    _, http, _ = triton
    body = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}'
    head = b"POST /v2/models/doubler/infer HTTP/1.1\r\nHost: m\r\nContent-Length: %d\r\n"
    requests = [
        (head % len(body)) + b"\r\n" + body,
        (head % len(body)) + b"Accept-Encoding: gzip\r\n\r\n" + body,
        (head % 1) + b"\r\n{",
        b"GET /v2 HTTP/1.1\r\nHost: m\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: m\r\n\r\n",
    ]
    with watched(tmp_path, ProxySettings(entity="m", listen="0", upstream=str(http))) as running:
        for request in requests:
            assert ask(running.ports[0], request) == ask(http, request)
        running.settle(len(requests))


# TorchServe.


@pytest.fixture(scope="module")
def torchserve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A running TorchServe with a model that doubles: the port of its inference."""
    if shutil.which("java") is None:
        pytest.skip("TorchServe: Java is not installed")
    python = environment(
        "torchserve",
        sys.executable,
        "torchserve==0.12.0",
        "torch-model-archiver",
        *("pyyaml", "numpy", "psutil", "packaging"),  # what its worker imports and does not name
    )
    home = tmp_path_factory.mktemp("torchserve")
    store, stand_in = home / "store", home / "stand-in"
    store.mkdir()
    stand_in.mkdir()
    (stand_in / "torch.py").write_text("class Tensor: ...\n")
    subprocess.run(
        [
            *(str(python.parent / "torch-model-archiver"), "--model-name", "doubler"),
            *("--version", "1.0", "--handler", str(MODELS / "torchserve_handler.py")),
            *("--export-path", str(store)),
        ],
        check=True,
        timeout=60,
    )
    port = free_port()
    (home / "config.properties").write_text(
        f"inference_address=http://{HOST}:{port}\n"
        f"management_address=http://{HOST}:{free_port()}\n"
        f"metrics_address=http://{HOST}:{free_port()}\n"
        f"grpc_inference_port={free_port()}\ngrpc_management_port={free_port()}\n"
        "default_workers_per_model=1\nnumber_of_netty_threads=2\n"
        f"vmargs=-Djava.io.tmpdir={home}\n"  # of the sockets to its workers
    )
    command = [
        *(str(python.parent / "torchserve"), "--foreground", "--ncs", "--disable-token-auth"),
        *("--ts-config", str(home / "config.properties"), "--model-store", str(store)),
        *("--models", "doubler.mar"),
    ]
    with (home / "log").open("wb") as output:
        running = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,  # its launcher ends without its Java
            env={
                **os.environ,
                "PYTHONPATH": str(stand_in),
                "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
                "TMPDIR": str(home),  # of its process id
                "LOG_LOCATION": str(home),
                "METRICS_LOCATION": str(home),
            },
        )
    try:
        eventually(lambda: predict(port, [1.0]) == [2.0], 120)
        yield port
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait(10)


def torchserve_request(values: list[float], path: str = "/predictions/doubler") -> bytes:
    body = json.dumps({"values": values}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def predict(port: int, values: list[float]) -> Any:
    try:
        answer = ask(port, torchserve_request(values))
    except OSError:
        return None
    return json.loads(answer.partition(b"\r\n\r\n")[2]).get("doubled")


def without_its_id(answer: bytes) -> list[bytes]:
    """The lines of *answer* less the id that TorchServe draws for each."""
    return [line for line in answer.split(b"\r\n") if not line.startswith(b"x-request-id: ")]


def test_torchserve(torchserve: int, tmp_path: Path) -> None:
    settings = ProxySettings(entity="scorer", listen="0", upstream=str(torchserve))
    with watched(tmp_path, settings) as running:
        (port,) = running.ports
        for request in (
            torchserve_request([1.0, 2.5]),
            torchserve_request([1.0], "/predictions/doubler/1.0"),
            torchserve_request([1.0], "/predictions/nothing"),
            b"GET /ping HTTP/1.1\r\nHost: m\r\n\r\n",
        ):
            bare, seen = ask(torchserve, request), ask(port, request)
            assert without_its_id(seen) == without_its_id(bare)
        for number in range(EACH):
            assert predict(port, [float(number)]) == [2.0 * number]
        running.settle(3 + EACH)  # a ping is no request of the model
        assert running.statuses("scorer") == {200: EACH + 2, 404: 1}
        sums = running.sums("scorer")
        # The first list, of two numbers, is two columns by position. Then lists of another length
        # come, and they are a vector.
        sent = 1.0 + sum(range(EACH))  # of the means of the other lists
        for summary, times in (("input.values.mean", 1), ("output.doubled.mean", 2)):
            assert sums[summary] == (EACH + 1, pytest.approx(times * sent, rel=1e-9))
        sys.stdout.write(f"TorchServe: {EACH + 4} requests, all equal\n")
