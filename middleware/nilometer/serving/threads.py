"""An HTTP server that no client can block: one thread reads heads, other threads serve requests.

At any time, it is either the client's or the server's turn on a connection. The client has its turn
during an incomplete request, an unread response, and a pause between requests. A client's turn is
limited in time. When all places are used, the connection with the longest turn of a client is
closed. So probes are always answered. A client without a complete head uses no thread.
"""

import io
import logging
import re
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from nilometer.serving.waiting import Waiting
from nilometer.values.once import MINUTE_SECONDS, OnceEvery

POLL_SECONDS = 0.1
BACKLOG = 1024  # connections that the kernel queues
ACCEPTED_AT_ONCE = 64
BACK_OFF_SECONDS = 0.1  # pause after a failed accept
ROOM_SECONDS = 0.01  # interval of checks while every connection waits for a response
MAX_HEAD_BYTES = 64 << 10
PIECE_BYTES = 64 << 10  # bytes of one read

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")

log = logging.getLogger("nilometer.serving")


@dataclass(slots=True)
class Request:
    """A request whose head is complete.

    Attributes:
        connection: Connection to the peer.
        head: Bytes up to the empty line.
        rest: Bytes that arrived after the head.
    """

    connection: socket.socket
    head: bytes
    rest: bytes


