"""The WSGI application for tests of real servers; its response depends on the request."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import nilometer
from nilometer.capture.types import Environ, StartResponse

JSON = ("Content-Type", "application/json")


def predict(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    payment = json.loads(read_all(environ))
    nilometer.log(risk=payment["amount"] * 2)
    answer = {"score": payment["amount"] / 1000, "pid": os.getpid()}
    start_response("200 OK", [JSON])
    return [json.dumps(answer).encode()]


def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    body = read_all(environ)
    start_response("200 OK", [JSON, ("Content-Length", str(len(body)))])
    return iter((body,))


def stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    for number in range(3):
        yield b"data: %d\n\n" % number


def endless(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    while True:
        yield b"data: tick\n\n" * 1000


def written(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", [JSON])
    write(b'{"a":')
    write(b" 1}")
    return []


def file(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    path = Path(__file__)
    start_response("200 OK", [("Content-Type", "text/x-python")])
    opened: Iterable[bytes] = environ["wsgi.file_wrapper"](path.open("rb"), 512)
    return opened


def missing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [JSON])
    return [b"{}"]


def failing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    raise ZeroDivisionError("model")


def breaking(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [JSON])
    yield b'{"a":'
    raise RuntimeError("half-way")


ROUTES: dict[str, Callable[[Environ, StartResponse], Iterable[bytes]]] = {
    f"/{one.__name__}": one
    for one in (predict, echo, stream, endless, written, file, failing, breaking)
}


def read_all(environ: Environ) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read())
    return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return ROUTES.get(environ["PATH_INFO"], missing)(environ, start_response)
