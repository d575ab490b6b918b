"""Whatever is wrong with a body, the answer is the bare one, and each lost side has one reason.

Each body of real traffic is cut, declared or compressed as something else, or has another length
than its header says. It is served over ASGI and over WSGI, and both observe the same. No feature is
named after a value in it.
"""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.asgi_zoo import exchange as exchanged
from support.asgi_zoo import request_of, scope_of
from support.wsgi_zoo import Served, environ_of

from nilometer import NilometerMiddleware, NilometerWSGIMiddleware
from nilometer.capture.types import (
    ASGIApp,
    Environ,
    Receive,
    Scope,
    Send,
    StartResponse,
    WSGIApp,
)
from nilometer.commands.traffic_files import Exchange, read
from nilometer.decode import Side, decode_exchange
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profile import Profile
from nilometer.profiling.observation import Observation, unpack
from nilometer.profiling.profiling import Profiling
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable
from nilometer.values.labels import Labels
from nilometer.values.value_like import is_position, looks_like_value

WILD = Path(__file__).parents[1] / "decode" / "wild"
EXCHANGES = {one.case: one for one in read(WILD / "manifest.json")}
MINUTE = 60 * 10**9
CUTS = 3  # of each body, drawn by chance
TYPES = (
    *("", "application/json", "text/csv", "text/plain", "text/event-stream", "text/html"),
    *("application/x-ndjson", "application/octet-stream", "application/x-npy", "image/png"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=xx"),
    *("application/json; charset=utf-16", "text/tab-separated-values", "application/grpc"),
    *("application/msgpack", "text/libsvm", "application/vnd.apache.arrow.stream"),
    *("application/vnd.apache.parquet", "application/x-protobuf", "\udcff;;"),
)
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
ENCODINGS = ("gzip", "deflate", "br", "zstd", "identity, gzip", "unheard-of")


@dataclass(frozen=True, slots=True)
class Damaged:
    """A request and its answer, with what is wrong with them."""

    path: str
    request: bytes
    response: bytes
    request_type: str
    response_type: str
    encoding: str = ""
    length: str = ""

    @classmethod
    def of(cls, one: Exchange, **more: Any) -> "Damaged":
        whole = {
            "path": one.path,
            "request": one.request.body or b"",
            "response": one.response.body or b"",
            "request_type": one.request.content_type,
            "response_type": one.response.content_type,
        }
        return cls(**(whole | more))

    def headers(self, content_type: str) -> list[tuple[bytes, bytes]]:
        told = {"content-type": content_type, "content-encoding": self.encoding}
        told["content-length"] = told["inference-header-content-length"] = self.length
        return [
            (name.encode(), value.encode("utf-8", "surrogateescape"))
            for name, value in told.items()
            if value
        ]

    def app(self) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive()).get("more_body"):
                pass
            headers = self.headers(self.response_type)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.response})

        return app

    def wsgi_app(self) -> WSGIApp:
        def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
            while environ["wsgi.input"].read(1000):
                pass
            headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self.headers(self.response_type)
            ]
            start_response("200 OK", headers)
            return [self.response]

        return app

    def environ(self) -> Environ:
        """The same request as a WSGI server passes it on."""
        keys = {
            name.decode().upper().replace("-", "_"): value.decode("latin-1")
            for name, value in self.headers(self.request_type)
        }
        environ = environ_of(self.request, PATH_INFO=self.path)
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            del environ[name]
        return environ | {
            name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}": value
            for name, value in keys.items()
        }


