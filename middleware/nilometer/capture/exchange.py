"""One HTTP exchange in progress: it records the messages in both directions."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from random import random
from time import perf_counter
from typing import Any

from nilometer.capture.headers import PassingHeaders, content_type_of, with_id
from nilometer.capture.stream import Stream
from nilometer.capture.types import Message, Receive, Send
from nilometer.handoff.pack import Body, Headers, Rest
from nilometer.handoff.plain import Annotations, ExchangeState
from nilometer.handoff.worker import Worker
from nilometer.values.reasons import Outcome, StreamEnd
from nilometer.values.streams import Keeper, is_streamed


class Exchange(ExchangeState):
    """The state of one HTTP exchange, with the `receive` and `send` that its application gets.

    The class has no constructor: `NilometerMiddleware` sets every attribute, because a further
    call costs a tenth of the time budget. For the same reason, `more` holds the details that
    most exchanges do not have.

    Attributes:
        app_receive: The server's `receive`.
        app_send: The server's `send`; its awaitable is returned unchanged.
        worker: Worker whose guard counts errors.
        cap: Largest number of bytes to keep of each body.
        status: HTTP status of the response; 0 before the response starts.
        response_headers: Headers of the response as they were sent.
        request: Body of the request so far; None over the cap.
        response: Body of the response so far; None over the cap.
        finished: Whether the response's body is complete; None before its first message.
        latest: Time of the latest body message, in monotonic seconds.
        more: Details of an unusual exchange, see `More`; None for one body under the cap in each
            direction.
        annotations: Values and labels that the model's code added.
    """

    __slots__ = ()
    is_wsgi = False  # a class attribute: the kind of the application
    app_receive: Receive
    app_send: Send
    worker: Worker
    cap: int
    status: int
    response_headers: Headers
    request: Body
    response: Body
    finished: bool | None
    latest: float
    more: "More | None"
    annotations: Annotations | None

    async def receive(self) -> Message:
        """Return the server's next message after recording it."""
        app_receive = self.app_receive  # read before the call, see `NilometerMiddleware.__call__`
        message = await app_receive()
        try:
            if message["type"] == "http.request":
                body = message.get("body")
                if self.request == b"" and type(body) is bytes and len(body) <= self.cap:
                    self.request = body
                    return message
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
            return message
        self._note_received(message)
        return message

    def _note_received(self, message: Message) -> None:
        """Record a message that is not the only one of a body of `bytes` under the cap."""
        try:
            if message["type"] == "http.request":
                body = message.get("body")
                if body:
                    self._note_request(body)
            elif not self.finished and message["type"] == "http.disconnect":
                self.with_more().left = True
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def send(self, message: Message) -> Awaitable[None]:
        """Record *message* and return the server's own awaitable."""
        try:
            kind = message["type"]
            if kind == "http.response.body":
                body = message.get("body")
                if self.finished is None and type(body) is bytes and len(body) <= self.cap:
                    self.response = body
                    self.latest = perf_counter()
                    if message.get("more_body"):
                        self.finished = False
                    else:
                        self.finished = True
                        self.worker.in_flight -= 1
                elif not self.finished:
                    self._note_response(body, message.get("more_body", False))
            elif kind == "http.response.start":
                if not self.status:
                    # Keep a copy, because an outer middleware, such as compression, may change it.
                    self.response_headers = _copy_of_list(message.get("headers"))
                    self.status = message["status"]
                    if self.more is not None and self.more.new_id is not None:
                        message = {**message, "headers": [*self._with_id(self.more.new_id)]}
            elif kind in _WHOLE_BODY and not self.finished:
                self.latest = now = perf_counter()
                more = self.with_more()
                more.first = more.first or now
                self.response = None
                self._note_end(unfinished=message.get("more_body", False))
        except Exception as error:  # monitoring must never fail a prediction
            message = self._noted_otherwise(message, error)
        app_send = self.app_send
        return app_send(message)

    def _noted_otherwise(self, message: Message, error: Exception) -> Message:
        """Return the message to send after the recording of *message* raised *error*."""
        try:
            starts = message["type"] == "http.response.start" and not self.status
            if starts and not isinstance(message.get("headers"), list):
                return self._note_start(message)
            self.worker.note(error)
        except Exception as second:  # monitoring must never fail a prediction
            self.worker.note(second)
        return message

    def _note_start(self, message: Message) -> Message:
        """Return the start message to send if the headers of the response are not a list.

        A collection can be read twice. Any other iterable can be read only once, by the server:
        `PassingHeaders` takes its place.
        """
        self.status = message["status"]
        headers = message.get("headers")
        new_id = self.more.new_id if self.more is not None else None
        if isinstance(headers, Collection) or headers is None:
            self.response_headers = tuple(headers or ())
            if new_id is not None:
                message = {**message, "headers": [*self._with_id(new_id)]}
            return message
        if not isinstance(headers, Iterable):
            return message
        passing = PassingHeaders(headers, self, new_id)
        once = isinstance(headers, Iterator)
        return {**message, "headers": iter(passing) if once else passing}

    def _with_id(self, new_id: tuple[bytes, bytes]) -> Headers:
        """Return the response's headers with the requested id, unless the application set it."""
        self.response_headers = headers = with_id(self.response_headers, new_id)
        return headers

    def with_more(self) -> "More":
        """Return `more`, which is created on first use."""
        more = self.more
        if more is None:
            more = self.more = More()
        return more

    def sample(self, share: float) -> None:
        """Keep the bodies with the probability *share*; otherwise the exchange is only counted."""
        more = self.with_more()
        more.share = share
        if random() >= share:  # noqa: S311  not for secrets
            self.cap, more.share = 0, -share

    def _note_request(self, body: Any) -> None:
        """Record a chunk of a request that is not one `bytes` body under the cap."""
        more = self.with_more()
        before = more.request_size or len(self.request or b"")
        more.request_size = before + size_of(body)
        over = more.request_size > self.cap
        self.request = None if over else joined(self.request, body, before)

    def _note_response(self, body: Any, unfinished: Any) -> None:
        """Record a body message of a response that is not one `bytes` body under the cap."""
        now = perf_counter()
        more = self.with_more()
        size = 0 if body is None else size_of(body)
        if size:
            before = more.response_size or len(self.response or b"")
            if before:
                stream = more.stream
                if stream is None:
                    stream = more.stream = Stream(before)
                    more.first = self.latest
                stream.note(now - self.latest, size)
            else:
                more.first = now
            more.response_size = before + size
            if more.response_size > self.cap:
                self.keep_ends(more, body)
            else:
                self.response = joined(self.response, body, before)
        if size or not unfinished:
            self.latest = now
        self._note_end(unfinished=unfinished)

    def _note_end(self, *, unfinished: Any) -> None:
        """Record whether the response is complete; background tasks may run after it."""
        self.finished = not unfinished
        if self.finished:
            self.worker.in_flight -= 1

    def keep_ends(self, more: "More", body: Any) -> None:
        """Keep the start and the end of a response that went over the cap with the chunk *body*.

        This applies to streams of events and lines. Nothing is kept of any other response.
        """
        held, self.response = self.response, None
        keeper = more.keeper
        if keeper is None:
            if held is None or not self.cap:
                return
            if not is_streamed(content_type_of(self.response_headers)):
                return
            keeper = more.keeper = Keeper(self.cap)
            keeper.add(held)
        keeper.add(body if type(body) is bytes else bytes(body))

    def rest(
        self, outcome: str, started: float, ended_at: float, stall_seconds: float, query: Any
    ) -> Rest:
        """Return the details of an unusual exchange.

        Args:
            outcome: Outcome of the exchange.
            started: Start of the request, in monotonic seconds.
            ended_at: End of the request, in monotonic seconds.
            stall_seconds: Silence after which an interrupted stream counts as stalled.
            query: Query string; None if no setting names parameters.
        """
        more = self.more
        if more is None:
            response_size = len(self.response or b"")
            first_byte = self.latest - started if response_size else 0.0
            return Rest(
                len(self.request or b""), response_size, first_byte, None, self.annotations, query
            )
        first = more.first or (self.latest if self.response else 0.0)
        streamed = None
        if more.stream is not None:
            streamed = more.stream.ended(stream_end(self, outcome, ended_at, stall_seconds))
        keeper, more.keeper = more.keeper, None
        return Rest(
            more.request_size or len(self.request or b""),
            more.response_size or len(self.response or b""),
            first - started if first else 0.0,
            streamed,
            self.annotations,
            query,
            more.share,
            None if keeper is None else keeper.ends(),
            more.route,
        )


