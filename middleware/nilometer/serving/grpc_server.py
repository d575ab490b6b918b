"""A gRPC server that no client can block: it runs an event loop on its own thread."""

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

import grpc.aio

from nilometer.values.errors import ConfigError

OPTIONS = (
    ("grpc.max_connection_age_ms", 3_600_000),  # ends those with expired certificates
    ("grpc.max_connection_age_grace_ms", 10_000),
    ("grpc.max_connection_idle_ms", 30_000),  # an agent requests its plan more often than this
    # Longest handshake of TLS and HTTP/2, which allows for a lost packet. No other limit ends a
    # silent handshake. So silent clients can keep others out for this time, see docs/access.md.
    ("grpc.server_handshake_timeout_ms", 1500),
    ("grpc.max_concurrent_streams", 32),  # per connection
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
START_SECONDS = 60.0  # a busy machine may need several seconds

log = logging.getLogger("nilometer.serving")


class GrpcServer(ABC):
    """Serves the methods of a subclass. Call `start`, then `stop`.

    Args:
        name: Name of its threads, and of the server in the log.
        key: Name and value of the setting with the address, for errors.
        options: Channel arguments in addition to `OPTIONS`.
        connections: Largest number of concurrent connections.
        threads: Number of threads that answer calls.
        stop_seconds: Longest time for running calls at the end.
    """

    def __init__(
        self,
        name: str,
        key: str,
        options: Sequence[tuple[str, int]],
        *,
        connections: int,
        threads: int,
        stop_seconds: float,
    ) -> None:
        self._name = name
        self._key = key
        self._options = (
            *options,
            *OPTIONS,
            ("grpc.max_allowed_incoming_connections", connections),
        )
        self._threads = threads
        self._stop_seconds = stop_seconds
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._server: grpc.aio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def add_to(self, server: grpc.aio.Server, threads: Executor) -> None:
        """Add methods and an address to *server*; blocking methods are answered on *threads*."""

    async def opened(self) -> None:  # noqa: B027  most servers do nothing here
        """Run when the server has begun to accept calls."""

    async def closing(self) -> None:  # noqa: B027  as above
        """Run before the server refuses calls."""

    def start(self) -> None:
        """Return when the server accepts calls.

        Raises:
            ConfigError: If the address cannot be bound, or the server does not start in time.
        """
        self._thread.start()
        started = self._started.wait(START_SECONDS)
        if self._failure is not None:
            raise ConfigError(f"{self._key}: cannot be bound") from self._failure
        if not started:
            self.stop(0.0)
            raise ConfigError(f"{self._key}: did not start within {START_SECONDS:g} s")

    def stop(self, timeout: float) -> None:
        """Refuse new calls, let running calls end, and return.

        May be called before `start`, and twice.

        Args:
            timeout: Longest wait, in seconds.
        """
        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(timeout)
        elif not self._started.is_set():
            self._loop.close()

    def _run(self) -> None:
        threads = ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve(threads))
        except Exception as error:
            self._failure = error
            if self._started.is_set():
                log.exception("%s: the gRPC server failed", self._name)
        finally:
            # The event loop has ended. It must not wait for a thread, and gRPC joins its poller's thread
            # when its last server is freed.
            self._server = None
            self._started.set()
            threads.shutdown()

    async def _serve(self, threads: Executor) -> None:
        server = self._server = grpc.aio.server(options=self._options)
        self.add_to(server, threads)
        await server.start()
        await self.opened()
        self._started.set()
        await self._stopping.wait()
        await self.closing()
        await server.stop(self._stop_seconds)
