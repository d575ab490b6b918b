"""An HTTP server for POST requests of programs in the same pod, for OTLP over HTTP and for events.

A connection has one request at a time, and a few requests are handled at once. Bodies are read up to a
limit before they are parsed. A sender that stalls in the middle of a request does not block other
senders; see `nilometer.serving.threads`.
"""

import gzip
import io
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nilometer.export.exports import host_and_port
from nilometer.serving.threads import ThreadedServer, TimedHandler
from nilometer.values.clock import SystemClock
from nilometer.values.errors import ConfigError
from nilometer_agent.sources.body_memory import BodyMemory
from nilometer_agent.sources.source import seconds_until

THREADS = 4  # requests that are unpacked and handled at once
MAX_CONNECTIONS = 64
BODY_MEMORY = 16 << 20  # bytes of all bodies together; more if the largest allowed body is larger
IDLE_SECONDS = 10.0  # longest time between two bytes of a sender
TURN_SECONDS = 30.0  # longest time to receive a request and to send its response
GRACE_SECONDS = 0.5  # time for requests in progress when the server stops
MAX_LENGTH_DIGITS = 19  # most digits of a Content-Length; Python refuses to parse very long numbers
AGAIN_SECONDS = "1"  # wait that a 503 response asks for
TEXT = "text/plain"

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class Post:
    """A received request.

    Attributes:
        path: Path without the query string.
        headers: Headers by name in lower case; the last one if a name occurs twice.
        body: Body without its content encoding.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; a 503 is sent with ``Retry-After``."""

    status: int
    body: bytes = b""
    media: str = TEXT


class HttpServer:
    """An HTTP server that binds its address when it is made. Call `start`, then `stop`.

    Args:
        key: Name of the setting that holds *address*, for errors.
        address: ``host:port``; port 0 chooses a free port.
        take: Function that answers a request; called on several threads at once.
        max_body_bytes: Largest body, before and after its content encoding is removed.
        refused: Function that is called for each request that was refused before *take*.
        by_address: Whether clients can be told apart by their addresses. If so, one address gets at
            most a quarter of the connections.

    Raises:
        ConfigError: If the address cannot be bound.
    """

    def __init__(
        self,
        key: str,
        address: str,
        take: Callable[[Post], Reply],
        max_body_bytes: int,
        refused: Callable[[], None] = lambda: None,
        *,
        by_address: bool = False,
    ) -> None:
        try:
            self._server = _Server(
                f"nilometer-{key}",
                host_and_port(address),
                _Handler,
                connections=MAX_CONNECTIONS,
                turn_seconds=TURN_SECONDS,
                by_address=by_address,
            )
        except OSError as error:
            raise ConfigError(f"{key} = {address!r}: cannot be bound: {error.strerror}") from error
        server = self._server
        server.take, server.refused, server.max_body_bytes = take, refused, max_body_bytes
        server.memory = BodyMemory(BODY_MEMORY, max_body_bytes, server.end, SystemClock())
        server.slots = threading.BoundedSemaphore(THREADS)
        server.closing = False

    @property
    def port(self) -> int:
        """The port in use."""
        return self._server.port

    def start(self) -> None:
        """Start to accept requests."""
        self._server.start()

    def stop(self, deadline: float) -> None:
        """Refuse new requests, and wait for those in progress.

        May be called before `start`, and twice.

        Args:
            deadline: Monotonic time of the end; requests in progress get at most `GRACE_SECONDS`.
        """
        self._server.closing = True
        self._server.stop(seconds_until(deadline))
        self._server.finish(min(deadline, time.monotonic() + GRACE_SECONDS))


class _Server(ThreadedServer):
    take: Callable[[Post], Reply]
    refused: Callable[[], None]
    max_body_bytes: int
    memory: BodyMemory[socket.socket]
    slots: threading.BoundedSemaphore
    closing: bool

    def finish(self, deadline: float) -> None:
        """Wait until *deadline*, monotonic, for the requests in progress."""
        free = 0
        while free < THREADS and self.slots.acquire(timeout=seconds_until(deadline)):
            free += 1
        if free:
            self.slots.release(free)


class _Handler(TimedHandler):
    timeout = IDLE_SECONDS
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:  # noqa: N802  the name that http.server asks for
        """Handle a POST request."""
        try:
            reply = self._take()
        finally:
            self.server.memory.release(self.connection)
        headers = {"content-type": reply.media}
        if reply.status == 503:
            headers["retry-after"] = AGAIN_SECONDS
        if self.close_connection:
            headers["connection"] = "close"
        self.answer(reply.status, headers, reply.body)

    def _take(self) -> Reply:
        body = self._read()
        if isinstance(body, Reply):
            self.server.refused()
            return body
        self.request_is_whole()
        with self.server.slots:
            if self.server.closing:
                self.close_connection = True
                return Reply(503, b"the agent is stopping; try again\n")
            post = self._unpack(body)
            if isinstance(post, Reply):
                self.server.refused()
                return post
            try:
                return self.server.take(post)
            except Exception:
                log.exception("internal error in a request, answered with 500")
                return Reply(500, b"the log says more\n")

    def _read(self) -> bytes | Reply:
        """Return the body as received, or the response to an invalid request."""
        length = self.headers.get("content-length", "")
        limit = self.server.max_body_bytes
        if not length.isascii() or not length.isdigit() or "transfer-encoding" in self.headers:
            self.close_connection = True  # the start of the next request cannot be found
            return Reply(411, b"content-length is needed\n")
        if len(length) > MAX_LENGTH_DIGITS or int(length) > limit:
            self.close_connection = True
            return Reply(413, b"at most %d bytes\n" % limit)
        left = int(length)
        self.server.memory.take(self.connection, left)
        body = io.BytesIO()  # `getvalue` returns its content without a copy
        while left:
            piece = self.receive(left)
            if not piece:
                self.close_connection = True
                return Reply(400, b"the body ended early\n")
            left -= body.write(piece)
            self.server.memory.came(self.connection)
        self.server.memory.is_whole(self.connection)
        return body.getvalue()

    def _unpack(self, read: bytes) -> Post | Reply:
        limit = self.server.max_body_bytes
        body = unpacked(read, self.headers.get("content-encoding", ""), limit)
        if body is None:
            return Reply(400, b"content encoding is unknown, broken or too large\n")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Post(self.path.partition("?")[0], headers, body)


def unpacked(body: bytes, encoding: str, limit: int) -> bytes | None:
    """Return *body* without its content encoding; None if it is invalid or over *limit* bytes."""
    match encoding.strip().lower():
        case "" | "identity":
            return body if len(body) <= limit else None
        case "gzip":
            try:
                with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
                    plain = packed.read(limit + 1)
            except (OSError, EOFError, ValueError, zlib.error):
                return None
            return plain if len(plain) <= limit else None
        case _:
            return None