class More:
    """The details of an exchange that is not one plain body in each direction.

    Attributes:
        request_size: Bytes of the request so far; 0 if its body is one chunk.
        response_size: Bytes of the response so far; 0 if its body is one chunk.
        first: Time of the response's first body byte, in monotonic seconds; 0 if `latest` holds it.
        inside: Whether an inner middleware observes the request instead.
        keeper: Start and end of a stream over the cap; else None.
        stream: Chunks of a response in several chunks; else None.
        left: Whether the client disconnected before the end of the response.
        line: Method and path of the request, for inner middlewares to find it; else None.
        position: Byte offset of the next read in the request's body; -1 before any seek, and
            always in ASGI.
        new_id: Header with the prediction id to add to the response; None without the setting.
        route: Template of the route, if a setting asks for it; else empty.
        share: Sampling share at the start of the exchange; negative if this observation is sampled
            out.
    """

    __slots__ = (
        "first", "inside", "keeper", "left", "line", "new_id", "position", "request_size",
        "response_size", "route", "share", "stream",
    )  # fmt: skip

    def __init__(self) -> None:
        self.request_size = 0
        self.response_size = 0
        self.first = 0.0
        self.inside = False
        self.line: tuple[str, str] | None = None
        self.keeper: Keeper | None = None
        self.stream: Stream | None = None
        self.left = False
        self.position = -1
        self.new_id: tuple[bytes, bytes] | None = None
        self.route = ""
        self.share = 1.0


