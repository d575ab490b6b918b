"""One WSGI exchange while it is in progress: it records what passes in both directions."""

import os
from collections.abc import Callable, Collection
from time import perf_counter
from typing import Any

from nilometer.capture.exchange import Exchange, More, ended_by, outcome_of, size_of
from nilometer.capture.nesting import leave
from nilometer.capture.route import wsgi_route_of
from nilometer.capture.types import Environ, StartResponse
from nilometer.capture.values import Holder, current
from nilometer.capture.wsgi_body import Forms
from nilometer.capture.wsgi_input import ALL, Input
from nilometer.handoff.annotations import Annotations
from nilometer.handoff.pack import Body, Headers
from nilometer.values.reasons import Outcome

INPUT = "wsgi.input"
FILE_WRAPPER = "wsgi.file_wrapper"


class WsgiExchange(Exchange):
    """The state of one exchange, with the `start_response` and `write` of its application.

    The class has no constructor: `NilometerWSGIMiddleware` sets what has no default.

    Attributes:
        app_start: The server's `start_response`.
        app_write: The server's `write`.
        environ: The request's environ, with `wsgi.input` replaced until the end; then empty, so that
            no request keeps its exchange alive.
        wanted: Names of the response headers that are recorded, as text and as bytes.
        stall_seconds: Silence after which an interrupted stream counts as stalled.
        query: Query string; None if no setting names parameters.
        wants_route: Whether a setting asks for the template of the route.
        path: Path of the request.
        headers: Headers of the request that are recorded.
        length: Content length of the response in bytes; -1 without one.
        position: Byte offset of the next read in the request's body; -1 before any seek.
        previous: Exchange or call around this one in the same context.
        in_flight: Number of requests in progress at the start, this one included.
        arrival_ns: Start of the request, in Unix nanoseconds.
        started: Start of the request, in monotonic seconds.
        ended: Whether the observation was offered.
    """

    is_wsgi = True
    # Class attributes, so that what most requests leave as it is need not be set for each.
    status: int = 0
    response_headers: Headers = ()
    request: Body = b""
    response: Body = b""
    finished: bool | None = None
    more: More | None = None
    annotations: Annotations | None = None
    length: int = -1
    position: int = -1
    query: bytes | None = None
    wants_route: bool = False
    ended: bool = False

    app_start: StartResponse
    app_write: Any
    arrival_ns: int
    environ: Environ
    headers: Headers
    in_flight: int
    path: str
    previous: Holder | None
    stall_seconds: float
    started: float
    wanted: dict[str, bytes]

    def start(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Start the response like the server's `start_response`."""
        passed = headers
        if self.more is not None and self.more.new_id is not None:
            try:
                passed = headers = [*headers]  # they may be readable only once
                passed = [*self._with_new_id(headers, self.more.new_id)]
            except Exception as error:  # monitoring must never fail a prediction
                self.worker.note(error)
        if exc_info is None:
            write = self.app_start(status, passed)
        else:
            write = self.app_start(status, passed, exc_info)
        self.note_start(status, passed)
        if write is None:  # a server without `write`
            return None
        self.app_write = write
        return self.write

    def write(self, data: bytes) -> Any:
        """Write a part of the body like the server's `write`."""
        self.note_chunk(data)
        try:
            return self.app_write(data)
        except OSError:
            self._note_left()
            raise

    def note_start(self, status: str, headers: Any) -> None:
        """Record the status and the headers of a response that the server has accepted."""
        try:
            self.status = int(status[:3])
            self.length = -1
            if self.wants_route:  # Flask forgets it before the response ends
                self.with_more().route = wsgi_route_of(self.environ)
            found: list[tuple[bytes, bytes]] = []
            wanted = self.wanted
            # Headers that can be read only once are the server's.
            if type(headers) is not list and not isinstance(headers, Collection):
                headers = ()
            for name, value in headers:
                key = wanted.get(name.lower())
                if key is None:
                    continue
                if key == b"content-length":
                    self.length = int(value)
                else:
                    found.append((key, value.encode("latin-1", "replace")))
            self.response_headers = found
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def note_chunk(self, chunk: Any) -> None:
        """Record a part of the response's body."""
        try:
            if self.finished:
                return
            if self.finished is None and type(chunk) is bytes and 0 < len(chunk) <= self.cap:
                self.response = chunk
                self.finished = len(chunk) == self.length
                self.latest = perf_counter()
            elif size_of(chunk):
                self._note_response(chunk, True)  # noqa: FBT003  more may follow
                more = self.with_more()
                self.finished = 0 <= self.length <= more.response_size
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def note_read(self, chunk: Any, size: Any = ALL) -> None:
        """Record *chunk*, which the server returned when it was asked for *size* bytes."""
        try:
            if self.position >= 0:
                chunk = self._unread(chunk)
            elif not chunk:
                self._note_end_of_input(size)
            if not chunk:
                return
            if self.request == b"" and type(chunk) is bytes and len(chunk) <= self.cap:
                self.request = chunk
            else:
                self._note_request(chunk)
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def note_position(self, position: Any) -> None:
        """Record that the next read begins at *position*, in bytes from the start."""
        if type(position) is int:
            self.position = position

    def note_input_error(self, error: BaseException) -> None:
        """Record that the server could not read the body."""
        if isinstance(error, OSError):
            self._note_left()

    def _note_left(self) -> None:
        try:
            self.with_more().left = True
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def passed(self, result: Any) -> Any:
        """Return what the server gets in place of the application's *result*.

        A list, a tuple or a file is complete, and the server gets the same object.
        """
        try:
            form = _forms[type(result)]
            if form is not None:
                wrapper = self.environ.get(FILE_WRAPPER)
                if wrapper is None or not _is_file(result, wrapper):
                    return form(result, self)
                self._note_file(result)
                self._complete()
            elif isinstance(result, (list, tuple, bytes)):
                for chunk in (result,) if isinstance(result, bytes) else result:
                    self.note_chunk(chunk)
                self._complete()
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
        self.end(None)
        return result

    def stopped(self, error: BaseException | None) -> None:
        """Record the end of the application's iterator, or the *error* that it has raised."""
        if error is None and not self.finished:
            try:
                self._complete()
            except Exception as fault:  # monitoring must never fail a prediction
                self.worker.note(fault)
        self.end(error)

    def closed(self) -> None:
        """Record that the server reads no further."""
        if self.ended:
            return
        try:
            without_body = self.status in _WITHOUT_BODY or self.environ["REQUEST_METHOD"] == "HEAD"
            if self.status and without_body and not self.finished:
                self._complete()
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
        self.end(None)

    def end(self, raised: BaseException | None) -> None:
        """Offer the observation; later calls do nothing. *raised* is what the application raised."""
        if self.ended:
            return
        self.ended = True
        worker = self.worker
        environ, self.environ = self.environ, {}
        try:
            worker.in_flight -= 1
            if worker.notes and current.get() is self:
                current.set(self.previous)
            stream = environ.get(INPUT)
            if type(stream) is Input and stream.nilometer_reader is self:
                environ[INPUT] = stream.nilometer_stream
            if raised is None and self.more is None and self.finished and self.status < 400:
                outcome = _OK
            elif raised is not None:
                outcome = ended_by(raised, self, _LEAVING)
            elif self.more is not None and self.more.left:
                outcome = Outcome.CLIENT_LEFT.value
            else:
                outcome = outcome_of(self)
            ended_at = self.latest if self.finished else perf_counter()
            rest = None
            if self.more is not None or self.annotations is not None:
                rest = self.rest(outcome, self.started, ended_at, self.stall_seconds, self.query)
                if leave(environ, self):
                    return
            packed = worker.packer.pack(
                self.arrival_ns,
                ended_at - self.started,
                self.status,
                outcome,
                environ["REQUEST_METHOD"],
                self.path,
                self.headers,
                self.response_headers,
                self.request,
                self.response,
                self.in_flight,
                rest,
            )
            self.request = self.response = self.annotations = None
            worker.sink.offer(packed)
        except Exception as error:  # monitoring must never fail a prediction
            worker.note(error, lost=1)

    def _complete(self) -> None:
        """Note the end of the body, unless its content length has told it."""
        if self.finished or not self.status:
            return
        if self.response:
            more = self.with_more()
            more.first = more.first or self.latest
        self.finished = True
        self.latest = perf_counter()

    def _note_file(self, result: Any) -> None:
        """Record the size of a file that the server sends itself."""
        more = self.with_more()
        more.first = perf_counter()
        more.response_size = self.length if self.length >= 0 else _size_of_file(result)
        self.response = None

    def _note_end_of_input(self, size: Any) -> None:
        """Record an empty read: if it comes before the end of the body, the client has left."""
        if size == 0:
            return
        length = self.environ.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and int(length[:19]) > self._read_bytes():
            self.with_more().left = True

    def _read_bytes(self) -> int:
        more = self.more
        return (more.request_size if more is not None else 0) or len(self.request or b"")

    def _unread(self, chunk: Any) -> Any:
        """Return the part of *chunk* that was not read before, after the application has moved."""
        begins, before = self.position, self._read_bytes()
        self.position = begins + len(chunk)
        if begins > before:  # what it skipped is not known
            self.request, self.with_more().request_size = None, self.position
            return b""
        return chunk[before - begins :]

    def _with_new_id(self, headers: list[Any], new_id: tuple[bytes, bytes]) -> list[Any]:
        """Return the response's headers with the requested id, unless the application set it."""
        name, value = new_id[0].decode("latin-1"), new_id[1].decode("latin-1")
        if any(one.lower() == name for one, _ in headers):
            return headers
        return [*headers, (name, value)]


class TimedExchange(WsgiExchange):
    """An exchange that measures how long its own code takes.

    Attributes:
        made: Time when the exchange was made, in monotonic seconds.
        seconds: Time that was measured so far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.made = perf_counter()

    def note_start(self, status: str, headers: Any) -> None:
        """Record and measure the start of the response."""
        self._timed(super().note_start, status, headers)

    def note_chunk(self, chunk: Any) -> None:
        """Record and measure a part of the response's body."""
        self._timed(super().note_chunk, chunk)

    def note_read(self, chunk: Any, size: Any = ALL) -> None:
        """Record and measure a read of the request's body."""
        self._timed(super().note_read, chunk, size)

    def end(self, raised: BaseException | None) -> None:
        """Offer the observation, and note the time."""
        if self.ended:
            return
        self._timed(super().end, raised)
        try:
            self.worker.meter.note(self.started - self.made + self.seconds)
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def _timed(self, record: Callable[..., None], *arguments: object) -> None:
        began = self._now()
        record(*arguments)
        self.seconds += self._now() - began

    def _now(self) -> float:
        try:
            return float(perf_counter())
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
            return 0.0


def _is_file(result: object, wrapper: object) -> bool:
    """Return whether the server sends *result* itself: it is what *wrapper* has returned."""
    if type(wrapper) is type:
        return isinstance(result, wrapper)
    return hasattr(result, "read")  # a function returns the file itself


def _size_of_file(wrapped: Any) -> int:
    """Return the bytes that are left of a file, or of the file in its wrapper; 0 if unknown."""
    file = getattr(wrapped, "filelike", None) or getattr(wrapped, "file", wrapped)
    try:
        return int(os.fstat(file.fileno()).st_size - file.tell())
    except Exception:
        return 0  # no file of the system


_forms = Forms()
_OK = Outcome.OK.value  # reading an enumeration's value costs a look-up for each request
_WITHOUT_BODY = frozenset({204, 304})
_LEAVING = (GeneratorExit,)
