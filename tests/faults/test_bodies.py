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
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from decode.test_wild import EXPECTED
from faults.body_reasons import BROKEN, EMPTY, FINE, Reasons, right_reasons
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
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profile import Profile
from nilometer.profiling.observation import Observation, unpack
from nilometer.profiling.profiling import Profiling
from nilometer.values.entity import Role
from nilometer.values.labels import Labels
from nilometer.values.value_like import is_position, looks_like_value

WILD = Path(__file__).parents[1] / "decode" / "wild"
EXCHANGES = {one.case: one for one in read(WILD / "manifest.json")}
MINUTE = 60 * 10**9
ARROW = "application/vnd.apache.arrow.stream"
MARKER = b"\xff" * 4  # begins each message of Arrow
CUTS = 3  # of each body, drawn by chance
TYPES = (
    *("", "application/json", "text/csv", "text/plain", "text/event-stream", "text/html"),
    *("application/x-ndjson", "application/octet-stream", "application/x-npy", "image/png"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=xx"),
    *("application/json; charset=utf-16", "text/tab-separated-values", "application/grpc"),
    *("application/msgpack", "text/libsvm", "application/vnd.apache.arrow.stream"),
    *("application/vnd.apache.parquet", "application/x-protobuf", "\udcff;;"),
)
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),  # the same bytes each time
    "deflate": zlib.compress,
}
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
    is_compressed: bool = False
    original: Exchange | None = None

    @classmethod
    def of(cls, one: Exchange, **more: Any) -> "Damaged":
        whole: dict[str, Any] = {
            "path": one.path,
            "request": one.request.body or b"",
            "response": one.response.body or b"",
            "request_type": one.request.content_type,
            "response_type": one.response.content_type,
            "original": one,
        }
        return cls(**(whole | more))

    def right(self, role: Role) -> Reasons:
        """The reasons that are right for one side; an empty one means that it has columns."""
        assert self.original is not None
        is_input = role is Role.INPUT
        message = self.original.request if is_input else self.original.response
        body = self.request if is_input else self.response
        content_type = self.request_type if is_input else self.response_type
        expected = EXPECTED.get(self.original.case, ({}, {}))[0 if is_input else 1]
        whole = expected if isinstance(expected, str) else ""
        if not body:
            return EMPTY
        if self.is_compressed:
            is_cut = body != COMPRESS[self.encoding](message.body or b"")
            return BROKEN if is_cut else frozenset({whole})
        if body == message.body and content_type == message.content_type and not self.encoding:
            # A lying length matters where tensors follow the JSON only.
            return frozenset({whole, "malformed"} if self.length else {whole})
        if content_type == ARROW and (message.body or b"")[len(body) :][:4] == MARKER:
            return FINE | EMPTY  # whole messages: a stream may end without an end mark
        return right_reasons(body, content_type, self.encoding, whole)

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
        whole: dict[str, Any] = {"request": compress(request), "response": compress(response)}
        whole["is_compressed"] = True
        yield Damaged.of(one, encoding=encoding, **whole)
        shortest = min(len(whole["request"]), len(whole["response"]))
        for at in range(shortest) if cuts else [chance.randrange(shortest)]:
            cut = {name: whole[name][:at] for name in ("request", "response")}
            yield Damaged.of(one, encoding=encoding, **(whole | cut))
    for length in ("0", "1", str(longest // 2), str(longest + 7), "9" * 30, "-1", "x"):
        yield Damaged.of(one, length=length)


def keys_in(value: Any) -> Iterator[str]:
    """Yield each key of a document."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from keys_in(one)


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
    """The values in both bodies, as far as they are JSON, that are no keys in them."""
    found: set[str] = set()
    keys: set[str] = set()
    for message in (one.request, one.response):
        for line in (message.body or b"", *(message.body or b"").splitlines()):
            try:
                document = json.loads(line.removeprefix(b"data:"))
            except ValueError:
                continue
            found.update(texts_in(document))
            keys.update(keys_in(document))
    return found - keys


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


def profile_of(observation: Observation) -> Profile:
    profiling = Profiling("tested", Labels(), MINUTE)
    profiling.observe([observation])
    (profile,) = profiling.take()
    return profile


NO_PREDICTION = {"not_inference"}
PARTLY = {"partial"}  # some lines of a body


def check(one: Damaged, observation: Observation, values: set[str]) -> None:
    """Each lost side has its one reason, and no feature has a name that is one of the *values*."""
    profile = profile_of(observation)
    coverage = profile.coverage
    assert coverage.seen == 1
    assert not coverage.dropped, one
    assert "decoder_failed" not in {**coverage.undecodable, **coverage.lost_inputs}, one
    assert "decoder_failed" not in coverage.lost_outputs, one
    right = {role: one.right(role) for role in (Role.INPUT, Role.OUTPUT)}
    if not any("" in reasons for reasons in right.values()):
        assert coverage.profiled == 0, one
        assert sum(coverage.undecodable.values()) == 1, (one, coverage)
        assert {*coverage.undecodable} <= {*right[Role.INPUT], *right[Role.OUTPUT], *NO_PREDICTION}
    if right[Role.INPUT] == FINE:
        assert coverage.profiled == 1, (one, coverage)
    for role, reasons in ((Role.INPUT, coverage.lost_inputs), (Role.OUTPUT, coverage.lost_outputs)):
        if coverage.profiled:
            assert {*reasons} <= right[role] | PARTLY, (one, coverage)
            total = sum(reasons.values())
            assert total == 1 if "" not in right[role] else total <= 1, (one, coverage)
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
