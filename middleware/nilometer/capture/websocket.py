"""Counts the messages of one WebSocket connection while it is open.

Messages are passed on unchanged and are not stored. The connection becomes one observation, which
is offered when it ends.
"""

from collections.abc import Awaitable, Coroutine
from time import perf_counter, time_ns
from types import CoroutineType
from typing import Any

from nilometer.capture.types import Message, Receive, Send
from nilometer.handoff.worker import Worker
from nilometer.values.reasons import ConnectionEnd

NORMAL, GOING_AWAY, NO_CODE, ABNORMAL, SERVER_FAULT = 1000, 1001, 1005, 1006, 1011
FAILED_STATUS = 500  # smallest HTTP status of a refusal that is a fault of the server
LAST_KNOWN = 1015  # largest code in RFC 6455 and its registry
_CODES = range(1000, 5000)


class Connection:
    """The state of one connection, with the `receive` and `send` that its application gets.

    Args:
        worker: Worker that takes the observation; its guard counts errors.
        receive: The server's `receive`.
        send: The server's `send`; what it raises is passed on.
        path: Path of the request, below the root path of the application.

    Attributes:
        path: Path of the request, see above.
        inside: Whether an inner middleware observes the connection instead.
        worker: Worker that takes the observation.
    """

    __slots__ = (
        "_accepted",
        "_app_receive",
        "_app_send",
        "_arrival_ns",
        "_broken",
        "_bytes_received",
        "_bytes_sent",
        "_client_code",
        "_own_code",
        "_received",
        "_refused",
        "_sent",
        "_started",
        "inside",
        "path",
        "worker",
    )

    def __init__(self, worker: Worker, receive: Receive, send: Send, path: str) -> None:
        self.worker = worker
        self.inside = False
        self._app_receive = receive
        self._app_send = send
        self.path = path
        self._accepted = self._refused = self._broken = False
        self._received = self._sent = self._bytes_received = self._bytes_sent = 0
        self._own_code = self._client_code = 0
        self._arrival_ns = time_ns()
        self._started = perf_counter()

    async def receive(self) -> Message:
        """Return the server's next message after counting it."""
        message = await self._app_receive()
        try:
            self._note_received(message)
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Count *message* and pass it on.

        Returns:
            A coroutine if the server's `send` returns one; else the server's own awaitable.
        """
        try:
            self._note_sent(message)
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
        sending = self._app_send(message)
        return self._watched(sending) if type(sending) is CoroutineType else sending

    async def _watched(self, sending: Coroutine[Any, Any, None]) -> None:
        """Await *sending*. Servers raise an OSError to say that the connection is gone."""
        try:
            await sending
        except OSError:
            if not self._client_code:
                self._client_code = ABNORMAL
            raise

    def end(self, raised: BaseException | None, route: str) -> None:
        """Offer the observation.

        Args:
            raised: Exception of the application; None without one.
            route: Template of the route; may be empty.
        """
        if self.inside:
            return
        end, code = self._ended(raised)
        packed = self.worker.packer.pack_connection(
            self._arrival_ns,
            perf_counter() - self._started,
            end.value,
            self.path,
            (self._bytes_received, self._bytes_sent),
            (self._received, self._sent, code),
            route,
        )
        self.worker.sink.offer(packed)

    def _note_received(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.receive":
            self._received += 1
            self._bytes_received += _size_of(message)
        elif kind == "websocket.disconnect" and not self._own_code:
            self._client_code = _code_of(message, NO_CODE)

    def _note_sent(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            self._sent += 1
            self._bytes_sent += _size_of(message)
        elif kind == "websocket.accept":
            self._accepted = True
        elif kind == "websocket.close" and not self._client_code:
            self._own_code = _code_of(message, NORMAL)
            self._refused = not self._accepted
        elif kind == "websocket.http.response.start":
            self._refused = True
            self._broken = message["status"] >= FAILED_STATUS

    def _ended(self, raised: BaseException | None) -> tuple[ConnectionEnd, int]:
        """Return how the connection ended, and its close code; 0 without one.

        A client may choose any code, so its private codes count as 3000 or 4000.
        """
        if self._refused:
            return ConnectionEnd.SERVER_ERROR if self._broken else ConnectionEnd.REFUSED, 0
        if code := self._own_code:
            if code == SERVER_FAULT:
                return ConnectionEnd.SERVER_ERROR, code
            is_normal = code in (NORMAL, GOING_AWAY)
            return ConnectionEnd.CLOSED if is_normal else ConnectionEnd.CLOSE_CODE, code
        if code := self._client_code:
            if code == NORMAL:
                return ConnectionEnd.CLOSED, code
            if code in (GOING_AWAY, NO_CODE, ABNORMAL):  # uvicorn: NO_CODE for a lost connection
                return ConnectionEnd.CLIENT_LEFT, code
            return ConnectionEnd.CLOSE_CODE, code if code <= LAST_KNOWN else code // 1000 * 1000
        if isinstance(raised, Exception) or (raised is None and not self._accepted):
            return ConnectionEnd.SERVER_ERROR, 0
        if raised is not None:  # the server cancels an application after its client has left
            return ConnectionEnd.CLIENT_LEFT, 0
        return ConnectionEnd.CLOSE_CODE, ABNORMAL  # the application returned without closing


def _size_of(message: Message) -> int:
    """Return the size of a message in bytes, of its text in UTF-8 or of its binary data."""
    data = message.get("bytes")
    if data is not None:
        return len(data) if type(data) is bytes else memoryview(data).nbytes
    text = message.get("text") or ""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _code_of(message: Message, otherwise: int) -> int:
    code: Any = message.get("code", otherwise)
    return int(code) if isinstance(code, int) and code in _CODES else otherwise
