"""One WSGI exchange in progress: it records the request and the response."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from nilometer.capture.exchange import Exchange, More, ended_by, outcome_of, size_of
from nilometer.capture.nesting import leave
from nilometer.capture.route import wsgi_route_of
from nilometer.capture.types import Environ, StartResponse
from nilometer.capture.values import Holder, current
from nilometer.capture.wsgi_body import Forms
from nilometer.capture.wsgi_headers import LENGTH, TYPE, HeaderNames, content_types, statuses
from nilometer.capture.wsgi_input import ALL, Input, Note
from nilometer.handoff.pack import Headers
from nilometer.values.reasons import Outcome

INPUT = "wsgi.input"
FILE_WRAPPER = "wsgi.file_wrapper"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The details that settings ask for, besides bodies and times.

    Attributes:
        headers: Names of the response headers to record.
        query: Whether a setting asks for query parameters.
        route: Whether a setting asks for the template of the route.
        stall_seconds: Silence after which an interrupted stream counts as stalled.
    """

    headers: HeaderNames
    query: bool
    route: bool
    stall_seconds: float


class WsgiExchange(Exchange):
    """The state of one exchange, with the `start_response` and `write` of its application.

    The class has no constructor: `NilometerWSGIMiddleware` sets every attribute except `app_write`.

    Attributes:
        app_start: The server's `start_response`.
        app_write: The server's `write`.
        environ: The request's environ, with `wsgi.input` replaced until the end; then empty, so that
            no request keeps its exchange alive.
        stream: The server's `wsgi.input`; None without one.
        input: Object that the application gets in place of `stream`; None without one.
        recorded: Details that the settings ask for.
        path: Path of the request.
        headers: Recorded headers of the request.
        length: Content length of the response in bytes; -1 without one.
        previous: Exchange or call around this one in the same context.
        in_flight: Number of requests in progress at the start, including this request.
        arrival_ns: Start of the request, in Unix nanoseconds.
        started: Start of the request, in monotonic seconds.
        ended: Whether the observation was offered.
    """

    __slots__ = (
        "app_start", "app_write", "arrival_ns", "ended", "environ", "headers", "in_flight", "input",
        "length", "path", "previous", "recorded", "started", "stream",
    )  # fmt: skip
    is_wsgi = True
    app_start: StartResponse
    app_write: Any
    arrival_ns: int
    ended: bool
    environ: Environ
    headers: Headers
    in_flight: int
    input: Input | None
    length: int
    path: str
    previous: Holder | None
    recorded: Recorded
    started: float
    stream: Any

    def start(  # noqa: C901, PLR0912  in the path of every request
        self, status: str, headers: Any, exc_info: Any = None
    ) -> Any:
        """Start the response like the server's `start_response`."""
        passed = headers
        if self.more is not None and self.more.new_id is not None:
            passed = self._passed_headers(headers, self.more.new_id)
        app_start = self.app_start  # read before the call, see `NilometerMiddleware.__call__`
        if exc_info is None:
            write = app_start(status, passed)
        else:
            write = app_start(status, passed, exc_info)
        try:  # now the server has accepted the status and the headers
            self.status = statuses[status]
            self.length = -1
            if self.more is not None and self.recorded.route:  # Flask forgets it before the end
                self.more.route = wsgi_route_of(self.environ)
            found: list[tuple[bytes, bytes]] = []
            self.response_headers = found
            wanted = self.recorded.headers
            # Leave headers that can be read only once to the server.
            if type(passed) is not list and not isinstance(passed, Collection):
                passed = ()
            for name, value in passed:
                key = wanted[name]
                if key is None:
                    continue
                if key == TYPE:
                    found += content_types[value]
                elif key == LENGTH:
                    try:
                        self.length = int(value)
                    except ValueError:  # the server decides what it makes of it
                        self.length = -1
                else:
                    found.append((key, value.encode("latin-1", "replace")))
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
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

    def note_chunk(self, chunk: Any) -> None:
        """Record a part of the response's body."""
        try:
            if self.finished is None and chunk and type(chunk) is bytes and len(chunk) <= self.cap:
                self.response = chunk
                self.finished = len(chunk) == self.length
                self.latest = perf_counter()
            elif not self.finished and size_of(chunk):
                self._note_response(chunk, True)  # noqa: FBT003  more may follow
                more = self.with_more()
                self.finished = 0 <= self.length <= more.response_size
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def note_read(self, chunk: Any, size: Any = ALL) -> None:
        """Record *chunk*, which the server returned for a read of *size* bytes."""
        try:
            if (
                chunk
                and self.more is None
                and not self.request
                and type(chunk) is bytes
                and len(chunk) <= self.cap
            ):
                self.request = chunk
            else:
                self._note_read(chunk, size)
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def _note_read(self, chunk: Any, size: Any) -> None:
        """Record a read that does not return a whole `bytes` body under the cap."""
        if self.more is not None and self.more.position >= 0:
            chunk = self._unread(chunk, self.more)
        elif not chunk:
            self._note_end_of_input(size)
        if not chunk:
            return
        if self.request == b"" and type(chunk) is bytes and len(chunk) <= self.cap:
            self.request = chunk
        else:
            self._note_request(chunk)

    def note_position(self, position: Any) -> None:
        """Record that the next read begins at *position*, in bytes from the start."""
        try:
            if type(position) is int:
                self.with_more().position = position
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

    def note_result(self, note: Note, result: Any, given: tuple[Any, ...]) -> None:
        """Record *result*, which the server returned for the arguments *given*, by *note*."""
        try:
            note(self, result, given)
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)

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
        """Return the object that the server gets in place of the application's *result*.

        A list, a tuple or a file is complete, and the server gets the same object.
        """
        try:
            form = _forms[type(result)]
            if form is not None:
                wrapper = self.environ.get(FILE_WRAPPER)
                if (
                    wrapper is None
                    or (type(wrapper) is type and not isinstance(result, wrapper))
                    or not _is_file(result, wrapper)
                ):
                    body = form()
                    body.nilometer_body = result
                    body.nilometer_exchange = self
                    body.nilometer_iterator = None
                    return body
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
        """Record the end of the application's iterator, or the *error* that it raised."""
        if error is None and not self.finished:
            try:
                self._complete()
            except Exception as fault:  # monitoring must never fail a prediction
                self.worker.note(fault)
        self.end(error)

    def closed(self) -> None:
        """Record that the server stopped reading."""
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
        """Offer the observation once. *raised* is the application's exception, if any."""
        if self.ended:
            return
        self.ended = True
        worker = self.worker
        environ, passed, self.environ, self.input = self.environ, self.input, _NOTHING, None
        try:
            worker.in_flight -= 1
            if worker.notes and current.get() is self:
                current.set(self.previous)
            if passed is not None and environ.get(INPUT) is passed:
                environ[INPUT] = self.stream
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
                query, stall_seconds = self._query_of(environ), self.recorded.stall_seconds
                rest = self.rest(outcome, self.started, ended_at, stall_seconds, query)
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

    def _query_of(self, environ: Environ) -> bytes | None:
        """Return the query string; None if no setting names parameters."""
        if not self.recorded.query:
            return None
        return str(environ.get("QUERY_STRING", "")).encode("latin-1", "replace")

    def _complete(self) -> None:
        """Record the end of the body, unless the content length has already told it."""
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

    def _unread(self, chunk: Any, more: More) -> Any:
        """Return the part of *chunk* that was not read before, after a seek."""
        begins, before = more.position, self._read_bytes()
        more.position = begins + len(chunk)
        if begins > before:  # the skipped bytes are unknown
            self.request, more.request_size = None, more.position
            return b""
        return chunk[before - begins :]

    def _passed_headers(self, headers: Any, new_id: tuple[bytes, bytes]) -> Any:
        """Return the response's headers with the requested id, unless the application set it."""
        try:
            headers = [*headers]  # some iterables can be read only once
            return [*self._with_new_id(headers, new_id)]
        except Exception as error:  # monitoring must never fail a prediction
            self.worker.note(error)
            return headers

    def _with_new_id(self, headers: list[Any], new_id: tuple[bytes, bytes]) -> list[Any]:
        name, value = new_id[0].decode("latin-1"), new_id[1].decode("latin-1")
        if any(one.lower() == name for one, _ in headers):
            return headers
        return [*headers, (name, value)]


def _is_file(result: object, wrapper: object) -> bool:
    """Return whether the server sends *result* itself, because *wrapper* returned it."""
    if type(wrapper) is type:
        return isinstance(result, wrapper)
    return hasattr(result, "read")  # a wrapper that is a function returns the file itself


def _size_of_file(wrapped: Any) -> int:
    """Return the remaining bytes of a file, or of the file in its wrapper; 0 if unknown."""
    file = getattr(wrapped, "filelike", None) or getattr(wrapped, "file", wrapped)
    try:
        return int(os.fstat(file.fileno()).st_size - file.tell())
    except Exception:
        return 0  # not a file of the operating system


_forms = Forms()
_OK = Outcome.OK.value  # read once, because each read costs a look-up per request
_NOTHING: Environ = {}
_WITHOUT_BODY = frozenset({204, 304})
_LEAVING = (GeneratorExit,)
