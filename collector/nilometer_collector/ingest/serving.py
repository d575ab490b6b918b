"""The gRPC server of the collector: its methods, and the health service."""

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2

from nilometer.serving.calls import Bounds
from nilometer.serving.grpc_server import GrpcServer
from nilometer.wire.services import SERVER_OPTIONS
from nilometer_collector.access.addresses import Address
from nilometer_collector.access.rights import Gate
from nilometer_collector.ingest.ingest import SERVICE_NAME
from nilometer_collector.ingest.method import Method
from nilometer_collector.ingest.reception import Reception, Refused

THREADS = 8  # threads that parse messages and store rows
HEALTH_NAME = "grpc.health.v1.Health"


class CollectorServer(GrpcServer):
    """Serves the collector's methods and the health service.

    Args:
        address: Address to listen on; port 0 chooses a free port. After `start`, the attribute has
            the real port.
        credentials: Certificate and key; None means no TLS.
        gate: Gate that authenticates calls and checks their rights.
        methods: Methods of the collector by full name.
        shutdown_seconds: Longest time that a stop waits for running calls.
        refused: Function that is told of each refused call.
        connections: Largest number of open connections.
        by_address: Whether limits apply to each client address separately.
    """

    def __init__(
        self,
        address: Address,
        credentials: grpc.ServerCredentials | None,
        gate: Gate,
        methods: Mapping[str, Method[Any]],
        shutdown_seconds: float,
        *,
        refused: Refused,
        connections: int,
        by_address: bool,
    ) -> None:
        super().__init__(
            "nilometer-grpc",
            f"grpc_address = {str(address)!r}",
            SERVER_OPTIONS,
            connections=connections,
            threads=THREADS,
            stop_seconds=shutdown_seconds,
        )
        self.address = address
        self._credentials = credentials
        self._gate = gate
        self._methods = methods
        self._refused = refused
        self._bounds = Bounds(by_address=by_address)
        self._health = health.aio.HealthServicer()

    def add_to(self, server: grpc.aio.Server, threads: Executor) -> None:
        """Add all methods and the listening port to *server*."""
        probes: dict[str, Any] = {
            f"/{HEALTH_NAME}/Check": (health_pb2.HealthCheckRequest, self._health.Check),
            f"/{HEALTH_NAME}/Watch": (health_pb2.HealthCheckRequest, self._health.Watch),
        }
        reception = Reception(
            self._gate, self._bounds, self._methods, probes, threads, self._refused
        )
        server.add_generic_rpc_handlers((reception,))
        asked = str(self.address)
        if self._credentials is None:
            port = server.add_insecure_port(asked)
        else:
            port = server.add_secure_port(asked, self._credentials)
        self.address = Address(self.address.host, port)

    async def opened(self) -> None:
        """Report the health status SERVING."""
        for name in ("", SERVICE_NAME):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def closing(self) -> None:
        """Report the health status NOT_SERVING."""
        await self._health.enter_graceful_shutdown()
