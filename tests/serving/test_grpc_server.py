"""The gRPC server says whether it has started, and does not start afterwards."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from threading import Event

import grpc.aio
import pytest

from nilometer.serving import grpc_server
from nilometer.serving.grpc_server import GrpcServer
from nilometer.values.errors import ConfigError


class Slow(GrpcServer):
    """A server whose start takes until *goes_on*."""

    def __init__(self, goes_on: Event) -> None:
        super().__init__("slow", "grpc_address = 'x'", (), connections=4, threads=1, stop_seconds=0)
        self._goes_on = goes_on
        self.port = 0

    def add_to(self, server: grpc.aio.Server, threads: Executor) -> None:
        self.port = server.add_insecure_port("127.0.0.1:0")

    async def opened(self) -> None:
        await asyncio.to_thread(self._goes_on.wait, 60)


@pytest.fixture
def goes_on() -> Iterator[Event]:
    event = Event()
    yield event
    event.set()


def test_a_server_that_does_not_start_in_time_is_an_error_and_ends(
    goes_on: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "START_SECONDS", 0.05)
    server = Slow(goes_on)
    with pytest.raises(ConfigError, match=r"grpc_address = 'x': did not start within 0.05 s"):
        server.start()
    goes_on.set()
    server._thread.join(60)
    assert not server._thread.is_alive()  # it does not serve, although it could now


def test_a_server_that_has_started_stops(goes_on: Event) -> None:
    goes_on.set()
    server = Slow(goes_on)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        grpc.channel_ready_future(channel).result(60)
    server.stop(60.0)
    server.stop(60.0)
    assert not server._thread.is_alive()
