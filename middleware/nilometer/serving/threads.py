"""An HTTP server that no peer can hold, each connection on a thread of its own.

A connection is either the peer's turn - a request that is not complete, an answer that is not taken, a
pause between requests - or the server's. A peer's turn is bounded, and where all places are taken, the
peer whose turn is longest makes room: a probe of the kubelet is answered whoever else is there.
"""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

from nilometer.serving.waiting import Waiting
from nilometer.values.once import OnceAMinute

POLL_SECONDS = 0.1
BACKLOG = 1024  # connections that the kernel holds for us
BACK_OFF_SECONDS = 0.1  # after an accept that failed
ROOM_SECONDS = 0.01  # between two looks, while every connection has a request to be answered

log = logging.getLogger("nilometer.serving")


class ThreadedServer:
    """Binds at once; `start`, then `stop`.

    Args:
        name: Name of the accepting thread and of the server in the log.
        address: Host and port; port 0 takes a free one.
        handler: Serves a connection; a `TimedHandler`.
        connections: Connections at once.
        turn_seconds: Longest turn of a peer.
        by_address: Whether the addresses of peers tell them apart: then one has a quarter at most.

    Raises:
        OSError: If the address cannot be bound.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        handler: "Callable[[socket.socket, Any, Any], TimedHandler]",
        *,
        connections: int,
        turn_seconds: float,
        by_address: bool = False,
    ) -> None:
        self._name = name
        self._handler = handler
        self._most = connections
        self._by_address = by_address
        self._listening = socket.create_server(
            address,
            family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET,
            backlog=BACKLOG,
            dualstack_ipv6=address[0] == "::" and socket.has_dualstack_ipv6(),
        )
        self._listening.settimeout(0.0)
        self.port = int(self._listening.getsockname()[1])
        self._lock = threading.Lock()
        self._waiting: Waiting[socket.socket] = Waiting(
            connections, max(1, connections // 4), turn_seconds
        )
        self._open: dict[socket.socket, tuple[str, ...]] = {}  # with what each counts for
        self._ended: set[socket.socket] = set()  # ended by us, and not closed yet
        self._freed = threading.Event()
        self._stopping = threading.Event()
        self._once = OnceAMinute()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Accept connections from now on."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Accept no more; requests under way go on. Safe before `start`, and twice."""
        self._stopping.set()
        self._freed.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._listening.close()

    def wait_for(self, connection: socket.socket) -> None:
        """It is the peer's turn from now on."""
        with self._lock:
            self._wait_for(connection)

    def serve(self, connection: socket.socket) -> None:
        """It is the server's turn from now on."""
        with self._lock:
            self._waiting.over(connection)

    def end(self, connection: socket.socket) -> None:
        """End a connection whose peer is waited for."""
        with self._lock:
            if connection in self._open:
                self._waiting.over(connection)
                self._end(connection)

    def _wait_for(self, connection: socket.socket) -> None:
        if connection in self._open and connection not in self._ended:
            self._waiting.begin(
                connection,
                time.monotonic(),
                lambda: self._end(connection),
                self._open[connection],
            )

    def _end(self, connection: socket.socket) -> None:
        self._ended.add(connection)
        with suppress(OSError):  # it has gone by itself
            connection.shutdown(socket.SHUT_RDWR)

    # The accepting thread.

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            while not self._stopping.is_set():
                with self._lock:
                    self._waiting.expire(time.monotonic())
                if not self._has_room():
                    self._freed.wait(ROOM_SECONDS)
                elif selector.select(POLL_SECONDS):
                    self._accept()

    def _has_room(self) -> bool:
        """Whether there is a place; until there is, the kernel holds new connections."""
        with self._lock:
            self._freed.clear()
            if len(self._open) < self._most:
                return True
            if not self._ended:
                self._waiting.end_longest()
            return False

    def _accept(self) -> None:
        try:
            connection, address = self._listening.accept()
        except BlockingIOError:  # it has gone again
            return
        except OSError as error:
            self._back_off(error)
            return
        connection.settimeout(None)
        with self._lock:
            self._open[connection] = (str(address[0]),) if self._by_address else ()
            self._wait_for(connection)
        try:
            threading.Thread(
                target=self._serve, args=(connection, address), name=self._name, daemon=True
            ).start()
        except RuntimeError as error:  # the system gives no thread
            self._close(connection)
            self._back_off(error)

    def _back_off(self, error: Exception) -> None:
        if self._once.due(time.monotonic()):
            log.error(
                "%s: a connection cannot be accepted (%s); the longest silent one was closed: raise "
                "the limit of open files and threads",
                self._name,
                error,
                extra={"reason": str(error), "open": len(self._open)},
            )
        with self._lock:
            self._waiting.end_longest()
        self._stopping.wait(BACK_OFF_SECONDS)

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            self._handler(connection, address, self)
        except OSError:  # the peer went away, or was ended
            log.debug("%s: a connection ended early", self._name)
        except Exception:
            log.exception("%s: a connection failed", self._name)
        finally:
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        with suppress(OSError):  # so that the peer sees an end, not a reset, where it reads
            connection.shutdown(socket.SHUT_WR)
        connection.close()
        with self._lock:
            self._waiting.over(connection)
            self._open.pop(connection, None)
            self._ended.discard(connection)
        self._freed.set()


class TimedHandler(BaseHTTPRequestHandler):
    """Serves a connection, and tells its `ThreadedServer` whose turn it is."""

    server_version = "nilometer"
    sys_version = ""
    server: ThreadedServer  # type: ignore[assignment]  # http.server asks nothing of it

    def handle_one_request(self) -> None:
        """Wait for a request and answer it."""
        self.server.wait_for(self.connection)
        super().handle_one_request()

    def request_is_whole(self) -> None:
        """Say that the request has been read: it is the server's turn."""
        self.server.serve(self.connection)

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Write an answer; HEAD gets no body.

        Args:
            status: HTTP status.
            headers: By name, beside ``content-length``.
            body: Content.
        """
        self.server.wait_for(self.connection)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Probes and requests are not news."""
