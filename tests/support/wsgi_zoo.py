"""WSGI applications of every form, and a server that records calls in both directions."""

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

from nilometer.capture.types import Environ, StartResponse, WSGIApp

JSON = [("Content-Type", "application/json")]
ROW = b'{"amount": 12.5, "country": "de"}'
ANSWER = b'{"score": 1}'


class Stream(io.BytesIO):
    """A request body that records each read, and may break off."""

    def __init__(
        self, content: bytes, calls: list[Any], error: BaseException | None = None
    ) -> None:
        super().__init__(content)
        self._calls, self._error = calls, error

    def _noted(self, name: str, arguments: Any, result: Any) -> Any:
        self._calls.append((name, arguments, result))
        return result

    def read(self, *arguments: Any) -> bytes:
        if self._error is not None:
            raise self._error
        return bytes(self._noted("read", arguments, super().read(*arguments)))

    def readline(self, *arguments: Any) -> bytes:
        return bytes(self._noted("readline", arguments, super().readline(*arguments)))

    def readlines(self, *arguments: Any) -> list[bytes]:
        lines: list[bytes] = self._noted("readlines", arguments, super().readlines(*arguments))
        return lines


def environ_of(body: bytes = ROW, **keys: Any) -> Environ:
    """Return a request as a server would create it; `__` in a name means a dot."""
    environ: Environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/predict",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    return environ | {name.replace("__", "."): value for name, value in keys.items()}


class Served:
    """What a server sees of one request: its calls in order, and the final error.

    Args:
        app: Application to serve.
        environ: Request; its input is replaced by one that records reads.
        leaves_after: Number of chunks after which the client disconnects; the server closes the
            body.
        breaks: Error that the server raises when the application reads the body.
    """

    def __init__(
        self,
        app: WSGIApp,
        environ: Environ,
        leaves_after: int | None = None,
        breaks: BaseException | None = None,
    ) -> None:
        self.calls: list[Any] = []
        self.body = b""
        self.error: BaseException | None = None
        self.result: Any = None
        self._left = leaves_after
        self._started = False
        self.environ = environ
        environ["wsgi.input"] = Stream(environ["wsgi.input"].read(), self.calls, breaks)
        try:
            self._serve(app, environ)
        except BaseException as error:  # the raised exception is part of the result
            self.error = error

    def _serve(self, app: WSGIApp, environ: Environ) -> None:
        self.result = result = app(environ, self._start_response)
        try:
            if isinstance(result, environ["wsgi.file_wrapper"]):
                self.calls.append(("file", type(result)))
                self.body += b"".join(result)
                return
            if hasattr(type(result), "__len__"):
                self.calls.append(("len", len(result)))  # type: ignore[arg-type]  # some have it
            for chunk in result:
                self._send(chunk)
                if self._left is not None and len(self._chunks) >= self._left:
                    return
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    @property
    def _chunks(self) -> list[Any]:
        return [one for one in self.calls if one[0] == "chunk"]

    def _send(self, chunk: bytes) -> None:
        if not self._started:
            raise AssertionError("write() before start_response")
        self.calls.append(("chunk", chunk))
        self.body += chunk

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None and self.body:
            raise exc_info[1]
        if self._started and exc_info is None:
            raise AssertionError("headers already set")
        self._started = True
        self.calls.append(("start", status, list(headers), exc_info is not None))
        return self._write

    def _write(self, data: bytes) -> None:
        if self._left is not None and len(self._chunks) >= self._left:
            raise BrokenPipeError(32, "gone")
        self._send(data)

    @property
    def seen(self) -> tuple[list[Any], object, str]:
        """Return everything that the server saw."""
        return self.calls, type(self.error), str(self.error)


def length_of(environ: Environ) -> int:
    return int(environ.get("CONTENT_LENGTH") or 0)


def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(length_of(environ))
    start_response("200 OK", JSON)
    return [body]


