"""The WSGI middleware: everything passes unchanged, and each request is one true observation."""

import io
import json
import struct
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest
from support.wsgi_zoo import (
    ANSWER,
    JSON,
    ROW,
    ZOO,
    Closing,
    Served,
    answering,
    echo,
    environ_of,
    length_of,
)

import nilometer
from nilometer import ConfigError, NilometerWSGIMiddleware
from nilometer.capture.types import Environ, StartResponse
from nilometer.capture.values import current
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profiling.observation import Observation, unpack
from nilometer.testing import MemoryOutlet


class Watched:
    """A middleware whose thread never starts: what it offers stays in the sink."""

    def __init__(self, app: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        monkeypatch.setattr(Worker, "ensure_started", lambda _: None)
        self.middleware = NilometerWSGIMiddleware(app, entity="tested", **options)
        self.worker = self.middleware._worker

    def offered(self) -> list[Observation]:
        assert self.worker.in_flight == 0
        return unpack(batch_of(self.worker.sink.take(1000, 1 << 30)))

    def one(self, **keys: Any) -> Observation:
        """The one observation of one request."""
        Served(self.middleware, environ_of(**keys))
        (observation,) = self.offered()
        return observation


@pytest.mark.parametrize("method", ["POST", "HEAD"])
@pytest.mark.parametrize("name", ZOO)
def test_everything_that_passes_is_the_bare_applications(
    name: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"line\n\nlast line"
    bare = Served(ZOO[name], environ_of(body, REQUEST_METHOD=method))
    watched = Watched(ZOO[name], monkeypatch)
    served = Served(watched.middleware, environ_of(body, REQUEST_METHOD=method))
    assert served.seen == bare.seen
    assert served.body == bare.body
    assert isinstance(served.environ["wsgi.input"], type(bare.environ["wsgi.input"]))
    assert len(watched.offered()) == 1
    if isinstance(bare.result, list | tuple):
        assert type(served.result) is type(bare.result)


@pytest.mark.parametrize(
    ("name", "outcome", "status", "size"),
    [
        ("echo", "ok", 200, len(ROW)),
        ("sized", "ok", 200, len(ANSWER)),
        ("generates", "ok", 200, 14),
        ("returns_a_tuple", "ok", 200, len(ANSWER)),
        ("writes", "ok", 200, len(ANSWER)),
        ("starts_again", "server_error", 500, 18),
        ("starts_again_too_late", "exception", 200, 4),
        ("starts_twice", "exception", 200, 0),
        ("never_starts", "no_response", 0, len(ANSWER)),
        ("returns_nothing", "no_response", 0, 0),
        ("raises", "exception", 0, 0),
        ("raises_in_mid_stream", "exception", 200, 5),
        ("not_found", "client_error", 404, 2),
        ("reads_lines", "ok", 200, len(ROW)),
        ("file_of_the_server", "ok", 200, len(ANSWER) - 2),
        ("closing", "ok", 200, len(ANSWER)),
        ("closing_with_an_error", "ok", 200, len(ANSWER)),
        ("sized_iterable", "ok", 200, len(ANSWER)),
        ("by_position", "ok", 200, len(ANSWER)),
        ("stops_at_once", "exception", 200, 0),
        ("refuses", "exception", 200, 0),
        ("only_next", "ok", 200, len(ANSWER)),
        ("map", "ok", 200, len(ANSWER)),
        ("empty_iterator", "ok", 204, 0),
        ("bytearrays", "ok", 200, len(ANSWER)),
        ("server_error", "server_error", 503, 2),
    ],
)
def test_each_end_of_a_request_is_one_outcome(
    name: str, outcome: str, status: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Watched(ZOO[name], monkeypatch).one()
    assert (seen.outcome, seen.status, seen.response_size) == (outcome, status, size)


@pytest.mark.parametrize("name", ["echo", "reads_lines", "reads_into", "reads_twice"])
@pytest.mark.parametrize("body", [ROW, b"a\nbc\n\n\nlong line\nend", b"", b"\n" * 40])
def test_the_request_is_recorded_however_it_is_read(
    name: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(ZOO[name], monkeypatch)
    served = Served(watched.middleware, environ_of(body))
    assert served.error is None
    assert served.body == body
    (seen,) = watched.offered()
    assert (seen.request_body, seen.request_size) == (body, len(body))
    assert (seen.request_type, seen.response_type) == ("application/json", "application/json")
    assert watched.worker.guard.faults == 0


def test_what_was_skipped_in_a_request_withholds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def skips(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].seek(4)
        return echo(environ, start_response)

    watched = Watched(skips, monkeypatch)
    assert Served(watched.middleware, environ_of()).body == ROW[4:]
    (seen,) = watched.offered()
    assert (seen.request_body, seen.request_size) == (None, len(ROW))


def test_a_chunked_request_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads_all(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        parts = iter(lambda: environ["wsgi.input"].read(7), b"")
        body = b"".join(parts)
        start_response("200 OK", JSON)
        return [body]

    environ = environ_of(wsgi__input_terminated=True, HTTP_TRANSFER_ENCODING="chunked")
    del environ["CONTENT_LENGTH"]
    watched = Watched(reads_all, monkeypatch)
    assert Served(watched.middleware, environ).body == ROW
    (seen,) = watched.offered()
    assert (seen.request_body, seen.outcome) == (ROW, "ok")


def test_attributes_of_the_servers_input_stay_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        token = "x"

        def read(self, size: int = -1) -> bytes:
            return b""

    stream = Plain()

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        given = environ["wsgi.input"]
        assert given.token == "x"
        assert not hasattr(given, "seek")
        given.token = "y"
        start_response("200 OK", JSON)
        return []

    watched = Watched(app, monkeypatch)
    watched.middleware(environ_of(CONTENT_LENGTH="") | {"wsgi.input": stream}, lambda *_: None)
    assert stream.token == "y"
    assert vars(stream) == {"token": "y"}


@pytest.mark.parametrize("name", ["echo", "closing", "generates", "writes"])
def test_a_body_over_the_cap_keeps_its_size_only(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = b"x" * 3000
    app = {
        "echo": echo,
        "closing": answering(lambda: Closing(big[:1500], big[1500:])),
        "generates": answering(lambda: (big[at : at + 100] for at in range(0, 3000, 100))),
        "writes": writes_big,
    }[name]
    watched = Watched(app, monkeypatch, max_body_bytes=1024)
    served = Served(watched.middleware, environ_of(big))
    assert served.body == big
    (seen,) = watched.offered()
    assert seen.request_body is seen.response_body is None
    assert (seen.request_size, seen.response_size, seen.outcome) == (3000, 3000, "ok")


def writes_big(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    write = start_response("200 OK", JSON)
    for _ in range(3):
        write(b"x" * 1000)
    return []


@pytest.mark.parametrize("name", ["closing", "closing_with_an_error", "sized_iterable"])
def test_a_body_is_closed_once_whatever_happens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Closing] = []

    def keeping(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        result: Any = ZOO[name](environ, start_response)
        made.append(result)
        return iter_of(result)

    def iter_of(result: Any) -> Iterable[bytes]:
        return result  # type: ignore[no-any-return]  # what the application of the zoo made

    watched = Watched(keeping, monkeypatch)
    for leaves_after in (None, 0, 1):
        Served(watched.middleware, environ_of(), leaves_after=leaves_after)
    assert [one.closed for one in made] == [1, 1, 1]
    assert len(watched.offered()) == 3


def test_a_client_that_leaves_in_mid_stream_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[type[BaseException]] = []

    def endless(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", JSON)
        try:
            while True:
                yield b"tick"
        except GeneratorExit as error:
            ended.append(type(error))
            raise

    watched = Watched(endless, monkeypatch)
    Served(watched.middleware, environ_of(), leaves_after=3)
    (seen,) = watched.offered()
    assert (seen.outcome, seen.stream_end, seen.chunks) == ("client_left", "client_left", 3)
    assert ended == [GeneratorExit]


def test_a_write_to_a_client_that_has_left_is_no_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(ZOO["writes"], monkeypatch)
    served = Served(watched.middleware, environ_of(), leaves_after=1)
    assert isinstance(served.error, BrokenPipeError)
    assert [one.outcome for one in watched.offered()] == ["client_left"]


@pytest.mark.parametrize("handles", [False, True])
def test_a_client_that_leaves_while_it_sends_has_left(
    *, handles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError:
            if not handles:
                raise
        start_response("400 Bad Request", JSON)
        return [b"{}"]

    watched = Watched(app, monkeypatch)
    Served(watched.middleware, environ_of(), breaks=ConnectionResetError(104, "gone"))
    assert [one.outcome for one in watched.offered()] == ["client_left"]


def test_a_request_that_is_shorter_than_it_says_has_lost_its_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        while environ["wsgi.input"].read(10):
            pass
        start_response("400 Bad Request", JSON)
        return [b"{}"]

    watched = Watched(app, monkeypatch)
    assert watched.one(CONTENT_LENGTH="100").outcome == "client_left"
    assert watched.one(CONTENT_LENGTH="9" * 5000).outcome == "client_left"
    assert watched.one(CONTENT_LENGTH="-1").outcome == "client_error"
    assert watched.one().outcome == "client_error"


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
def test_a_body_that_a_server_need_not_read_is_complete(
    method: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(answering(lambda: iter((b"x",)), status), monkeypatch)
    Served(watched.middleware, environ_of(REQUEST_METHOD=method), leaves_after=0)
    result: Any = watched.middleware(environ_of(REQUEST_METHOD=method), lambda *_: None)
    result.close()
    assert [one.outcome for one in watched.offered()] == ["ok", "ok"]


def test_a_stream_tells_first_byte_gaps_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    for module in ("wsgi", "wsgi_exchange", "exchange"):
        monkeypatch.setattr(f"nilometer.capture.{module}.perf_counter", lambda: now[0])

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", JSON)
        for step in (0.25, 0.5, 1.0):
            now[0] += step
            yield b"x"
        now[0] += 2.0

    seen = Watched(app, monkeypatch).one()
    assert (seen.first_byte, seen.latency, seen.chunks) == (0.25, 3.75, 3)
    assert struct.unpack("<2f", seen.chunk_gaps) == (0.5, 1.0)
    assert (seen.stream_end, seen.outcome) == ("completed", "ok")


@pytest.mark.parametrize("length", ["x", "", "1.5", "-1", "9" * 30, "9" * 5000])
def test_a_content_length_that_is_no_length_is_no_fault(
    length: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Length", length), *JSON])
        return [ANSWER]

    watched = Watched(app, monkeypatch)
    seen = watched.one()
    assert (seen.outcome, seen.response_type) == ("ok", "application/json")
    assert (seen.response_body, watched.worker.guard.faults) == (ANSWER, 0)


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize(("sized", "after"), [(True, 0.0), (False, 3.0)])
def test_the_latency_ends_with_the_last_byte_where_its_place_is_known(
    chunks: int, after: float, *, sized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    for module in ("wsgi", "wsgi_exchange", "exchange"):
        monkeypatch.setattr(f"nilometer.capture.{module}.perf_counter", lambda: now[0])

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        headers = [("Content-Length", str(chunks))] if sized else []
        start_response("200 OK", [*JSON, *headers])
        for _ in range(chunks):
            now[0] += 0.25
            yield b"x"
        now[0] += 3.0  # the server writes, or the application tidies up

    seen = Watched(app, monkeypatch).one()
    assert (seen.latency, seen.first_byte) == (0.25 * chunks + after, 0.25)
    assert (seen.chunks, seen.outcome) == (chunks, "ok")


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"PATH_INFO": "/v1/\u00c3\u00a9t\u00c3\u00a9"}, "/v1/été"),
        ({"SCRIPT_NAME": "/api", "PATH_INFO": "/predict"}, "/predict"),
        ({"PATH_INFO": "/\xff"}, "/\ufffd"),
        ({"PATH_INFO": ""}, ""),
    ],
)
def test_the_path_is_the_one_that_asgi_gives(
    keys: dict[str, str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Watched(echo, monkeypatch).one(**keys).path == path


def test_ids_trace_labels_and_query_come_from_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(
        echo,
        monkeypatch,
        label_headers={"region": "X-Region"},
        query_parameters=["tier"],
        prediction_id_header="X-Order",
    )
    seen = watched.one(
        HTTP_X_REGION="eu",
        HTTP_X_ORDER="o1",
        HTTP_TRACEPARENT="00-1-2-01",
        HTTP_AUTHORIZATION="secret",
        HTTP_CONTENT_ENCODING="gzip",
        QUERY_STRING="tier=gold&token=secret",
    )
    assert (seen.prediction_id, seen.trace_parent) == ("o1", "00-1-2-01")
    assert (seen.labels, seen.query) == ({"region": "eu"}, "tier=gold")
    assert seen.request_encoding == "gzip"


def test_an_id_is_returned_where_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch, return_prediction_id="X-Made-Id")
    served = Served(watched.middleware, environ_of())
    ((_, _, headers, _),) = [one for one in served.calls if one[0] == "start"]
    assert headers[:-1] == JSON
    (seen,) = watched.offered()
    assert headers[-1] == ("x-made-id", seen.prediction_id)
    assert watched.one(HTTP_X_MADE_ID="mine").prediction_id == "mine"


def test_headers_that_are_read_only_once_reach_the_client_with_the_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", (pair for pair in JSON))
        return [b"{}"]

    served = Served(
        Watched(app, monkeypatch, return_prediction_id="X-Made-Id").middleware, environ_of()
    )
    ((_, _, headers, _),) = [one for one in served.calls if one[0] == "start"]
    assert headers[:-1] == JSON
    assert headers[-1][0] == "x-made-id"


def test_probes_are_not_observed_and_get_the_servers_own_objects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        given.extend((environ["wsgi.input"], start_response))
        start_response("200 OK", [])
        return iter((b"ok",))

    watched = Watched(app, monkeypatch)
    environ = environ_of(PATH_INFO="/healthz")
    stream = environ["wsgi.input"]

    def start_response(*_: Any) -> None:
        return None

    watched.middleware(environ, start_response)
    assert given == [stream, start_response]
    assert watched.offered() == []


def test_values_and_labels_join_their_own_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", JSON)
        nilometer.log(row=length_of(environ))
        yield b"{"
        nilometer.label(tier="gold")
        yield b"}"

    watched = Watched(app, monkeypatch)
    watched.worker.notes = True
    for size in (2, 3):
        Served(watched.middleware, environ_of(b"x" * size))
        nilometer.log(row=99)  # between requests of one thread: belongs to none
    seen = watched.offered()
    assert [one.values for one in seen] == [b"\x81\xa3row\x02", b"\x81\xa3row\x03"]
    assert [one.labels for one in seen] == [{"tier": "gold"}] * 2


def test_a_request_inside_a_request_leaves_the_context_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Watched(echo, monkeypatch)
    model.worker.notes = True

    def gateway(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        Served(model.middleware, environ_of(b"{}"))
        nilometer.log(asked=1)
        return echo(environ, start_response)

    watched = Watched(gateway, monkeypatch)
    watched.worker.notes = True
    assert watched.one().values == b"\x81\xa5asked\x01"
    assert model.offered()[0].values == b""


def test_a_request_that_another_thread_ended_is_no_longer_the_current_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(echo, monkeypatch)
    watched.worker.notes = True
    result = watched.middleware(environ_of(b"{}"), lambda *_: None)
    other = threading.Thread(target=lambda: list(result))
    other.start()
    other.join()
    (ended,) = watched.offered()
    assert ended.values == b""
    Served(watched.middleware, environ_of(b"{}"))
    assert current.get() is None


def test_requests_in_flight_are_counted_with_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(answering(lambda: iter((b"{}",))), monkeypatch)
    results: list[Any] = [watched.middleware(environ_of(), lambda *_: None) for _ in range(4)]
    for result in results:
        list(result)
    assert [one.in_flight for one in watched.offered()] == [1, 2, 3, 4]


def test_threads_may_serve_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    outlet = MemoryOutlet()
    monkeypatch.setattr("nilometer.handoff.worker.open_outlet", lambda _: outlet)
    middleware = NilometerWSGIMiddleware(
        ZOO["generates"], entity="tested", flush_seconds=0.005, shutdown_seconds=30.0
    )

    def many() -> None:
        for _ in range(200):
            Served(middleware, environ_of())

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    middleware._worker.stop()
    assert len(outlet.captured) == 1600
    assert middleware._worker.in_flight == 0


def test_no_request_keeps_its_exchange_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kept.append(weakref.ref(environ["wsgi.input"].nilometer_reader.stream))
        return echo(environ, start_response)

    watched = Watched(app, monkeypatch)
    environ = environ_of()
    watched.middleware(environ, lambda *_: None)
    assert type(environ["wsgi.input"]) is io.BytesIO
    del environ
    assert kept[0]() is None  # without a collection: no cycle held it


def test_the_time_of_the_server_is_not_our_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    for module in ("wsgi", "wsgi_exchange", "wsgi_timed"):
        monkeypatch.setattr(f"nilometer.capture.{module}.perf_counter", lambda: now[0])

    def slow(*_: Any) -> None:
        now[0] += 5.0

    watched = Watched(echo, monkeypatch)
    noted: list[float] = []
    monkeypatch.setattr(type(watched.worker.meter), "note", lambda _, spent: noted.append(spent))
    watched.worker.due = True
    environ = environ_of()
    list(watched.middleware(environ, slow))
    assert noted == [0.0]


@pytest.mark.parametrize("due", [False, True])
def test_an_exchange_that_has_ended_is_in_no_cycle(
    *, due: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kept.append(weakref.ref(environ["wsgi.input"].nilometer_reader.stream))
        return ZOO["sized"](environ, start_response)

    watched = Watched(app, monkeypatch)
    watched.worker.due = due
    environ = environ_of()
    list(watched.middleware(environ, lambda *_: None))
    del environ
    assert kept[0]() is None  # without a collection


def test_a_timed_request_notes_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(ZOO["generates"], monkeypatch)
    noted: list[float] = []
    monkeypatch.setattr(type(watched.worker.meter), "note", lambda _, spent: noted.append(spent))
    watched.worker.due = True
    assert watched.one().outcome == "ok"
    assert watched.one().outcome == "ok"
    assert len(noted) == 1
    assert noted[0] > 0.0


def test_an_observation_that_is_sampled_out_has_its_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(echo, monkeypatch)
    watched.worker.share = 2.0**-60
    seen = watched.one()
    assert (seen.request_body, seen.response_body, seen.left_out) == (None, None, True)
    assert (seen.request_size, seen.response_size) == (len(ROW), len(ROW))


def test_what_is_read_by_a_keyword_is_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream(io.BytesIO):
        def readinto(self, b: Any) -> int:
            return super().readinto(b)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        buffer = bytearray(len(ROW))
        assert environ["wsgi.input"].readinto(b=buffer) == len(ROW)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [bytes(buffer)]

    watched = Watched(app, monkeypatch)
    environ = environ_of(
        wsgi__input=Stream(ROW), CONTENT_LENGTH=str(len(ROW)), CONTENT_TYPE="application/json"
    )
    assert list(watched.middleware(environ, lambda *_: lambda _: None)) == [ROW]
    assert [one.request_body for one in watched.offered()] == [ROW]


def test_results_of_another_form_reach_the_application_and_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stream(io.BytesIO):
        def readlines(self, *_: Any) -> Any:
            return ["text", 7]

        def readinto(self, _: Any) -> Any:
            return "all"

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        assert environ["wsgi.input"].readlines() == ["text", 7]
        assert environ["wsgi.input"].readinto(bytearray(1)) == "all"
        start_response("200 OK", [])
        return [b""]

    watched = Watched(app, monkeypatch)
    environ = environ_of(wsgi__input=Stream(ROW), CONTENT_LENGTH=str(len(ROW)))
    assert list(watched.middleware(environ, lambda *_: lambda _: None)) == [b""]
    assert watched.worker.guard.faults == 2


def test_the_middleware_keeps_the_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read(2)
        environ["wsgi.input"].readline(3)
        list(environ["wsgi.input"])
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return iter((b"ok",))

    watched = Watched(validator(app), monkeypatch)
    checked = validator(watched.middleware)
    environ = environ_of(wsgi__input=io.BytesIO(b"one\ntwo"), HTTP_HOST="x")
    for key in ("wsgi.file_wrapper",):
        del environ[key]
    body = checked(environ, lambda *_: lambda _: None)
    assert list(body) == [b"ok"]
    body.close()  # type: ignore[attr-defined]  # the validator's
    assert [one.request_body for one in watched.offered()] == [b"one\ntwo"]


def test_a_servers_answer_is_byte_for_byte_the_bare_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []
    for wrap in (False, True):
        watched = Watched(ZOO["sized_iterable"], monkeypatch)
        answers.append(answer_of(watched.middleware if wrap else ZOO["sized_iterable"]))
    assert answers[0] == answers[1]
    assert b"Content-Length: 12" in answers[0]  # the server asks how many chunks there are


def answer_of(app: Any) -> bytes:
    """What the standard library's server writes for one request, without its date."""
    import socket

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
            connection.sendall(b"POST /predict HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}")
            said = b"".join(iter(lambda: connection.recv(65536), b""))
        thread.join()
    return b"\n".join(line for line in said.splitlines() if not line.startswith(b"Date:"))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"entity": "no spaces"}, "entity = 'no spaces'"),
        ({"entity": "e", "max_body_bytes": 3}, "max_body_bytes = 3"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        NilometerWSGIMiddleware(echo, **options)
    assert key in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bodies_are_json_that_a_decoder_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watched(ZOO["generates"], monkeypatch).one()
    assert seen.response_body is not None
    assert json.loads(seen.response_body) == {"score": 0.5}
