"""Peers that occupy all connections they can do not block an agent or the probes."""

import hashlib
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme
from support import holding
from support.holding import (
    CHECK,
    FOR_EVER,
    HEADERS,
    HELLO,
    SHIP,
    half_open_calls,
    is_closed,
    is_ended,
    no_descriptor_left,
    silent_sockets,
)

from nilometer.serving import calls
from nilometer.testing import eventually
from nilometer.wire.services import CHANNEL_OPTIONS, ShipRequest, collector_stub
from nilometer_collector.api import connections
from nilometer_collector.testing import Running, running

TOKEN, OTHER = "canary-agent", "canary-other"
CALLS, SOCKETS = 300, 300
REQUEST = ShipRequest(agent="pod-1", epoch=b"e" * 16, instance=b"i" * 16)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


@dataclass
class Guarded:
    """A collector behind TLS and principals, and how it is asked."""

    served: Running
    ca: Path

    @property
    def grpc(self) -> str:
        return f"localhost:{self.served.collector.grpc_target.rpartition(':')[2]}"

    @property
    def http(self) -> str:
        return f"https://localhost:{self.served.collector.http_url.rpartition(':')[2]}"

    def ship(self) -> None:
        """As an agent that has just started: over a connection of its own."""
        secure = grpc.ssl_channel_credentials(self.ca.read_bytes())
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(self.grpc, secure, options=options) as channel:
            stub = collector_stub(channel)
            stub.Ship(REQUEST, timeout=60.0, wait_for_ready=True, metadata=bearer(TOKEN))

    def ask(self, path: str) -> None:
        trusted = holding.trusted(str(self.ca))
        with httpx.Client(
            base_url=self.http, verify=trusted, trust_env=False, timeout=60.0
        ) as client:
            headers = {"authorization": f"Bearer {TOKEN}"}
            assert client.get(path, headers=headers).status_code == 200

    def all_are_served(self) -> None:
        self.ship()
        self.ask("/healthz")
        self.ask("/readyz")


@contextmanager
def patient() -> Iterator[None]:
    """End no peer for its time, so that only the room that is made serves another."""
    with pytest.MonkeyPatch.context() as patience:
        patience.setattr(connections, "TURN_SECONDS", FOR_EVER)
        patience.setattr(calls, "MESSAGE_SECONDS", FOR_EVER)
        yield


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("held")
    ca = trustme.CA()
    made = ca.issue_cert("localhost", "127.0.0.1")
    ca.cert_pem.write_to_path(directory / "ca")
    made.private_key_pem.write_to_path(directory / "key")
    made.cert_chain_pems[0].write_to_path(directory / "crt")
    told: dict[str, Any] = {
        f"{door}_{name}": str(directory / file)
        for door in ("grpc", "http")
        for name, file in (("certificate", "crt"), ("key", "key"))
    }
    told["principals"] = [
        {
            "name": name,
            "token_sha256": [hashlib.sha256(token.encode()).hexdigest()],
            "ship": ["*"],
            "read": ["*"],
        }
        for name, token in (("agent", TOKEN), ("other", OTHER))
    ]
    with patient(), running(directory / "collector.db", **told) as served:
        yield Guarded(served, directory / "ca")


Hold = Callable[[Guarded], AbstractContextManager[object]]


def half_open(method: str, token: str = "", connections: int = 1) -> Hold:
    def hold(guarded: Guarded) -> AbstractContextManager[object]:
        return half_open_calls(
            guarded.grpc,
            method,
            CALLS,
            ca=guarded.ca.read_bytes(),
            metadata=bearer(token) if token else (),
            connections=connections,
        )

    return hold