def sized(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read(length_of(environ))
    start_response("200 OK", [*JSON, ("Content-Length", str(len(ANSWER)))])
    return iter([ANSWER])


def generates(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    environ["wsgi.input"].read(length_of(environ))
    start_response("200 OK", JSON)
    yield b'{"s'
    yield b""
    yield b'core": '
    yield b"0.5}"


def returns_a_tuple(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", JSON)
    return (ANSWER[:3], ANSWER[3:])


class Closing:
    """An iterable that is not an iterator, and counts calls of `close`."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks, self.error = chunks, error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error


class Sized(Closing):
    def __len__(self) -> int:
        return len(self.chunks)


class Refusing:
    """An object that claims to be iterable but is not."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __iter__(self) -> Iterator[bytes]:
        raise self.error


class OnlyNext:
    """An object that returns an iterator that is not iterable itself."""

    class _Chunks:
        def __init__(self) -> None:
            self.left = [ANSWER[5:], ANSWER[:5]]

        def __next__(self) -> bytes:
            if not self.left:
                raise StopIteration
            return self.left.pop()

    def __iter__(self) -> Any:
        return self._Chunks()


class Indexed:
    """Iterable by index only, like old code."""

    def __getitem__(self, at: int) -> bytes:
        return (ANSWER[:2], ANSWER[2:])[at]


def answering(make: Callable[[], Any], status: str = "200 OK") -> WSGIApp:
    def app(environ: Environ, start_response: StartResponse) -> Any:
        environ["wsgi.input"].read(length_of(environ))
        start_response(status, [*JSON])  # a server may change the list
        return make()

    return app


def writes(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", JSON)
    write(ANSWER[:4])
    write(ANSWER[4:])
    return []


def starts_again(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        1 / 0  # noqa: B018  the model fails
    except ZeroDivisionError as error:
        start_response("500 Failed", JSON, (type(error), error, error.__traceback__))
    return [b'{"error": "model"}']


def starts_again_too_late(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", JSON)
    yield b"half"
    try:
        1 / 0  # noqa: B018  the model fails
    except ZeroDivisionError as error:
        start_response("500 Failed", JSON, (type(error), error, error.__traceback__))
    yield b"never"


def starts_twice(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", JSON)
    start_response("200 OK", JSON)
    return [ANSWER]


def never_starts(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return [ANSWER]


def returns_nothing(environ: Environ, start_response: StartResponse) -> Any:
    return None


def raises(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    raise ZeroDivisionError("model")


def raises_in_mid_stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", JSON)
    yield b'{"a":'
    raise RuntimeError("half-way")


def not_found(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", JSON)
    return [b"{}"]


def reads_lines(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    stream = environ["wsgi.input"]
    lines = [
        stream.readline(),
        stream.readline(3),
        *stream.readlines(4),
        *stream,
        next(stream, b""),
    ]
    start_response("200 OK", JSON)
    return [b"".join(lines)]


def reads_into(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    buffer = bytearray(length_of(environ))
    assert environ["wsgi.input"].readinto(buffer) == len(buffer)
    start_response("200 OK", JSON)
    return [bytes(buffer)]


def reads_twice(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    stream = environ["wsgi.input"]
    first = stream.read(5)
    stream.seek(0)
    body = stream.read()
    assert body.startswith(first)
    start_response("200 OK", JSON)
    return [body]


def file_of_the_server(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", JSON)
    file = tempfile.TemporaryFile()  # noqa: SIM115  the server closes it
    file.write(ANSWER)
    file.seek(2)
    return environ["wsgi.file_wrapper"](file, 4)


def unusual_status(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("two hundred", [])
    return [b""]


def text_for_bytes(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", JSON)
    return ["text", 7]


ZOO: dict[str, WSGIApp] = {
    app.__name__: app
    for app in (
        echo,
        sized,
        generates,
        returns_a_tuple,
        writes,
        starts_again,
        starts_again_too_late,
        starts_twice,
        never_starts,
        returns_nothing,
        raises,
        raises_in_mid_stream,
        not_found,
        reads_lines,
        reads_into,
        reads_twice,
        file_of_the_server,
        unusual_status,
        text_for_bytes,
    )
} | {
    "closing": answering(lambda: Closing(ANSWER[:5], ANSWER[5:])),
    "closing_with_an_error": answering(lambda: Closing(ANSWER, error=OSError("teardown"))),
    "sized_iterable": answering(lambda: Sized(ANSWER)),
    "by_position": answering(Indexed),
    "stops_at_once": answering(lambda: Refusing(StopIteration())),
    "refuses": answering(lambda: Refusing(ZeroDivisionError("model"))),
    "only_next": answering(OnlyNext),
    "map": answering(lambda: map(bytes, (ANSWER[:5], ANSWER[5:]))),
    "empty_iterator": answering(lambda: iter(()), "204 No Content"),
    "bytearrays": answering(lambda: iter((bytearray(ANSWER[:3]), memoryview(ANSWER)[3:]))),
    "server_error": answering(lambda: iter((b"{}",)), "503 Busy"),
}
