"""One exchange while it is under way: what its messages leave behind."""

import sys
from array import array
from collections.abc import Awaitable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from nilometer.capture.sink import MAX_GAPS, Body, Headers, Streamed
from nilometer.reasons import Outcome, StreamEnd

if TYPE_CHECKING:
    from nilometer.capture.asgi import Message, Receive, Send
    from nilometer.capture.values import Noted
    from nilometer.capture.worker import Worker


class Exchange:
    """The state of one HTTP exchange, and the `receive` and `send` that its application gets.

    It has no constructor: `NilometerMiddleware` sets every attribute, because a frame more is a
    tenth of what the path may cost.

    Attributes:
        app_receive: The server's.
        app_send: The server's; its awaitable is handed back as it is.
        worker: Whose guard is told of faults.
        cap: Most bytes kept of each body.
        status: Of the answer; 0 before it.
        response_headers: As they were when they were sent.
        request: What is held of the request's body; None over the cap.
        response: The same of the answer's.
        request_size: Bytes so far.
        response_size: Bytes so far.
        more: Whether more of the answer's body will come; None before its first message.
        left: Whether the client went before the answer was complete.
        first: Monotonic seconds of the first body byte; 0 before it.
        latest: Monotonic seconds of the latest body message.
        stream: Of an answer in several chunks.
        noted: What the model handed over.
        new_id: The header to add to the answer, where one was asked for.
    """

    __slots__ = (
        "app_receive",
        "app_send",
        "cap",
        "first",
        "latest",
        "left",
        "more",
        "new_id",
        "noted",
        "request",
        "request_size",
        "response",
        "response_headers",
        "response_size",
        "status",
        "stream",
        "worker",
    )
    app_receive: "Receive"
    app_send: "Send"
    worker: "Worker"
    cap: int
    status: int
    response_headers: Headers
    request: Body
    response: Body
    request_size: int
    response_size: int
    more: bool | None
    left: bool
    first: float
    latest: float
    stream: "Stream | None"
    noted: "Noted | None"
    new_id: tuple[bytes, bytes] | None

    async def receive(self) -> "Message":
        """The server's message, noted."""
        message = await self.app_receive()
        try:
            if message["type"] == "http.request":
                body = message.get("body")
                if body:
                    size = len(body)
                    if type(body) is bytes and size <= self.cap and not self.request_size:
                        self.request = body
                        self.request_size = size
                    else:
                        self._note_more(body, size)
            elif self.more is not False and message["type"] == "http.disconnect":
                self.left = True
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
        return message

    def send(self, message: "Message") -> Awaitable[None]:
        """The server's own awaitable; *message* is noted."""
        try:
            if message["type"] == "http.response.body":
                body = message.get("body")
                if self.more is None and type(body) is bytes and len(body) <= self.cap:
                    self.more = message.get("more_body", False)
                    self.response = body
                    self.latest = now = perf_counter()
                    if body:
                        self.first = now
                        self.response_size = len(body)
                elif self.more is not False:
                    self._note_body(body, message.get("more_body", False))
            elif message["type"] == "http.response.start":
                if not self.status:
                    self.status = message["status"]
                    # A copy: an outer middleware may compress, and write so into the same list.
                    self.response_headers = tuple(message.get("headers", ()))
                    if self.new_id is not None:
                        message = {**message, "headers": [*self._with_id(self.new_id)]}
            elif message["type"] in _WHOLE_BODY and self.more is not False:
                self.latest = perf_counter()
                self.first = self.first or self.latest
                self.response = None
                self.more = bool(message.get("more_body", False))
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
        return self.app_send(message)

    def _with_id(self, new_id: tuple[bytes, bytes]) -> Headers:
        """The answer's headers with the id that was asked for, unless the application set it."""
        headers = self.response_headers
        if not any(name.lower() == new_id[0] for name, _ in headers):
            self.response_headers = headers = (*headers, new_id)
        return headers

    def _note_more(self, body: Any, size: int) -> None:
        """A chunk of the request that is not a whole body of plain bytes under the cap."""
        before = self.request_size
        self.request_size = before + size
        self.request = None if before + size > self.cap else joined(self.request, body, before)

    def _note_body(self, body: Any, more: Any) -> None:
        """A body message that is not a whole answer of plain bytes under the cap."""
        now = perf_counter()
        size = len(body) if body else 0
        if size:
            before = self.response_size
            if before:
                stream = self.stream
                if stream is None:
                    stream = self.stream = Stream()
                stream.note(now - self.latest)
            else:
                self.first = now
            self.response_size = before + size
            if self.response_size > self.cap:
                self.response = None
            else:
                self.response = joined(self.response, body, before)
        if size or not more:
            self.latest = now
        self.more = bool(more)


class Stream:
    """The chunks of an answer after its first."""

    __slots__ = ("chunks", "gaps")

    def __init__(self) -> None:
        self.chunks = 1
        self.gaps = array("f")

    def note(self, gap: float) -> None:
        """One chunk more, *gap* seconds after the one before."""
        self.chunks += 1
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(gap)

    def ended(self, end: StreamEnd) -> Streamed:
        """What is left of it, now that it is over."""
        gaps = self.gaps
        if sys.byteorder == "big":
            gaps.byteswap()
        return Streamed(self.chunks, gaps.tobytes(), end.value)


def stream_end(
    exchange: Exchange, outcome: str, ended_at: float, stall_seconds: float
) -> StreamEnd:
    """How the stream of *exchange* ended.

    Args:
        exchange: Whose stream it is.
        outcome: Of the exchange.
        ended_at: Monotonic seconds.
        stall_seconds: A stream that was silent for so long before it broke off had stalled.
    """
    if exchange.more is False:
        return StreamEnd.COMPLETED
    if ended_at - exchange.latest >= stall_seconds:
        return StreamEnd.STALLED
    return StreamEnd.CLIENT_LEFT if outcome == _CLIENT_LEFT else StreamEnd.ERROR


def joined(held: Body, body: Any, before: int) -> Body:
    """What is held of a body of *before* bytes so far when the chunk *body* has come.

    One chunk is kept as it is; several are copied into one buffer, so that a million chunks of a
    byte weigh a million bytes. What is no `bytes` is copied: it may change under us.
    """
    if not before:
        return bytes(body)
    if held is None:
        return None
    if type(held) is not bytearray:
        held = bytearray(held)
    held += body
    return held


def outcome_of(exchange: Exchange) -> str:
    """How a request ended that raised nothing."""
    status = exchange.status
    if exchange.more is False:
        return _OK if status < 400 else _CLIENT_ERROR if status < 500 else _FAILED
    return _CLIENT_LEFT if exchange.left or status else _NO_RESPONSE


# As text: an enumeration's value costs a look-up on each request.
_OK = Outcome.OK.value
_CLIENT_ERROR = Outcome.CLIENT_ERROR.value
_FAILED = Outcome.SERVER_ERROR.value
_CLIENT_LEFT = Outcome.CLIENT_LEFT.value
_NO_RESPONSE = Outcome.NO_RESPONSE.value

# Bodies that the server reads itself: their bytes never pass here.
_WHOLE_BODY = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
