"""Thousands of peers that hold a collector in a process of its own, few descriptors and many.

The small forms are in tests/collector/test_held.py. Here each kind of peer is tried against each
limit of descriptors, while a new agent and the probes must be served.
"""

import hashlib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from support import holding
from support.holding import CHECK, FOR_EVER, HEADERS, HELLO, SHIP, half_open_calls, silent_sockets

from nilometer.wire.services import CHANNEL_OPTIONS, ShipRequest, collector_stub

TOKEN = "canary-agent"
ROUNDS = 5
MAX_LOG_LINES = 100
REQUEST = ShipRequest(agent="pod-1", epoch=b"e" * 16, instance=b"i" * 16)
START = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2);"
    "from nilometer.export import listen; from nilometer.serving import calls;"
    "from nilometer_collector.api import connections;"
    f"listen.TURN_SECONDS = calls.MESSAGE_SECONDS = connections.TURN_SECONDS = {FOR_EVER};"
    "from nilometer_collector.commands.collector import main; sys.exit(main(sys.argv[2:]))"
)
SETTINGS = """
database = "{directory}/collector.db"
grpc_address = "127.0.0.1:0"
http_address = "127.0.0.1:0"
grpc_certificate = "{directory}/crt"
grpc_key = "{directory}/key"
http_certificate = "{directory}/crt"
http_key = "{directory}/key"
metrics_address = "127.0.0.1:{port}"
[[principals]]
name = "agent"
token_sha256 = ["{digest}"]
ship = ["*"]
read = ["*"]
"""


@dataclass(frozen=True, slots=True)
class Far:
    """A collector in a process of its own."""

    grpc: str
    http: str
    metrics: str
    ca: Path
    trusted: ssl.SSLContext

    def ship(self) -> None:
        """As an agent that has just started."""
        secure = grpc.ssl_channel_credentials(self.ca.read_bytes())
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(self.grpc, secure, options=options) as channel:
            collector_stub(channel).Ship(
                REQUEST,
                timeout=60.0,
                wait_for_ready=True,
                metadata=(("authorization", f"Bearer {TOKEN}"),),
            )

    def ask(self, path: str) -> None:
        with httpx.Client(
            base_url=self.http, verify=self.trusted, trust_env=False, timeout=60.0
        ) as client:
            answer = client.get(path, headers={"authorization": f"Bearer {TOKEN}"})
            assert answer.status_code == 200

    def probe(self) -> None:
        """As the kubelet, at the port of the metrics."""
        answer = httpx.get(f"http://{self.metrics}/livez", trust_env=False, timeout=60.0)
        assert answer.status_code == 200


@contextmanager
def far(directory: Path, descriptors: int) -> Iterator[Far]:
    """A collector that may open so many *descriptors*; its log is short when it has ended."""
    ca = trustme.CA()
    made = ca.issue_cert("localhost")
    ca.cert_pem.write_to_path(directory / "ca")
    made.private_key_pem.write_to_path(directory / "key")
    made.cert_chain_pems[0].write_to_path(directory / "crt")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    (directory / "c.toml").write_text(
        SETTINGS.format(directory=directory, digest=digest, port=port)
    )
    log = directory / "log"
    command = [sys.executable, "-c", START, str(descriptors), "--config", str(directory / "c.toml")]
    with log.open("wb") as errors:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert started.stdout is not None
        words = started.stdout.readline().split()
        told = dict(word.split("=", 1) for word in words[3:])
        ports = {door: told[door].rpartition(":")[2] for door in ("grpc", "http")}
        yield Far(
            grpc=f"localhost:{ports['grpc']}",
            metrics=f"127.0.0.1:{port}",
            http=f"https://localhost:{ports['http']}",
            ca=directory / "ca",
            trusted=holding.trusted(str(directory / "ca")),
        )
        started.terminate()
        assert started.wait(60) == 0
    finally:
        started.kill()
        started.communicate()
    assert len(log.read_text().splitlines()) < MAX_LOG_LINES


HOLDS: dict[str, Callable[[Far, int], AbstractContextManager[object]]] = {
    "half-open calls": lambda far, count: half_open_calls(
        far.grpc, SHIP, count, ca=far.ca.read_bytes(), connections=count // 30
    ),
    "half-open open calls": lambda far, count: half_open_calls(
        far.grpc, CHECK, count, ca=far.ca.read_bytes(), connections=count // 30
    ),
    "gRPC handshakes": lambda far, count: silent_sockets(far.grpc, HELLO, count),
    "HTTP handshakes": lambda far, count: silent_sockets(far.http, HELLO, count),
    "HTTP headers": lambda far, count: silent_sockets(far.http, HEADERS, count),
    "scrapes": lambda far, count: silent_sockets(far.metrics, HEADERS, count),
}


def held(directory: Path, kind: str, count: int, descriptors: int) -> float:
    """The longest that an agent or a probe waited, while *count* peers held what they could.

    A peer may hold on for an hour. Only a gRPC handshake has its usual limit, which ends it.
    """
    longest = 0.0
    with far(directory, descriptors) as collector, HOLDS[kind](collector, count):
        for _ in range(ROUNDS):
            for question in (
                collector.ship,
                lambda: collector.ask("/healthz"),
                lambda: collector.ask("/readyz"),
                collector.probe,
            ):
                began = time.monotonic()
                question()
                longest = max(longest, time.monotonic() - began)
    return longest


def matrix(directory: Path) -> str:
    """Every kind, few and many peers, few and many descriptors."""
    longest = 0.0
    for number, kind in enumerate(HOLDS):
        for count, descriptors in ((300, 1024), (1200, 1024), (10_000, 20_000)):
            if count > 1200 and kind.startswith("half-open"):
                continue  # so many streams cost the client, not the collector
            here = directory / f"{number}-{count}"
            here.mkdir(parents=True)
            longest = max(longest, held(here, kind, count, descriptors))
    return f"collector {longest:.2f} s"


@pytest.mark.parametrize("kind", ["gRPC handshakes", "HTTP handshakes", "scrapes"])
def test_more_peers_than_descriptors_keep_nobody_out(tmp_path: Path, kind: str) -> None:
    held(tmp_path, kind, 600, 512)