def damaged(one: Exchange, chance: Random, cuts: Sequence[int] | None = None) -> Iterator[Damaged]:
    """Yield *one* damaged in each way; cut at *cuts*, or at bytes drawn by chance."""
    request, response = one.request.body or b"", one.response.body or b""
    longest = max(len(request), len(response))
    for at in cuts or [chance.randrange(longest + 1) for _ in range(CUTS)]:
        yield Damaged.of(one, request=request[:at])
        yield Damaged.of(one, response=response[:at])
        yield Damaged.of(
            one, request=request[:at], response=response[:at], request_type=chance.choice(TYPES)
        )
    for media in chance.sample(TYPES, 4) if cuts is None else TYPES:
        yield Damaged.of(one, request_type=media, response_type=media)
    for encoding in chance.sample(ENCODINGS, 2) if cuts is None else ENCODINGS:
        yield Damaged.of(one, encoding=encoding)
    for encoding, compress in COMPRESS.items():
        whole = {"request": compress(request), "response": compress(response)}
        yield Damaged.of(one, encoding=encoding, **whole)
        shortest = min(map(len, whole.values()))
        for at in range(shortest) if cuts else [chance.randrange(shortest)]:
            cut = {name: body[:at] for name, body in whole.items()}
            yield Damaged.of(one, encoding=encoding, **cut)
    for length in ("0", "1", str(longest // 2), str(longest + 7), "9" * 30, "-1", "x"):
        yield Damaged.of(one, length=length)


def texts_in(value: Any) -> Iterator[str]:
    """Yield each value of a document as text."""
    if isinstance(value, dict):
        for one in value.values():
            yield from texts_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_in(one)
    elif not isinstance(value, bool) and value is not None:
        yield str(value)


def values_of(one: Exchange) -> set[str]:
    """The values in both bodies, as far as they are JSON."""
    found: set[str] = set()
    for message in (one.request, one.response):
        for line in (message.body or b"", *(message.body or b"").splitlines()):
            try:
                found.update(texts_in(json.loads(line.removeprefix(b"data:"))))
            except ValueError:
                continue
    return found


class Observed:
    """The application behind the middleware, and what the agent makes of each observation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Worker, "ensure_started", lambda _: None)
        self._answer: ASGIApp | None = None

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert self._answer is not None
            await self._answer(scope, receive, send)

        def wsgi_app(environ: Environ, start_response: StartResponse) -> Any:
            assert self._wsgi_answer is not None
            return self._wsgi_answer(environ, start_response)

        self._wsgi_answer: WSGIApp | None = None
        self._middleware = NilometerMiddleware(app, entity="tested")
        self._wsgi_middleware = NilometerWSGIMiddleware(wsgi_app, entity="tested")

    def observe(self, one: Damaged) -> Observation:
        """Serve one exchange both ways; the answers are the bare application's."""
        scope = scope_of(one.path, headers=one.headers(one.request_type))
        incoming = request_of(one.request[:7], one.request[7:])
        self._answer = one.app()
        bare = asyncio.run(exchanged(self._answer, scope, incoming))
        assert asyncio.run(exchanged(self._middleware, dict(scope), incoming)) == bare, one
        observation = self._taken(self._middleware._worker)
        self._wsgi_answer = one.wsgi_app()
        bare_calls = Served(self._wsgi_answer, one.environ()).seen
        assert Served(self._wsgi_middleware, one.environ()).seen == bare_calls, one
        also = self._taken(self._wsgi_middleware._worker)
        assert content_of(also) == content_of(observation), one
        return observation

    def _taken(self, worker: Worker) -> Observation:
        """The observation that the middleware of *worker* has made, without a fault."""
        assert worker.guard.faults == 0
        (observation,) = unpack(batch_of(worker.sink.take(10, 1 << 30)))
        return observation


def content_of(observation: Observation) -> tuple[object, ...]:
    """What both interfaces observe alike."""
    one = observation
    return (
        *(one.path, one.status, one.request_size, one.response_size),
        *(one.request_type, one.request_encoding, one.response_type, one.response_encoding),
        *(one.request_body, one.response_body, one.header_lengths),
    )


def reason_of(observation: Observation, role: Role) -> str:
    """Why one side gives no columns; empty if it does."""
    is_input = role is Role.INPUT
    lengths = observation.header_lengths or ("", "")
    side = Side()
    try:
        decode_exchange(
            observation.request_body if is_input else observation.response_body,
            observation.request_type if is_input else observation.response_type,
            observation.request_encoding if is_input else observation.response_encoding,
            role,
            side,
            method=observation.method,
            path=observation.path,
            header_length=lengths[0 if is_input else 1],
        )
    except Undecodable as error:
        return error.reason
    return "" if side.rows else "empty"


def profile_of(observation: Observation) -> Profile:
    profiling = Profiling("tested", Labels(), MINUTE)
    profiling.observe([observation])
    (profile,) = profiling.take()
    return profile


def check(one: Damaged, observation: Observation, values: set[str]) -> None:
    """Each lost side has its one reason, and no feature has a name that is one of the *values*."""
    profile = profile_of(observation)
    coverage = profile.coverage
    assert coverage.seen == 1
    assert not coverage.dropped, one
    assert "decoder_failed" not in {**coverage.undecodable, **coverage.lost_inputs}, one
    assert "decoder_failed" not in coverage.lost_outputs, one
    lost = {role: reason_of(observation, role) for role in (Role.INPUT, Role.OUTPUT)}
    if all(lost.values()):
        assert coverage.profiled == 0, one
        assert sum(coverage.undecodable.values()) == 1, (one, coverage)
        assert {*coverage.undecodable} <= {*lost.values(), "not_inference"}, (one, coverage)
    for role, reasons in ((Role.INPUT, coverage.lost_inputs), (Role.OUTPUT, coverage.lost_outputs)):
        if coverage.profiled and lost[role]:
            assert reasons == {lost[role]: 1}, (one, coverage)
        elif coverage.profiled:
            assert sum(reasons.values()) <= 1, (one, coverage)  # some lines of a whole body
    for name in profile.features:
        column = name.partition(".")[2]
        parts = [column, *column.split(".")]
        assert is_position(column) or not looks_like_value(column), (one, name)
        assert not set(column) & set('{}[]"<>=\n'), (one, name)
        assert not {part for part in parts if len(part) > 3} & values, (one, name)


@pytest.mark.parametrize("case", EXCHANGES)
def test_a_damaged_exchange_is_answered_as_without_us(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies(monkeypatch, case, Random(case))  # not a secret


def bodies(
    monkeypatch: pytest.MonkeyPatch, case: str, chance: Random, *, is_long: bool = False
) -> int:
    """Damage the exchange of *case*; in the long form at each byte. Return how often."""
    one = EXCHANGES[case]
    longest = max(len(one.request.body or b""), len(one.response.body or b""))
    cuts = range(min(longest, 4096)) if is_long else None
    observed, values = Observed(monkeypatch), values_of(one)
    for name in profile_of(observed.observe(Damaged.of(one))).features:
        values -= {*name.split("."), name.partition(".")[2]}  # a list of names holds them, too
    count = 0
    for changed in damaged(one, chance, cuts):
        check(changed, observed.observe(changed), values)
        count += 1
    return count


def at_each_byte(*, seed: int, scale: float) -> str:
    """Cut each exchange at each byte, and declare it as each type; return what was served."""
    count = 0
    cases = [*EXCHANGES][: max(int(len(EXCHANGES) * scale), 1)]
    for case in cases:
        with pytest.MonkeyPatch.context() as monkeypatch:
            count += bodies(monkeypatch, case, Random(f"{seed} {case}"), is_long=True)
    return f"{count} exchanges of {len(cases)} cases"
