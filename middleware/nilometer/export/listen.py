"""The port for Prometheus and the kubelet: ``/metrics``, ``/livez``, ``/readyz``, ``/startupz``.

Anybody who reaches it may read it: it tells names and numbers, never a value of a payload. It takes
GET and HEAD, one request a connection, a few connections at once, each on a thread of its own.
"""

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nilometer.errors import ConfigError
from nilometer.export.series import Family

MAX_CONNECTIONS = 16  # at once; more wait in the kernel's queue
TIMEOUT_SECONDS = 10.0  # for a request to come in

log = logging.getLogger("nilometer.export")


class MetricsServer:
    """Serves what *gather* gives. `start`, then `stop`.

    Args:
        address: Host and port; port 0 takes a free one.
        gather: All families as of now.
        resource: Who exports.
        ready: Whether work would be taken now.

    Raises:
        ConfigError: If the address cannot be bound.
    """

    def __init__(
        self,
        address: tuple[str, int],
        gather: Callable[[], list[Family]],
        resource: Mapping[str, str],
        ready: Callable[[], bool],
    ) -> None:
        self._gather = gather
        self._resource = resource
        self._ready = ready
        try:
            self._server = _Server(address, self._answer)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise ConfigError(
                f"metrics_address = {where!r}: cannot be bound: {error.strerror}"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="nilometer-metrics",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The real port."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End. Safe before `start`, and twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(TIMEOUT_SECONDS)
        self._server.server_close()

    def _answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, content type and body for *path*."""
        match path.partition("?")[0]:
            case "/metrics":
                # Imported at the first scrape: an agent that nobody scrapes pays nothing.
                from nilometer.export.prometheus import exposition

                body, content_type = exposition(self._gather(), self._resource, accept)
                return 200, content_type, body
            case "/livez":
                return 200, "text/plain", b"alive\n"
            case "/readyz" | "/startupz":
                ready = self._ready()
                return (
                    (200, "text/plain", b"ready\n")
                    if ready
                    else (503, "text/plain", b"not ready\n")
                )
            case _:
                return 404, "text/plain", b"/metrics, /livez, /readyz, /startupz\n"


class _Server(ThreadingHTTPServer):
    """At most `MAX_CONNECTIONS` at once."""

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], answer: Callable[[str, str], tuple[int, str, bytes]]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.answer = answer
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Wait for a slot, then serve on a thread."""
        self._slots.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, and give the slot back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One who goes away is no fault of ours."""
        del request, client_address
        log.debug("a scrape ended early")


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT_SECONDS
    server_version = "nilometer"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answer with a body."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        try:
            status, content_type, body = self.server.answer(
                self.path, self.headers.get("accept", "")
            )
        except Exception:
            log.exception("a scrape failed")
            status, content_type, body = 500, "text/plain", b"the log says more\n"
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Probes are not news."""
