"""The gRPC server: an event loop on a thread of its own."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2

from nilometer.values.errors import ConfigError
from nilometer.wire.services import SERVER_OPTIONS
from nilometer_collector.access.addresses import Address
from nilometer_collector.access.rights import Gate
from nilometer_collector.ingest.bounds import Bounds
from nilometer_collector.ingest.ingest import SERVICE_NAME
from nilometer_collector.ingest.method import Method
from nilometer_collector.ingest.reception import Reception

THREADS = 8  # that parse and store
OPTIONS = (
    *SERVER_OPTIONS,
    ("grpc.max_connection_age_ms", 3_600_000),  # a certificate that is no longer valid ends with it
    ("grpc.max_connection_age_grace_ms", 10_000),
    ("grpc.max_connection_idle_ms", 30_000),  # an agent asks for its plan more often
    ("grpc.server_handshake_timeout_ms", 1000),  # of TLS and HTTP/2: see docs/access.md
    ("grpc.max_concurrent_streams", 32),  # of one connection
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
HEALTH_NAME = "grpc.health.v1.Health"
START_SECONDS = 10.0

log = logging.getLogger("nilometer.collector")


class GrpcServer:
    """Serves the collector's methods and the health service.

    Args:
        address: To listen on; port 0 takes any free one.
        credentials: Certificate and key; None serves without TLS.
        gate: Who may call.
        methods: By full name.
        shutdown_seconds: Longest time it may drain.
        connections: How many at once.
        by_address: Whether the addresses of peers tell them apart.
    """

    def __init__(
        self,
        address: Address,
        credentials: grpc.ServerCredentials | None,
        gate: Gate,
        methods: Mapping[str, Method[Any]],
        shutdown_seconds: float,
        *,
        connections: int,
        by_address: bool,
    ) -> None:
        self.address = address
        self._credentials = credentials
        self._gate = gate
        self._methods = methods
        self._shutdown_seconds = shutdown_seconds
        self._connections = connections
        self._bounds = Bounds(by_address=by_address)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="nilometer-grpc", daemon=True)

    def start(self) -> None:
        """Return when calls are answered; `address` has the real port then.

        Raises:
            ConfigError: If the address cannot be bound.
        """
        self._thread.start()
        self._started.wait(START_SECONDS)
        if self._failure is not None:
            raise ConfigError(
                f"grpc_address = {str(self.address)!r}: cannot be bound"
            ) from self._failure

    def stop(self) -> None:
        """Refuse new calls, let the others end, return."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(self._shutdown_seconds + 2.0)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception as error:
            self._failure = error
            if self._started.is_set():
                log.exception("the gRPC server failed")
        finally:
            self._started.set()

    async def _serve(self) -> None:
        server = grpc.aio.server(
            options=(*OPTIONS, ("grpc.max_allowed_incoming_connections", self._connections))
        )
        state = health.aio.HealthServicer()
        probes: dict[str, Any] = {
            f"/{HEALTH_NAME}/Check": (health_pb2.HealthCheckRequest, state.Check),
            f"/{HEALTH_NAME}/Watch": (health_pb2.HealthCheckRequest, state.Watch),
        }
        asked = str(self.address)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="nilometer-grpc") as threads:
            reception = Reception(self._gate, self._bounds, self._methods, probes, threads)
            server.add_generic_rpc_handlers((reception,))
            if self._credentials is None:
                port = server.add_insecure_port(asked)
            else:
                port = server.add_secure_port(asked, self._credentials)
            self.address = Address(self.address.host, port)
            await server.start()
            for name in ("", SERVICE_NAME):
                await state.set(name, health_pb2.HealthCheckResponse.SERVING)
            self._started.set()
            await self._stopping.wait()
            await state.enter_graceful_shutdown()
            await server.stop(self._shutdown_seconds)
