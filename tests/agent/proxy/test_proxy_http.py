"""A proxy in front of HTTP servers does not change a byte that the client receives."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.holding import silent_sockets
from support.proxied import (
    HOST,
    SECONDS,
    both,
    client,
    proxied,
    raw_server,
    read_all,
    read_head,
    read_until,
)

from nilometer.testing import eventually
from nilometer.values.errors import ConfigError
from nilometer.values.reasons import Outcome, StreamEnd
from nilometer_agent.proxy.bodies import Chunked, Malformed, Piece
from nilometer_agent.proxy.settings import ProxySettings, check_all

PAYLOADS = Path(__file__).resolve().parents[3] / "tests" / "decode"
CRLF2 = b"\r\n\r\n"
POST = b"POST /v1/models/m:predict?a=1 HTTP/1.1\r\nHost: m\r\ncontent-type: application/json\r\n"
BODY = b'{"instances": [[1.0, 2.0]]}'
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

Talk = Callable[[socket.socket], Any]


def answers(*parts: bytes, then: Callable[[socket.socket], None] | None = None) -> Any:
    """A server that reads one request's head and body, and sends *parts* one by one."""

    def handle(connection: socket.socket) -> None:
        _read_request(connection)
        for part in parts:
            connection.sendall(part)
            time.sleep(0.01)  # so that they travel apart
        if then is not None:
            then(connection)

    return handle