HOLDS: dict[str, Hold] = {
    "half-open, no token": half_open(SHIP),
    "half-open, no token, many connections": half_open(SHIP, connections=30),
    "half-open, open method": half_open(CHECK, connections=30),
    "half-open, token of another": half_open(SHIP, OTHER, connections=30),
    "gRPC handshakes": lambda guarded: silent_sockets(guarded.grpc, HELLO, SOCKETS),
    "gRPC connections": lambda guarded: silent_sockets(guarded.grpc, b"", SOCKETS),
    "HTTP handshakes": lambda guarded: silent_sockets(guarded.http, HELLO, SOCKETS),
    "HTTP connections": lambda guarded: silent_sockets(guarded.http, b"", SOCKETS),
}


@pytest.mark.parametrize("kind", HOLDS)
def test_an_agent_and_the_probes_are_served_while_peers_hold_what_they_can(
    guarded: Guarded, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), HOLDS[kind](guarded):
        for _ in range(3):
            guarded.all_are_served()
    assert len(caplog.records) < 100


@pytest.fixture
def plain(database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A collector on loopback whose patience is short."""
    monkeypatch.setattr(connections, "TURN_SECONDS", 1.0)
    monkeypatch.setattr(calls, "MESSAGE_SECONDS", 1.0)
    with running(database) as served:
        yield served


SLOW = {
    "headers": HEADERS,
    "body": b"PUT /api/v1/alerters HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    "nothing": b"",
    "rubbish": b"\x16\x03\x01\x02",
}


@pytest.mark.parametrize("kind", SLOW)
def test_slow_requests_end_and_do_not_block_others(
    plain: Running, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with silent_sockets(plain.collector.http_url, SLOW[kind], SOCKETS) as held:
        for path in ("/healthz", "/readyz"):
            for _ in range(3):
                plain.http.get(path).raise_for_status()
        for one in held:
            one.settimeout(60.0)
            try:
                while one.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert len(caplog.records) < 100


def test_a_byte_now_and_then_does_not_keep_a_connection(plain: Running) -> None:
    with silent_sockets(plain.collector.http_url, HEADERS, 1) as (one,):
        assert is_ended(one, b"x")


def test_an_answer_that_is_not_taken_ends_its_connection(plain: Running) -> None:
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(holding.address(plain.collector.http_url), 60.0) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert is_ended(greedy, ask * 100)


def test_half_open_calls_end(plain: Running) -> None:
    with half_open_calls(plain.collector.grpc_target, SHIP, 10) as held:
        assert {call.code() for call in held} == {grpc.StatusCode.DEADLINE_EXCEEDED}


def test_half_open_calls_make_room_for_later_ones(database: Path) -> None:
    with (
        patient(),
        running(database) as served,
        half_open_calls(served.collector.grpc_target, SHIP, 1500, connections=60),
    ):
        for _ in range(3):
            served.stub.Ship(REQUEST, timeout=60.0)


def test_a_call_without_a_message_gets_an_error(plain: Running) -> None:
    ask: Any = plain.channel.stream_unary(SHIP)
    with pytest.raises(grpc.RpcError) as caught:
        ask(iter(()), timeout=60.0)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "without a message" in str(caught.value.details())


def test_one_address_has_a_share_where_a_setting_says_that_addresses_tell_peers_apart(
    database: Path,
) -> None:
    with (
        patient(),
        running(database, peers_by_address=True) as served,
        silent_sockets(served.collector.http_url, HEADERS, 100) as held,
    ):
        served.http.get("/healthz").raise_for_status()

        def closed() -> int:
            return sum(map(is_closed, held))

        # A quarter of the places, one of which is the client's.
        eventually(lambda: closed() > 30)
        assert closed() < 50


def test_descriptors_that_run_out_are_logged_once_and_the_longest_silent_makes_room(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(database) as served, ExitStack() as undone:
        undone.enter_context(silent_sockets(served.collector.http_url, HEADERS, 20))
        served.http.get("/healthz").raise_for_status()  # accepted after all of them
        client = undone.enter_context(no_descriptor_left())
        client.connect(holding.address(served.collector.http_url))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    said = [one for one in caplog.records if "cannot be accepted" in one.message]
    assert len(said) == 1
    assert "raise the limit of open files" in said[0].message