def stream_end(
    exchange: Exchange, outcome: str, ended_at: float, stall_seconds: float
) -> StreamEnd:
    """Return how the stream of *exchange* ended.

    Args:
        exchange: Exchange that the stream belongs to.
        outcome: Outcome of the exchange.
        ended_at: End of the request, in monotonic seconds.
        stall_seconds: Silence after which an interrupted stream counts as stalled.
    """
    if exchange.finished and outcome != _CLIENT_LEFT:
        return StreamEnd.COMPLETED
    if ended_at - exchange.latest >= stall_seconds:
        return StreamEnd.STALLED
    return StreamEnd.CLIENT_LEFT if outcome == _CLIENT_LEFT else StreamEnd.ERROR


def size_of(body: Any) -> int:
    """Return the bytes of a chunk, which is `bytes` or supports the buffer protocol.

    Raises:
        TypeError: If *body* does neither.
    """
    return len(body) if type(body) is bytes else memoryview(body).nbytes


def joined(held: Body, body: Any, before: int) -> Body:
    """Return the body so far, of *before* bytes, with the chunk *body* added.

    One chunk is kept unchanged. Several chunks are copied into one buffer, so that a million chunks
    of one byte take a million bytes. A chunk that is not `bytes` is copied, because it may change.
    """
    if held is None:
        return None
    chunk = body if type(body) is bytes else bytes(body)
    if not before:
        return chunk
    if type(held) is not bytearray:
        held = bytearray(held)
    held += chunk
    return held


def ended_by(
    error: BaseException, exchange: Exchange, leaving: tuple[type[BaseException], ...]
) -> str:
    """Return the outcome of an exchange whose application raised *error*.

    An error after a complete response does not change the outcome, unless the response itself was
    an error. A background task may raise it, or a server that shuts down.

    Args:
        error: Exception that the application raised.
        exchange: Exchange that it ended.
        leaving: Exceptions that a server raises in an application after the client has left.
    """
    if exchange.finished and exchange.status < 500:
        return outcome_of(exchange)
    if (
        isinstance(error, leaving)
        or (exchange.more is not None and exchange.more.left)
        or type(error).__name__ in _LEFT  # frameworks raise these if the client has left
    ):
        return _CLIENT_LEFT
    return _EXCEPTION


_LEFT = frozenset({"ClientDisconnect", "ClientDisconnected"})  # Starlette's; waitress', Werkzeug's


def outcome_of(exchange: Exchange) -> str:
    """Return the outcome of a request whose application raised nothing."""
    status = exchange.status
    if exchange.finished:
        return _OK if status < 400 else _CLIENT_ERROR if status < 500 else _FAILED
    left = exchange.more is not None and exchange.more.left
    return _CLIENT_LEFT if left or status else _NO_RESPONSE


# Stored as texts, because reading an enumeration's value costs a look-up per request.
_OK = Outcome.OK.value
_CLIENT_ERROR = Outcome.CLIENT_ERROR.value
_FAILED = Outcome.SERVER_ERROR.value
_CLIENT_LEFT = Outcome.CLIENT_LEFT.value
_EXCEPTION = Outcome.EXCEPTION.value
_NO_RESPONSE = Outcome.NO_RESPONSE.value

# Raises for anything but a list, and runs no code of a subclass of list.
_copy_of_list: Callable[[Any], list[Any]] = list.copy

# Messages with bodies that the server reads itself, so the middleware does not see the bytes.
_WHOLE_BODY = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
