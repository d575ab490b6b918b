"""The Unix socket for gRPC: batches, status requests and health checks."""

import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from nilometer.values.errors import ConfigError
from nilometer.wire.services import SERVER_OPTIONS, serve_agent
from nilometer_agent.sources.source import seconds_until
from nilometer_agent.sources.workers.service import MAX_STREAMS, Bounds, WorkerService

GRACE_SECONDS = 0.5  # time for calls in progress; clients keep batches that are not acknowledged
OTHER_CALLS = 16  # threads for status, flush and health calls, besides those of batch streams


class GrpcSocket:
    """Serves gRPC on a Unix socket that only this user may open. A `Source`.

    Args:
        path: Path of the socket; call `check_free` first.
        service: Service that receives the batches.
        health: Service that answers health checks.
    """

    name = "grpc"
    stop_seconds = 2.0

    def __init__(self, path: Path, service: WorkerService, health: health.HealthServicer) -> None:
        self._path = path
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_STREAMS + OTHER_CALLS, "nilometer-grpc"),
            interceptors=[Bounds()],
            options=SERVER_OPTIONS,
        )
        serve_agent(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(health, self._server)

    def start(self) -> None:
        """Bind the socket and start to receive batches."""
        previous = os.umask(0o177)
        try:
            self._server.add_insecure_port(f"unix:{self._path}")
        finally:
            os.umask(previous)
        self._server.start()

    def stop(self, deadline: float) -> None:
        """Refuse new calls, and end streams after a grace time.

        May be called before `start`, and twice.
        """
        self._server.stop(GRACE_SECONDS).wait(seconds_until(deadline))


def check_free(path: Path) -> None:
    """Check that *path* is not in use, because gRPC would take it over silently.

    Raises:
        ConfigError: If another server listens there, or the file is not a socket.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"socket = {str(path)!r}: this file is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise ConfigError(f"socket = {str(path)!r}: another server is listening on it")
