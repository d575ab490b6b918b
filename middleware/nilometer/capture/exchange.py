"""One exchange while it is under way: what its messages leave behind."""

import sys
from array import array
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from time import perf_counter
from typing import Any

from nilometer.capture.headers import PassingHeaders, content_type_of, with_id
from nilometer.capture.types import Message, Receive, Send
from nilometer.handoff.noted import Noted
from nilometer.handoff.pack import Body, Headers, Rest, Streamed
from nilometer.handoff.worker import Worker
from nilometer.values.reasons import Outcome, StreamEnd
from nilometer.values.streams import Keeper, is_streamed


class Exchange:
    """The state of one HTTP exchange, and the `receive` and `send` that its application gets.

    It has no constructor: `NilometerMiddleware` sets every attribute, because a frame more is a
    tenth of what the path may cost. What most exchanges do not have is in `more`, for the same
    reason.

    Attributes:
        app_receive: The server's.
        app_send: The server's; its awaitable is handed back as it is.
        worker: Whose guard is told of faults.
        cap: Most bytes kept of each body.
        status: Of the answer; 0 before it.
        response_headers: As they were when they were sent.
        request: What is held of the request's body; None over the cap.
        response: The same of the answer's.
        finished: Whether the answer's body is complete; None before its first message.
        latest: Monotonic seconds of the latest body message.
        more: Of what is not one body under the cap in each direction; else None.
        noted: What the model handed over.
        share: Of the observations that are held, as it was at the start; negative where this one
            is left out.
    """

    __slots__ = (
        "app_receive",
        "app_send",
        "cap",
        "finished",
        "latest",
        "more",
        "noted",
        "request",
        "response",
        "response_headers",
        "share",
        "status",
        "worker",
    )
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
    noted: Noted | None
    share: float

    async def receive(self) -> Message:
        """The server's message, noted."""
        message = await self.app_receive()
        try:
            if message["type"] == "http.request":
                body = message.get("body")
                if body:
                    if self.request == b"" and type(body) is bytes and len(body) <= self.cap:
                        self.request = body
                    else:
                        self._note_request(body)
            elif not self.finished and message["type"] == "http.disconnect":
                self.with_more().left = True
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """The server's own awaitable; *message* is noted."""
        try:
            if message["type"] == "http.response.body":
                body = message.get("body")
                if self.finished is None and type(body) is bytes and len(body) <= self.cap:
                    self.finished = not message.get("more_body", False)
                    self.response = body
                    self.latest = perf_counter()
                elif not self.finished:
                    self._note_response(body, message.get("more_body", False))
            elif message["type"] == "http.response.start":
                if not self.status:
                    # A copy: an outer middleware may compress, and write so into the same list.
                    self.response_headers = _copy_of_list(message.get("headers"))
                    self.status = message["status"]
                    if self.more is not None and self.more.new_id is not None:
                        message = {**message, "headers": [*self._with_id(self.more.new_id)]}
            elif message["type"] in _WHOLE_BODY and not self.finished:
                self.latest = now = perf_counter()
                more = self.with_more()
                more.first = more.first or now
                self.response = None
                self.finished = not message.get("more_body", False)
        except Exception as error:  # monitoring must never fail a prediction
            message = self._noted_otherwise(message, error)
        return self.app_send(message)

    def _noted_otherwise(self, message: Message, error: Exception) -> Message:
        """The message to pass on in place of *message*, which raised *error* when it was noted."""
        try:
            starts = message["type"] == "http.response.start" and not self.status
            if starts and not isinstance(message.get("headers"), list):
                return self._note_start(message)
            self.worker.note(error)
        except Exception as second:  # monitoring must never fail a prediction
            self.worker.note(second)
        return message

    def _note_start(self, message: Message) -> Message:
        """The message to pass on in place of an answer's start whose headers are no list.

        A collection may be read twice. Any other iterable is read by the server alone: it gets
        `PassingHeaders` in its place.
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
        """The answer's headers with the id that was asked for, unless the application set it."""
        self.response_headers = headers = with_id(self.response_headers, new_id)
        return headers

    def with_more(self) -> "More":
        """What most exchanges do not have."""
        more = self.more
        if more is None:
            more = self.more = More()
        return more

    def _note_request(self, body: Any) -> None:
        """A chunk of the request that is not a whole body of plain bytes under the cap."""
        more = self.with_more()
        before = more.request_size or len(self.request or b"")
        more.request_size = before + size_of(body)
        over = more.request_size > self.cap
        self.request = None if over else joined(self.request, body, before)

    def _note_response(self, body: Any, unfinished: Any) -> None:
        """A body message that is not a whole answer of plain bytes under the cap."""
        now = perf_counter()
        more = self.with_more()
        size = 0 if body is None else size_of(body)
        if size:
            before = more.response_size or len(self.response or b"")
            if before:
                stream = more.stream
                if stream is None:
                    stream = more.stream = Stream()
                    more.first = self.latest
                stream.note(now - self.latest)
            else:
                more.first = now
            more.response_size = before + size
            if more.response_size > self.cap:
                self.keep_ends(more, body)
            else:
                self.response = joined(self.response, body, before)
        if size or not unfinished:
            self.latest = now
        self.finished = not unfinished

    def keep_ends(self, more: "More", body: Any) -> None:
        """Keep of an answer over the cap, of which the chunk *body* has come, its start and its end.

        That is for streams of events and lines: of any other answer nothing is kept.
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
        """What most exchanges do not have, summed up.

        Args:
            outcome: Of the exchange.
            started: Monotonic seconds.
            ended_at: Monotonic seconds.
            stall_seconds: A stream that was silent for so long before it broke off had stalled.
            query: The query string, where a setting names parameters, else None.
        """
        more = self.with_more()
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
            self.noted,
            query,
            self.share,
            None if keeper is None else keeper.ends(),
        )


class More:
    """What an exchange has that is not one plain body in each direction.

    Attributes:
        request_size: Bytes so far; 0 while one plain body says it.
        response_size: The same of the answer's.
        first: Monotonic seconds of the answer's first body byte; 0 while `latest` says it.
        keeper: Of a stream over the cap; else None.
        stream: Of an answer in several chunks.
        left: Whether the client went before the answer was complete.
        new_id: The header to add to the answer, where one was asked for.
    """

    __slots__ = ("first", "keeper", "left", "new_id", "request_size", "response_size", "stream")

    def __init__(self) -> None:
        self.request_size = 0
        self.response_size = 0
        self.first = 0.0
        self.keeper: Keeper | None = None
        self.stream: Stream | None = None
        self.left = False
        self.new_id: tuple[bytes, bytes] | None = None


MAX_GAPS = 512  # of one stream that are kept


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
    if exchange.finished:
        return StreamEnd.COMPLETED
    if ended_at - exchange.latest >= stall_seconds:
        return StreamEnd.STALLED
    return StreamEnd.CLIENT_LEFT if outcome == _CLIENT_LEFT else StreamEnd.ERROR


def size_of(body: Any) -> int:
    """Bytes of a chunk: `bytes`, or any object that shows its memory.

    Raises:
        TypeError: If *body* is no such object.
    """
    return len(body) if type(body) is bytes else memoryview(body).nbytes


def joined(held: Body, body: Any, before: int) -> Body:
    """What is held of a body of *before* bytes so far when the chunk *body* has come.

    One chunk is kept as it is; several are copied into one buffer, so that a million chunks of a
    byte weigh a million bytes. What is no `bytes` is copied: it may change under us.
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


def outcome_of(exchange: Exchange) -> str:
    """How a request ended that raised nothing."""
    status = exchange.status
    if exchange.finished:
        return _OK if status < 400 else _CLIENT_ERROR if status < 500 else _FAILED
    left = exchange.more is not None and exchange.more.left
    return _CLIENT_LEFT if left or status else _NO_RESPONSE


# As text: an enumeration's value costs a look-up on each request.
_OK = Outcome.OK.value
_CLIENT_ERROR = Outcome.CLIENT_ERROR.value
_FAILED = Outcome.SERVER_ERROR.value
_CLIENT_LEFT = Outcome.CLIENT_LEFT.value
_NO_RESPONSE = Outcome.NO_RESPONSE.value

# Refuses whatever is no list, and runs no code of a class that somebody made of one.
_copy_of_list: Callable[[Any], list[Any]] = list.copy

# Bodies that the server reads itself: their bytes never pass here.
_WHOLE_BODY = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
