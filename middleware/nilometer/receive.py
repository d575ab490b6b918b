"""Receives orders of a collector: checks their signature, and does each one once.

An order is a POST with JSON, signed with HMAC-SHA256 (docs/actions.md). `Receiver.accept` checks it.
`Receiver.once` makes sure that an order with a known key is not done again, also after a restart.
`server_of` serves both over HTTP. Only the standard library is needed.

    receiver = Receiver("the signing key", Path("/var/lib/retrain"))

    def retrain(order: Order) -> None:
        start_a_job(order.content["entity"], order.content["parameters"])

    server_of(receiver, retrain, ("127.0.0.1", 8080)).serve_forever()
"""

import hashlib
import hmac
import json
import logging
import os
import re
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from nilometer.values.clock import NANOSECONDS, Clock, SystemClock

TOLERANCE_SECONDS = 300.0
KEPT_SECONDS = 30 * 86_400.0  # a collector repeats an order for an hour at most
MOST_BYTES = 1 << 20
LEAST_KEY_CHARACTERS = 16  # as the collector asks of a signing key
READ_SECONDS = 10.0

_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")

log = logging.getLogger("nilometer.receive")


class OrderUnderWay(Exception):
    """Another attempt at the same order is being done, and its outcome is not known yet."""


class OrderRefused(Exception):
    """An order is not signed with the key, too old, or no order at all. A retry cannot help."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order whose signature is right.

    Attributes:
        key: Idempotency key, equal for each attempt at the same order.
        content: Body, as JSON values: ``action``, ``cure``, ``entity``, ``parameters``, ``episode``.
    """

    key: str
    content: Mapping[str, Any]


class Receiver:
    """Checks orders, and remembers those that are done. Thread-safe.

    Args:
        signing_key: Key of the target in the collector.
        directory: Directory that remembers keys; it is created. Processes may share it.
        clock: Clock for wall time; None uses the system's.
        tolerance_seconds: Largest difference between the time of an order and the clock.

    Raises:
        ValueError: If the signing key is shorter than `LEAST_KEY_CHARACTERS`, such as an empty one.
    """

    def __init__(
        self,
        signing_key: str,
        directory: Path,
        clock: Clock | None = None,
        tolerance_seconds: float = TOLERANCE_SECONDS,
    ) -> None:
        if len(signing_key) < LEAST_KEY_CHARACTERS:
            raise ValueError(f"signing_key: must have at least {LEAST_KEY_CHARACTERS} characters")
        self._signing_key = signing_key
        self._lock = threading.Lock()
        self._under_way: set[str] = set()  # keys
        self._directory = directory
        self._clock = clock or SystemClock()
        self._tolerance_ns = round(tolerance_seconds * NANOSECONDS)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def accept(self, headers: Mapping[str, str], body: bytes) -> Order:
        """Return the order in *body*.

        Args:
            headers: Headers of the request; names in any case.
            body: Body of the request, unchanged.

        Raises:
            OrderRefused: If the signature is wrong, the time is too far away, or the body is no order.
        """
        known = {name.lower(): value for name, value in headers.items()}
        at, sent = known.get("nilometer-timestamp", ""), known.get("nilometer-signature", "")
        said = at.encode("utf-8", "replace") + b"." + body
        digest = hmac.new(self._signing_key.encode(), said, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"v1={digest}".encode(), sent.encode("utf-8", "replace")):
            raise OrderRefused("the signature is wrong")
        if not (at.isascii() and at.isdigit() and len(at) < 16):
            raise OrderRefused("the timestamp is no number")
        if abs(self._clock.now_ns() - int(at) * NANOSECONDS) > self._tolerance_ns:
            raise OrderRefused("the timestamp is too far from now")
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise OrderRefused("the body is not JSON") from error
        key = content.get("key") if isinstance(content, dict) else None
        if not isinstance(content, dict) or content.get("kind") != "action":
            raise OrderRefused("the body is no order: a channel may use the same signing key")
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise OrderRefused("the body has no key")
        return Order(key=key, content=content)

    def once(self, order: Order, work: Callable[[Order], None]) -> bool:
        """Do *work* unless the order is known; return whether it was done now.

        The key is stored before the work begins, so a crash in between does not repeat it. If the
        work raises an exception, the key is forgotten and the exception passes on.

        Raises:
            OrderUnderWay: If another thread of this process does it now. It may still fail, so the
                collector must ask again.
        """
        with self._lock:
            if order.key in self._under_way:
                raise OrderUnderWay(order.key)
            self._under_way.add(order.key)
        try:
            return self._once(order, work)
        finally:
            with self._lock:
                self._under_way.discard(order.key)

    def _once(self, order: Order, work: Callable[[Order], None]) -> bool:
        self._forget_old()
        path = self._directory / order.key
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        os.close(descriptor)
        self._make_durable()
        try:
            work(order)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return True

    def _make_durable(self) -> None:
        """Write the names of the directory to the disk: the files themselves are empty."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _forget_old(self) -> None:
        before = self._clock.now_ns() / NANOSECONDS - KEPT_SECONDS
        for path in self._directory.iterdir():
            try:
                known = path.lstat()
                is_key = stat.S_ISREG(known.st_mode) and known.st_size == 0
                if is_key and _KEY.fullmatch(path.name) and known.st_mtime < before:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:  # another process was faster
                continue


def server_of(
    receiver: Receiver, work: Callable[[Order], None], address: tuple[str, int]
) -> ThreadingHTTPServer:
    """Return a server that does the orders that it gets by POST; its `serve_forever` serves.

    It responds with 200 to a new and to a known order, and with 401 to one that is refused. It responds
    with 500 if *work* raises an exception, and with 503 while an earlier attempt is still being done,
    so that the collector tries again. Put it behind TLS.

    Args:
        receiver: Receiver that checks the orders.
        work: Function that does an order; it should start the work and return within 5 s.
        address: Host and port; port 0 chooses a free one.
    """

    class Orders(BaseHTTPRequestHandler):
        timeout = READ_SECONDS

        def do_POST(self) -> None:
            """Check the order and do it once."""
            length = self.headers.get("content-length", "")
            if not (length.isascii() and length.isdigit() and int(length) <= MOST_BYTES):
                self._respond(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large, or without a length")
                return
            try:
                order = receiver.accept(dict(self.headers.items()), self.rfile.read(int(length)))
            except OrderRefused as error:
                log.warning("order refused: compare the signing keys", extra={"reason": str(error)})
                self._respond(HTTPStatus.UNAUTHORIZED, str(error))
                return
            try:
                is_new = receiver.once(order, work)
            except OrderUnderWay:
                self._respond(HTTPStatus.SERVICE_UNAVAILABLE, "under way")
                return
            except Exception:
                log.exception("order failed, the collector will send it again: see the error")
                self._respond(HTTPStatus.INTERNAL_SERVER_ERROR, "the order failed")
                return
            self._respond(HTTPStatus.OK, "done" if is_new else "known already")

        def _respond(self, status: HTTPStatus, text: str) -> None:
            body = f"{text}\n".encode()
            self.close_connection = True
            self.send_response(status)
            self.send_header("content-type", "text/plain; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no access log: headers and paths may contain secrets."""

    server = ThreadingHTTPServer(address, Orders)
    server.daemon_threads = True
    return server