def _read_request(connection: socket.socket) -> bytes:
    start, body = read_head(connection)
    lowered = start.lower()
    if b"content-length:" in lowered:
        length = int(lowered.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            more = connection.recv(65536)
            if not more:
                break
            body += more
    elif b"transfer-encoding: chunked" in lowered:
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
    return start + CRLF2 + body


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ask(request: bytes) -> Talk:
    """Send, and read until the end."""

    def talk(connection: socket.socket) -> tuple[bytes, str]:
        connection.sendall(request)
        return read_all(connection)

    return talk


LENGTH = b"Content-Length: 2\r\n"
# name -> (request, parts of the answer)
EXACT: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "reason, order and case of names": (
        WHOLE,
        (
            b"HTTP/1.1 200 All Is  Well\r\nX-b: 1\r\nSERVER: odd\r\nx-B:2\r\nx-b:   3  \r\n"
            + LENGTH
            + b"\r\nok",
        ),
    ),
    "no reason": (WHOLE, (b"HTTP/1.1 299\r\n" + LENGTH + b"\r\nok",)),
    "head and body byte by byte": (
        WHOLE,
        tuple(bytes([one]) for one in b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok"),
    ),
    "chunks, their extensions and trailers": (
        WHOLE,
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n",
            b'3;a="b"\r\nabc\r\n',
            b"000a\r\n0123456789",
            b"\r\n0\r\nX-T: late\r\n\r\n",
        ),
    ),
    "until the connection ends": (WHOLE, (b"HTTP/1.1 200 OK\r\n\r\n", b"some ", b"bytes")),
    "HTTP/1.0": (
        b"GET / HTTP/1.0\r\n\r\n",
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nold",),
    ),
    "a head alone": (
        b"HEAD / HTTP/1.1\r\nHost: m\r\n\r\n",
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",),
    ),
    "not modified": (
        b"GET / HTTP/1.1\r\nHost: m\r\n\r\n",
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",),
    ),
    "no content": (WHOLE, (b"HTTP/1.1 204 No Content\r\n\r\n",)),
    "early hints": (
        WHOLE,
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok",
        ),
    ),
    "an error": (WHOLE, (b"HTTP/1.1 503 Busy\r\n" + LENGTH + b"\r\nno",)),
    "a chunked request": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1.0,\r\n4;x\r\n2.0]\r\n0\r\n\r\n",
        (b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok",),
    ),
    "an absolute target": (
        b"GET http://m/p%20q?x HTTP/1.1\r\nHost: m\r\n\r\n",
        (b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok",),
    ),
    "without a host": (
        b"GET / HTTP/1.1\r\n\r\n",
        (b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok",),
    ),
    "a length in an answer that has chunks": (
        WHOLE,
        (b"HTTP/1.1 200 OK\r\n" + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",),
    ),
    "bare line feeds": (WHOLE, (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",)),
    "not HTTP at all": (WHOLE, (b"\x00\xffnonsense\r\n\r\n", b"more of it")),
    "more than was asked for": (
        WHOLE,
        (b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok", b"HTTP/1.1 408 Late\r\n\r\n"),
    ),
    "a broken chunk": (
        WHOLE,
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"on"),
    ),
    "a head over every limit": (
        WHOLE,
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n" + LENGTH + b"\r\nok",),
    ),
    "a head without an end": (WHOLE, (b"HTTP/1.1 200 OK\r\nX: a",)),
    "nothing": (WHOLE, ()),
}


@pytest.mark.parametrize("name", EXACT)
def test_answers_are_the_same_bytes(name: str) -> None:
    request, parts = EXACT[name]
    bare, seen, proxy = both(answers(*parts), ask(request))
    assert seen == bare
    assert bare == (b"".join(parts), "closed")
    assert len(proxy.observed()) == 1


def test_the_server_gets_the_same_bytes() -> None:
    got: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        got.append(_read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")

    odd = (
        b"POST /a%2Fb HTTP/1.1\r\nHOST:m\r\nx-A:  1 \r\nX-a: 2\r\nConnection: keep-alive\r\n"
        b"Keep-Alive: 5\r\nTE: trailers\r\nContent-Length: 3\r\n\r\nabc"
    )
    both(handle, ask(odd))
    assert got == [odd, odd]


@pytest.mark.parametrize("kind", ["reset", "closed"])
@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
def test_a_server_that_breaks_off_is_seen_to(kind: str, part: bytes) -> None:
    then = reset if kind == "reset" else None
    bare, seen, proxy = both(answers(part, then=then), ask(WHOLE))
    assert seen == bare == (part, kind)
    (observed,) = proxy.observed()
    broke_off = Outcome.EXCEPTION if b"\r\n\r\n" in part else Outcome.NO_RESPONSE
    assert observed.outcome == broke_off.value


def test_an_exchange_is_observed_whole() -> None:
    answer = b'{"predictions": [0.5]}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    _, _, proxy = both(answers(head % len(answer) + answer), ask(WHOLE))
    (one,) = proxy.observed()
    assert (one.method, one.path, one.status) == ("POST", "/v1/models/m:predict", 200)
    assert (one.outcome, one.request_body, one.response_body) == ("ok", BODY, answer)
    assert (one.request_size, one.response_size) == (len(BODY), len(answer))
    assert one.request_type == "application/json"
    assert 0 < one.first_byte <= one.latency < SECONDS
    assert (one.chunks, one.in_flight, one.query) == (1, 1, "")


def test_a_proxy_leaves_out_what_its_budget_does_not_hold() -> None:
    with (
        raw_server(answers(b"HTTP/1.1 204 No Content\r\n\r\n")) as server,
        proxied(server.port) as proxy,
    ):
        worker = proxy.proxy_server.worker
        assert worker.revive()
        eventually(lambda: worker.outlet is not None)
        worker.meter.budget.halvings, worker.share = 10, 2.0**-10
        for _ in range(8):
            with client(proxy.port) as connection:
                ask(WHOLE)(connection)
        left_out = [one for one in proxy.observed(8) if one.left_out]
    assert len(left_out) >= 7  # seven once in 128 runs, fewer once in 37,000
    found = {(one.share, one.request_body, one.request_size) for one in left_out}
    assert found == {(2.0**-10, None, len(BODY))}


def test_a_stream_is_observed_chunk_by_chunk() -> None:
    chunks = (b"7\r\ndata: a\r\n", b"7\r\ndata: b\r\n", b"7\r\ndata: c\r\n", b"0\r\n\r\n")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    _, _, proxy = both(answers(head, *chunks), ask(WHOLE))
    (one,) = proxy.observed()
    assert one.response_body == b"data: adata: bdata: c"
    assert (one.chunks, one.stream_end) == (3, StreamEnd.COMPLETED.value)
    assert len(one.chunk_gaps) == 2 * 4


@pytest.mark.parametrize("length", [True, False], ids=["sized", "chunked"])
def test_a_stream_over_the_cap_keeps_its_start_and_its_end(*, length: bool) -> None:
    events = [b"data: event %04d\n\n" % number for number in range(600)]
    stream = b"".join(events)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    if length:
        parts = [head + b"Content-Length: %d\r\n\r\n" % len(stream), stream[:5000], stream[5000:]]
    else:
        sent = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
        parts = [head + b"Transfer-Encoding: chunked\r\n\r\n", sent, b"0\r\n\r\n"]
    bare, seen, proxy = both(answers(*parts), ask(WHOLE), max_body_bytes=1024)
    assert seen == bare
    (one,) = proxy.observed()
    assert (one.response_body, one.response_size) == (None, len(stream))
    assert one.response_ends == (stream[:512], stream[-512:])


def test_a_large_answer_with_a_length_is_no_stream() -> None:
    size = 1 << 20
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    bare, seen, proxy = both(answers(head, b"a" * size), ask(WHOLE))
    assert seen == bare
    (one,) = proxy.observed()
    assert (one.chunks, one.response_body, one.response_size) == (1, None, size)


def test_a_connection_is_kept_and_a_pipeline_is_answered_in_order() -> None:
    def handle(connection: socket.socket) -> None:
        read = b""
        for number in range(100):
            while CRLF2 not in read:
                read += connection.recv(65536)
            _, _, read = read.partition(CRLF2)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%03d" % number)

    def talk(connection: socket.socket) -> bytes:
        pipeline = b"".join(b"GET /%d HTTP/1.1\r\nHost: m\r\n\r\n" % one for one in range(100))
        connection.sendall(pipeline)
        return read_until(connection, b"099")

    bare, seen, proxy = both(handle, talk)
    assert seen == bare
    assert [one.path for one in proxy.observed(100)] == [f"/{number}" for number in range(100)]
    assert {one.response_size for one in proxy.observed(100)} == {3}


def test_a_client_waits_for_100_continue() -> None:
    def handle(connection: socket.socket) -> None:
        read_until(connection, CRLF2)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        read_until(connection, BODY)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")

    def talk(connection: socket.socket) -> bytes:
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        first = read_until(connection, CRLF2)
        connection.sendall(BODY)
        return first + read_until(connection, b"ok")

    bare, seen, proxy = both(handle, talk)
    assert seen == bare
    assert proxy.observed()[0].request_body == BODY


def test_an_answer_may_come_before_the_request_is_over() -> None:
    def handle(connection: socket.socket) -> None:
        head = read_until(connection, CRLF2)
        assert head
        connection.sendall(b"HTTP/1.1 413 No\r\n" + LENGTH + b"\r\nno")
        read_until(connection, b"end")

    def talk(connection: socket.socket) -> bytes:
        connection.sendall(POST + b"Content-Length: 6\r\n\r\n")
        first = read_until(connection, b"no")
        connection.sendall(b"theend")
        return first + read_all(connection)[0]

    bare, seen, proxy = both(handle, talk)
    assert seen == bare
    (one,) = proxy.observed()
    assert (one.status, one.request_size, one.request_body) == (413, 6, b"theend")


def test_a_websocket_passes_as_bytes() -> None:
    def handle(connection: socket.socket) -> None:
        read_until(connection, CRLF2)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n\r\n\x81\x02hi"
        )
        while data := connection.recv(65536):
            connection.sendall(data[::-1])

    def talk(connection: socket.socket) -> bytes:
        connection.sendall(
            b"GET /ws HTTP/1.1\r\nHost: m\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: a\r\n\r\n"
        )
        read = read_until(connection, b"hi")
        for frame in (b"\x81\x00\r\n\r\n", b"\xff" * 9 + b"!"):
            connection.sendall(frame)
            read += read_until(connection, frame[::-1])
        return read

    bare, seen, proxy = both(handle, talk)
    assert seen == bare
    assert proxy.outlet.captured == []


def test_an_upgrade_that_is_not_taken_is_an_exchange() -> None:
    ask_for_more = (
        b"GET /a HTTP/1.1\r\nHost: m\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"HTTP2-Settings: AA\r\n\r\n"
    )

    def handle(connection: socket.socket) -> None:
        read = b""
        for number in (1, 2):
            while read.count(CRLF2) < number:
                read += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")
        assert b"HTTP2-Settings: AA" in read

    pipeline = ask(ask_for_more + b"GET /b HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
    bare, seen, proxy = both(handle, pipeline)
    assert seen == bare
    assert [one.path for one in proxy.observed(2)] == ["/a", "/b"]


def test_fields_that_connection_names_go_no_further() -> None:
    got: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        got.append(_read_request(connection))
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n"
            + LENGTH
            + b"\r\nok"
        )

    request = (
        b"GET / HTTP/1.1\r\nHost: m\r\nConnection: X-Mine, close, content-length\r\nX-Mine: 1\r\n"
        b"X-Other: 2\r\nContent-Length: 0\r\n\r\n"
    )
    _, seen, _ = both(handle, ask(request))
    assert got[1] == (
        b"GET / HTTP/1.1\r\nHost: m\r\nConnection: close, content-length\r\n"
        b"X-Other: 2\r\nContent-Length: 0\r\n\r\n"
    )
    assert seen[0] == (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok"
    )


def test_a_client_that_half_closes_gets_its_answer() -> None:
    def handle(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")

    def talk(connection: socket.socket) -> tuple[bytes, str]:
        connection.sendall(WHOLE)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)

    bare, seen, proxy = both(handle, talk)
    assert seen == bare
    assert proxy.observed()[0].outcome == Outcome.OK.value


def test_a_client_that_leaves_is_gone_for_the_server_too() -> None:
    gone: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        read_until(connection, BODY)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        gone.append(connection.recv(65536))

    def talk(connection: socket.socket) -> bytes:
        connection.sendall(WHOLE)
        return read_until(connection, b"abc")

    _, _, proxy = both(handle, talk)
    assert gone == [b"", b""]
    assert proxy.observed()[0].outcome == Outcome.CLIENT_LEFT.value


def test_a_client_that_resets_is_gone_for_the_server_too() -> None:
    gone: list[bool] = []

    def handle(connection: socket.socket) -> None:
        read_until(connection, BODY)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        try:
            gone.append(not connection.recv(65536))
        except ConnectionResetError:
            gone.append(True)

    def talk(connection: socket.socket) -> None:
        connection.sendall(WHOLE)
        read_until(connection, b"abc")
        reset(connection)

    _, _, proxy = both(handle, talk)
    assert gone == [True, True]
    assert proxy.observed()[0].outcome == Outcome.CLIENT_LEFT.value


def test_a_server_that_is_not_there_is_a_502() -> None:
    with socket.create_server((HOST, 0)) as closed:
        port = closed.getsockname()[1]
    with proxied(port) as proxy:
        with client(proxy.port) as connection:
            said, end = ask(WHOLE)(connection)
        assert said.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert end == "closed"
        (one,) = proxy.observed()
        assert (one.status, one.outcome, one.path) == (502, "server_error", "/v1/models/m:predict")


def test_a_server_that_never_takes_the_connection_is_a_502(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as full:
        full.bind(str(tmp_path / "s"))
        full.listen(0)
        with (
            socket.socket(socket.AF_UNIX) as one,
            proxied(0, upstream=f"unix:{tmp_path / 's'}", connect_seconds=0.05) as proxy,
        ):
            one.connect(str(tmp_path / "s"))
            with client(proxy.port) as connection:
                assert ask(WHOLE)(connection)[0].startswith(b"HTTP/1.1 502 ")


# What a server refuses, and where the bytes of two requests could be told apart in two ways.
REFUSED = {
    "garbage": (b"\x16\x03\x01\x02\x00" + CRLF2, 400),
    "no version": (b"GET /" + CRLF2, 505),
    "a version to come": (b"GET / HTTP/3.0" + CRLF2, 400),
    "length and chunks": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        400,
    ),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", 400),
    "two equal lengths": (POST + b"Content-Length: 5, 5\r\n\r\nabcde", 400),
    "a length that is none": (POST + b"Content-Length: +5\r\n\r\nabcde", 400),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "a length over every size": (POST + b"Content-Length: %d\r\n\r\n" % 10**30, 400),
    "chunks that are not last": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
    "a coding of chunks": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunks twice": (
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunks in disguise": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "a folded line": (POST + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", 400),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: m\n\n", 400),
    "a bare carriage return": (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", 400),
    "a null": (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "chunks before HTTP/1.1": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "a chunk's size in disguise": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
        400,
    ),
    "a negative chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
    "a chunk that is longer than it says": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcde\r\n0\r\n\r\n",
        400,
    ),
    "a chunk with a bare line feed": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        400,
    ),
    "an endless extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 9000, 400),
    "a megabyte of header": (b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20) + CRLF2, 431),
    "headers without an end": (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000, 431),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_refused_and_goes_no_further(name: str) -> None:
    request, status = REFUSED[name]
    got: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            got.append(data)

    with raw_server(handle) as server, proxied(server.port) as proxy:
        with client(proxy.port) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
            said, end = read_all(connection)
        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close\r\n" in said
        assert end == "closed"
        assert proxy.observed()[0].outcome in {"client_error", "server_error"}
        assert proxy.observed()[0].status == status
    assert b"0\r\n\r\nG" not in b"".join(got)
    if b"chunked\r\n\r\n" not in request:
        assert got == []


def test_what_is_right_before_what_is_wrong_is_answered() -> None:
    with (
        raw_server(answers(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok", then=_wait)) as server,
        proxied(server.port) as proxy,
    ):
        with client(proxy.port) as connection:
            said, _ = ask(WHOLE + b"nonsense\r\n\r\n")(connection)
        assert said.startswith(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nokHTTP/1.1 400 ")
        assert [one.status for one in proxy.observed(2)] == [200, 400]


def _wait(connection: socket.socket) -> None:
    connection.recv(65536)


def test_a_head_that_never_ends_is_a_408() -> None:
    with raw_server(_wait) as server, proxied(server.port, head_seconds=0.1) as proxy:
        with client(proxy.port) as connection:
            connection.sendall(b"GET / HT")
            said, _ = read_all(connection)
        assert said.startswith(b"HTTP/1.1 408 ")
        with client(proxy.port) as silent:
            assert read_all(silent) == (b"", "closed")
        assert server.connections == 0


def test_a_slow_body_is_the_servers_business() -> None:
    with (
        raw_server(answers(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")) as server,
        proxied(server.port, head_seconds=0.05) as proxy,
        client(proxy.port) as connection,
    ):
        connection.sendall(POST + b"Content-Length: 3\r\n\r\n")
        for _ in range(3):
            time.sleep(0.05)
            connection.sendall(b"a")
        assert read_all(connection)[0].endswith(b"ok")


def test_clients_over_the_limit_are_told_so_while_every_place_has_a_request_under_way() -> None:
    over = threading.Event()

    def handle(connection: socket.socket) -> None:
        read_head(connection)
        over.wait(SECONDS)

    with (
        raw_server(handle) as server,
        proxied(server.port, max_connections=1) as proxy,
        client(proxy.port) as first,
    ):
        first.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: server.connections == 1)
        with client(proxy.port) as second:
            assert read_all(second)[0].startswith(b"HTTP/1.1 503 ")
        assert proxy.proxy_server.refused == 1
        over.set()


HELD = {
    "nothing": b"",
    "part of a head": b"POST / HTTP/1.1\r\nHost: ",
    "part of a body": POST + b"Content-Length: 3\r\n\r\na",
}


@pytest.mark.parametrize("held", HELD)
def test_clients_that_say_nothing_more_make_room(held: str) -> None:
    with (
        raw_server(answers(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")) as server,
        proxied(server.port, max_connections=10) as proxy,
        silent_sockets(f"{HOST}:{proxy.port}", HELD[held], 100),
    ):
        for _ in range(3):
            with client(proxy.port) as connection:
                connection.sendall(POST + b"Content-Length: 1\r\n\r\na")
                assert read_until(connection, b"ok").endswith(b"ok")
        assert proxy.proxy_server.refused == 0


def test_a_client_that_waits_for_its_answer_is_not_ended_for_another() -> None:
    def handle(connection: socket.socket) -> None:
        read_head(connection)
        go_on.wait(SECONDS)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")

    go_on = threading.Event()
    with (
        raw_server(handle) as server,
        proxied(server.port, max_connections=2) as proxy,
        client(proxy.port) as patient,
    ):
        patient.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: server.connections == 1)
        with silent_sockets(f"{HOST}:{proxy.port}", b"G", 20):
            go_on.set()
            assert read_until(patient, b"ok").endswith(b"ok")


def test_a_hundred_megabytes_pass_and_little_is_held() -> None:
    size = 100 << 20
    piece = bytes(1 << 20)

    def handle(connection: socket.socket) -> None:
        read = len(read_head(connection)[1])
        while read < size:
            read += len(connection.recv(1 << 20))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(100):
            connection.sendall(piece)

    with raw_server(handle) as server, proxied(server.port) as proxy:
        before = _resident()
        with client(proxy.port) as connection:
            connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % size)
            for _ in range(100):
                connection.sendall(piece)
            most = _resident()
            got = len(read_head(connection)[1])
            while got < size:
                got += len(connection.recv(1 << 20))
        (one,) = proxy.observed()
        assert (one.request_size, one.response_size) == (size, size)
        assert (one.request_body, one.response_body) == (None, None)
        assert max(most, _resident()) - before < 16 << 20


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_client_that_does_not_read_holds_the_server_up() -> None:
    sent: list[int] = []
    piece = bytes(1 << 20)

    def handle(connection: socket.socket) -> None:
        read_until(connection, BODY)
        connection.settimeout(0.3)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        for number in range(1 << 10):
            sent.append(number)
            connection.sendall(piece)

    with raw_server(handle) as server, proxied(server.port) as proxy:
        with client(proxy.port) as connection:
            connection.sendall(WHOLE)
            time.sleep(0.6)
        assert len(sent) < 64


def test_a_server_that_does_not_read_holds_the_client_up() -> None:
    read_on = threading.Event()

    def handle(connection: socket.socket) -> None:
        read_head(connection)
        read_on.wait(SECONDS)

    sent = 0
    with raw_server(handle) as server, proxied(server.port) as proxy:
        with client(proxy.port) as connection:
            connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % (1 << 30))
            connection.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                for _ in range(1 << 10):
                    connection.sendall(bytes(1 << 20))
                    sent += 1
        read_on.set()
    assert sent < 64


@pytest.mark.parametrize("name", ["a head alone", "not modified", "no content", "early hints"])
def test_where_such_an_answer_ends_is_known(name: str) -> None:
    """Told from what is observed: the bytes pass in any case."""
    request, parts = EXACT[name]
    _, _, proxy = both(answers(*parts), ask(request))
    (one,) = proxy.observed()
    status = {"a head alone": 200, "not modified": 304, "no content": 204, "early hints": 200}
    assert (one.outcome, one.status) == (Outcome.OK.value, status[name])
    assert one.response_size == (2 if name == "early hints" else 0)


def test_an_id_is_returned_only_where_it_was_asked_for() -> None:
    handle = answers(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")
    _, seen, proxy = both(handle, ask(WHOLE), return_prediction_id="X-Prediction")
    head, _, body = seen[0].partition(CRLF2)
    name, _, value = head.rpartition(b"\r\n")[2].partition(b": ")
    assert (name, len(value), body) == (b"x-prediction", 32, b"ok")
    assert proxy.observed()[0].prediction_id == value.decode()


def test_probes_are_not_observed() -> None:
    handle = answers(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")
    bare, seen, proxy = both(handle, ask(b"GET /healthz HTTP/1.1\r\nHost: m\r\n\r\n"))
    assert seen == bare
    assert proxy.outlet.captured == []


def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    inner, outer = tmp_path / "in", tmp_path / "out"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inner))
        listener.listen()
        with proxied(0, upstream=f"unix:{inner}", listen=f"unix:{outer}") as proxy:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(outer))
                connection.sendall(WHOLE)
                far, _ = listener.accept()
                with far:
                    assert read_until(far, BODY) == WHOLE
                    far.sendall(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\nok")
                assert read_all(connection)[0].endswith(b"ok")
            proxy.observed()
        assert outer.stat().st_mode & 0o777 == 0o600


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.lists(st.integers(1, 30), min_size=1, max_size=40),
)
def test_chunks_are_found_over_any_cut(chunks: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(b"%x;e=1\r\n%s\r\n" % (len(one), one) for one in chunks)
    wire += b"0\r\nX-T: 1\r\n\r\n"
    follower, content, starts, over = Chunked(1024), b"", 0, False
    position = number = 0
    while position < len(wire):
        part = wire[position : position + cuts[number % len(cuts)]]
        pieces: list[Piece] = []
        end, over = follower.follow(part, 0, pieces)
        assert end == len(part)
        content += b"".join(part[one.start : one.end] for one in pieces)
        starts += sum(one.begins for one in pieces)
        position += len(part)
        number += 1
    assert over
    assert (content, starts) == (b"".join(chunks), len(chunks))


@given(st.binary(max_size=60))
def test_no_bytes_of_a_body_do_more_than_be_refused(data: bytes) -> None:
    try:
        end, over = Chunked(64).follow(data, 0, [])
    except Malformed:
        return
    assert over or end == len(data)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"listen": ":8080"}, "every address of this machine"),
        ({"listen": "70000"}, "must be 'port'"),
        ({"listen": "8000"}, "must differ from upstream"),
        ({"upstream": "http://a:1"}, "must be 'port'"),
        ({"protocol": "grpc", "return_prediction_id": "x-id"}, "does not change responses"),
        ({"agent": "unix:/a"}, "remove agent and directory"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, str], why: str) -> None:
    told: Any = {"entity": "m", "listen": "8080", "upstream": "8000", **options}
    with pytest.raises(ConfigError, match=why):
        check_all((ProxySettings(**told),))


def test_two_proxies_do_not_share_an_address() -> None:
    one = ProxySettings(entity="m", listen="8080", upstream="8000")
    with pytest.raises(ConfigError, match="used by two proxies"):
        check_all((one, ProxySettings(entity="n", listen="127.0.0.1:8080", upstream="8001")))


def test_a_port_alone_is_of_this_machine_only() -> None:
    told = ProxySettings(entity="m", listen="8080", upstream="[::1]:8000")
    assert (str(told.listening), str(told.server)) == ("127.0.0.1:8080", "[::1]:8000")
