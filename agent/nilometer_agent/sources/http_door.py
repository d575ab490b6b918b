"""A port where a program of the same pod may POST: what OTLP over HTTP and event sinks share.

One request at a time a connection, a few at once, each read to a bound before anybody looks into it.
"""

import gzip
import io
import logging
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nilometer.export.bounded import POLL_SECONDS, BoundedHandler, BoundedServer
from nilometer.export.exports import host_and_port
from nilometer.values.errors import ConfigError
from nilometer_agent.sources.source import seconds_until

THREADS = 4  # requests that are read and taken at once
MAX_CONNECTIONS = 64
TIMEOUT_SECONDS = 10.0  # between two requests on a connection
REQUEST_SECONDS = 30.0  # that wait, the request and its answer
GRACE_SECONDS = 0.5  # for requests under way when the door closes
AGAIN_SECONDS = "1"  # after which a sender shall try again
TEXT = "text/plain"

log = logging.getLogger("nilometer.agent")


@dataclass(frozen=True, slots=True)
class Post:
    """A request that came in.

    Attributes:
        path: Without the query string.
        headers: By name in lower case; of a name that came twice the last.
        body: Without its content encoding.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What it is answered; 503 comes with ``Retry-After``."""

    status: int
    body: bytes = b""
    media: str = TEXT


class Door:
    """Binds at once; `start`, then `stop`.

    Args:
        key: The setting that holds *address*, for errors.
        address: ``host:port``; port 0 takes a free one.
        take: Answers a request; called on several threads at once.
        max_body_bytes: Cap of a body, before and after its content encoding.
        refused: Told of each request that did not come as far as *take*.

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
    ) -> None:
        try:
            self._server = _Server(host_and_port(address), take, max_body_bytes, refused)
        except OSError as error:
            raise ConfigError(f"{key} = {address!r}: cannot be bound: {error.strerror}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": POLL_SECONDS},
            name=f"nilometer-{key}",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The real port."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Refuse new requests, and wait for those under way. Safe before `start`, and twice.

        Args:
            deadline: Monotonic time; requests under way have `GRACE_SECONDS` at most.
        """
        self._server.closing = True
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(seconds_until(deadline))
        self._server.server_close()
        self._server.finish(min(deadline, time.monotonic() + GRACE_SECONDS))


class _Server(BoundedServer):
    def __init__(
        self,
        address: tuple[str, int],
        take: Callable[[Post], Reply],
        max_body_bytes: int,
        refused: Callable[[], None],
    ) -> None:
        self.take = take
        self.max_body_bytes = max_body_bytes
        self.refused = refused
        self.slots = threading.BoundedSemaphore(THREADS)
        self.closing = False
        super().__init__(address, _Handler, MAX_CONNECTIONS, REQUEST_SECONDS)

    def finish(self, deadline: float) -> None:
        """Wait until *deadline*, monotonic, for the requests that hold a slot."""
        free = 0
        while free < THREADS and self.slots.acquire(timeout=seconds_until(deadline)):
            free += 1
        if free:
            self.slots.release(free)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One who goes away is no fault of ours."""
        del request, client_address
        log.debug("a request ended early")


class _Handler(BoundedHandler):
    timeout = TIMEOUT_SECONDS
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:  # noqa: N802  the name that http.server asks for
        """Take a request."""
        reply = self._take()
        self.send_response(reply.status)
        if reply.status == 503:
            self.send_header("retry-after", AGAIN_SECONDS)
        if self.close_connection:
            self.send_header("connection", "close")
        self.send_header("content-type", reply.media)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _take(self) -> Reply:
        with self.server.slots:
            post = self._read()
            if isinstance(post, Reply):
                self.server.refused()
                return post
            if self.server.closing:
                self.close_connection = True
                return Reply(503, b"the agent is stopping; try again\n")
            try:
                return self.server.take(post)
            except Exception:
                log.exception("a request failed")
                return Reply(500, b"the log says more\n")

    def _read(self) -> Post | Reply:
        """The request, or what one that is none is answered."""
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit() or "transfer-encoding" in self.headers:
            self.close_connection = True  # where the next request begins is not known
            return Reply(411, b"content-length is needed\n")
        limit = self.server.max_body_bytes
        if int(length) > limit:
            self.close_connection = True
            return Reply(413, b"at most %d bytes\n" % limit)
        read = self.rfile.read(int(length))
        if len(read) < int(length):
            self.close_connection = True
            return Reply(400, b"the body ended early\n")
        body = unpacked(read, self.headers.get("content-encoding", ""), limit)
        if body is None:
            return Reply(400, b"content encoding is unknown, broken or too large\n")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Post(self.path.partition("?")[0], headers, body)


def unpacked(body: bytes, encoding: str, limit: int) -> bytes | None:
    """*body* without its content encoding; None over *limit* bytes or where it is none."""
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