class ThreadedServer:
    """A server that binds its address when it is created. Call `start`, then `stop`.

    Args:
        name: Name of the accepting thread, and of the server in the log.
        address: Host and port; port 0 chooses a free port.
        handler: Subclass of `TimedHandler` that serves a request.
        connections: Largest number of concurrent connections.
        turn_seconds: Longest turn of a peer, in seconds.
        by_address: Whether one client address gets at most a quarter of the connections.

    Raises:
        OSError: If the address cannot be bound.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        handler: "Callable[[Any, Any, Any], TimedHandler]",
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
        self.port = int(self._listening.getsockname()[1])
        self._lock = threading.Lock()
        self._waiting: Waiting[socket.socket] = Waiting(
            connections, max(1, connections // 4), turn_seconds
        )
        # All connections, each with the groups in which it is counted.
        self._open: dict[socket.socket, tuple[str, ...]] = {}
        self._ended: set[socket.socket] = set()  # ended by the server, but not closed yet
        # Connections without a complete head, and the bytes received up to now.
        self._heads: dict[socket.socket, bytes] = {}
        # Connections whose response was sent, and the first bytes of the next request.
        self._answered: deque[tuple[socket.socket, bytes]] = deque()
        self._takes_back = True  # whether connections are added there; false once all are closed
        self._accepts = False
        self._wake_up, self._woken = socket.socketpair()
        for one in (self._listening, self._wake_up, self._woken):
            one.settimeout(0.0)
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._once, self._failed_once = OnceEvery(MINUTE_SECONDS), OnceEvery(MINUTE_SECONDS)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start to accept connections."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop accepting, and close idle connections; running requests continue.

        May be called before `start`, and twice.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._wake()
            self._thread.join(timeout)
        else:
            self._end_all()

    def wait_for(self, connection: socket.socket) -> None:
        """Start the client's turn."""
        with self._lock:
            self._wait_for(connection)

    def serve(self, connection: socket.socket) -> None:
        """Start the server's turn."""
        with self._lock:
            self._waiting.over(connection)

    def end(self, connection: socket.socket) -> None:
        """End a connection during the client's turn."""
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
        with suppress(OSError):  # the connection has already ended
            connection.shutdown(socket.SHUT_RDWR)

    def _wake(self) -> None:
        # If the socket is full, the thread wakes up anyway. If it is closed, the thread has ended.
        with suppress(OSError):
            self._wake_up.send(b"\0")

    # Methods for the thread that accepts connections and reads heads

    def _run(self) -> None:
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            while not self._stopping.is_set():
                try:
                    self._turn()
                except Exception as error:  # the server must only end when it is stopped
                    self._log_error(error)
                    self._stopping.wait(BACK_OFF_SECONDS)
        finally:
            self._end_all()

    def _turn(self) -> None:
        has_room = self._has_room()
        if has_room and not self._accepts:
            self._selector.register(self._listening, selectors.EVENT_READ)
        elif self._accepts and not has_room:
            self._selector.unregister(self._listening)
        self._accepts = has_room
        for key, _ in self._selector.select(POLL_SECONDS if has_room else ROOM_SECONDS):
            if key.fileobj is self._listening:
                self._accept()
            elif key.fileobj is self._woken:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            else:
                with self._closed_on_error(key.data):
                    self._read(key.data)
        while self._answered:
            connection, rest = self._answered.popleft()
            with self._closed_on_error(connection):
                self._wait_for_next(connection, rest)
        with self._lock:
            self._waiting.expire(time.monotonic())

    def _wait_for_next(self, connection: socket.socket, rest: bytes) -> None:
        """Wait for the next request on a connection whose request was answered."""
        connection.settimeout(0.0)
        self.wait_for(connection)
        self._selector.register(connection, selectors.EVENT_READ, connection)
        self._heads[connection] = b""
        if rest:
            self._add(connection, rest)

    @contextmanager
    def _closed_on_error(self, connection: socket.socket) -> Iterator[None]:
        """Close *connection* if the block fails, so that it cannot fail again."""
        try:
            yield
        except Exception as error:
            self._log_error(error)
            self._heads.pop(connection, None)
            with suppress(KeyError, ValueError):  # not registered, or already closed
                self._selector.unregister(connection)
            self._close(connection)

    def _log_error(self, error: Exception) -> None:
        """Log an internal error once a minute at most, because a client may repeat it."""
        if self._failed_once.due(time.monotonic()):
            log.error(
                "%s: internal error, the server continues: report this error",
                self._name,
                exc_info=error,
            )

    def _has_room(self) -> bool:
        """Return whether there is a free place; otherwise the kernel queues new connections."""
        with self._lock:
            if len(self._open) < self._most:
                return True
            if not self._ended:
                self._waiting.end_longest()
            return False

    def _accept(self) -> None:
        for _ in range(min(ACCEPTED_AT_ONCE, self._most - len(self._open))):
            try:
                connection, address = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._back_off(error)
                return
            connection.settimeout(0.0)
            with self._lock:
                self._open[connection] = (str(address[0]),) if self._by_address else ()
                self._wait_for(connection)
            self._heads[connection] = b""
            self._selector.register(connection, selectors.EVENT_READ, connection)

    def _read(self, connection: socket.socket) -> None:
        try:
            came = connection.recv(PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        if came:
            self._add(connection, came)
        else:
            self._forget(connection)
            self._close(connection)

    def _add(self, connection: socket.socket, came: bytes) -> None:
        head = self._heads[connection] = self._heads[connection] + came
        end = _END_OF_HEAD.search(head)
        if end is None and len(head) <= MAX_HEAD_BYTES:
            return
        self._forget(connection)
        if end is None:
            self._close(connection)
            return
        request = Request(connection, head[: end.end()], head[end.end() :])
        connection.settimeout(None)
        try:
            threading.Thread(
                target=self._serve, args=(request,), name=self._name, daemon=True
            ).start()
        except RuntimeError as error:  # the system cannot create a thread
            self._close(connection)
            self._back_off(error)

    def _forget(self, connection: socket.socket) -> None:
        del self._heads[connection]
        self._selector.unregister(connection)

    def _back_off(self, error: Exception) -> None:
        if self._once.due(time.monotonic()):
            log.error(
                "%s: a connection cannot be accepted (%s); closed the one that was idle longest: raise "
                "the limit of open files and threads",
                self._name,
                error,
                extra={"reason": str(error), "open": len(self._open)},
            )
        with self._lock:
            self._waiting.end_longest()
        self._stopping.wait(BACK_OFF_SECONDS)

    def _end_all(self) -> None:
        with self._lock:
            self._takes_back = False
        for connection in [*self._heads, *(one for one, _ in self._answered)]:
            self._close(connection)
        for one in (self._listening, self._wake_up, self._woken):
            one.close()
        self._selector.close()

    # Methods for the thread of a request

    def _serve(self, request: Request) -> None:
        connection, stays = request.connection, False
        try:
            handler = self._handler(request, connection.getpeername(), self)
            stays = not handler.close_connection
        except OSError:  # the client disconnected, or the server ended the connection
            log.debug("%s: the client ended a connection early", self._name)
        except Exception:
            log.exception("%s: a connection failed", self._name)
        if stays and self._take_back(connection, request.rest):
            self._wake()
        else:
            self._close(connection)

    def _take_back(self, connection: socket.socket, rest: bytes) -> bool:
        """Return whether the accepting thread now waits for the next request of *connection*."""
        with self._lock:
            if self._takes_back:
                self._answered.append((connection, rest))
            return self._takes_back

    def _close(self, connection: socket.socket) -> None:
        with suppress(OSError):  # so that the client gets a normal end and not a reset
            connection.shutdown(socket.SHUT_WR)
        connection.close()
        with self._lock:
            self._waiting.over(connection)
            self._open.pop(connection, None)
            self._ended.discard(connection)
        self._wake()


class TimedHandler(BaseHTTPRequestHandler):
    """Answers one request, and reports the turns to its `ThreadedServer`."""

    server_version = "nilometer"
    sys_version = ""
    server: ThreadedServer  # type: ignore[assignment]  # http.server does not use it
    request: Request

    def setup(self) -> None:
        """Prepare to read the bytes that already arrived."""
        self.connection = self.request.connection
        self.connection.settimeout(self.timeout)
        self.rfile = io.BytesIO(self.request.head)
        self.wfile = self.connection.makefile("wb")

    def handle(self) -> None:
        """Answer the request."""
        self.close_connection = True
        self.handle_one_request()

    def receive(self, most: int) -> bytes:
        """Return at most *most* bytes of the body; empty if the client sends no more."""
        self.wfile.flush()  # "100 Continue", if the client waits for it
        rest = self.request.rest
        if rest:
            self.request.rest = rest[most:]
            return rest[:most]
        came: bytes = self.connection.recv(min(most, PIECE_BYTES))
        return came

    def request_is_whole(self) -> None:
        """Start the server's turn, because the request is complete."""
        self.server.serve(self.connection)

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Write a response; a HEAD request gets no body.

        Args:
            status: HTTP status.
            headers: Headers by name, in addition to ``content-length``.
            body: Content of the response.
        """
        self.server.wait_for(self.connection)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Log nothing, because probes and requests are frequent."""
