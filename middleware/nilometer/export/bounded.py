"""A server of HTTP that nobody can hold shut: so many connections, so long a request, and no longer.

`http.server` bounds a single read only, so that a client of one byte every few seconds keeps a
thread for ever. Here a request has a time in all, and where every place is taken the one that has
been at it for longest goes: a probe of the kubelet is answered whoever else is there.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

POLL_SECONDS = 0.1


class BoundedServer(ThreadingHTTPServer):
    """Each connection on a thread of its own.

    Args:
        address: Host and port.
        handler: Serves a connection; a `BoundedHandler`.
        connections: Places; as many again may be on their way out.
        request_seconds: From the first wait for a request to the end of its answer.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(
        self,
        address: tuple[str, int],
        handler: Callable[..., "BoundedHandler"],
        connections: int,
        request_seconds: float,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = connections
        self._request_seconds = request_seconds
        self._since: dict[socket.socket, float] = {}
        self._leaving: set[socket.socket] = set()
        self._held = threading.Lock()
        super().__init__(address, handler)

    def begin(self, connection: socket.socket) -> None:
        """The wait for a request on *connection* begins now."""
        with self._held:
            if connection in self._since:
                self._since[connection] = time.monotonic()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve on a thread; never wait, for whoever waits here holds up `shutdown` too."""
        with self._held:
            if len(self._since) + len(self._leaving) >= 2 * self._places:
                self.shutdown_request(request)
                return
            if len(self._since) >= self._places:
                self._end(min(self._since, key=self._since.__getitem__))
            self._since[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._held:
                self._since.pop(request, None)
                self._leaving.discard(request)

    def service_actions(self) -> None:
        """End the requests that take too long; called every `POLL_SECONDS` and after a request."""
        before = time.monotonic() - self._request_seconds
        with self._held:
            for request in [one for one, since in self._since.items() if since < before]:
                self._end(request)

    def _end(self, request: socket.socket) -> None:
        del self._since[request]
        self._leaving.add(request)
        with suppress(OSError):  # it has gone by itself
            request.shutdown(socket.SHUT_RDWR)


class BoundedHandler(BaseHTTPRequestHandler):
    """Tells a `BoundedServer` when the wait for a request begins."""

    server_version = "nilometer"
    sys_version = ""
    server: BoundedServer

    def handle_one_request(self) -> None:
        """Wait for a request and answer it."""
        self.server.begin(self.connection)
        super().handle_one_request()

    def log_message(self, *_: object) -> None:
        """Probes and requests are not news."""
