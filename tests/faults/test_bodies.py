"""Whatever is wrong with a body, the answer is the bare one, and one reason is counted at most.

Each body of real traffic is cut, declared as something else, or has another length than its header
says. No feature is named after a value in it.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.asgi_zoo import exchange as exchanged
from support.asgi_zoo import request_of, scope_of

from nilometer import NilometerMiddleware
from nilometer.capture.types import ASGIApp, Receive, Scope, Send
from nilometer.commands.traffic_files import Exchange, read
from nilometer.handoff.pack import batch_of
from nilometer.handoff.worker import Worker
from nilometer.profile import Profile
from nilometer.profiling.observation import Observation, unpack
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels
from nilometer.values.value_like import is_position, looks_like_value

WILD = Path(__file__).parents[1] / "decode" / "wild"
EXCHANGES = {one.case: one for one in read(WILD / "manifest.json")}
MINUTE = 60 * 10**9
CUTS = 6  # of each body, drawn by chance
TYPES = (
    *("", "application/json", "text/csv", "text/plain", "text/event-stream", "text/html"),
    *("application/x-ndjson", "application/octet-stream", "application/x-npy", "image/png"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=xx"),
    *("application/json; charset=utf-16", "text/tab-separated-values", "application/grpc"),
    *("application/msgpack", "text/libsvm", "application/vnd.apache.arrow.stream"),
    *("application/vnd.apache.parquet", "application/x-protobuf", "\udcff;;"),
)
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

        self._middleware = NilometerMiddleware(app, entity="tested")

    def observe(self, one: Damaged) -> Observation:
        """Serve one exchange; the answer is the bare application's."""
        scope = scope_of(one.path, headers=one.headers(one.request_type))
        incoming = request_of(one.request[:7], one.request[7:])
        self._answer = one.app()
        bare = asyncio.run(exchanged(self._answer, scope, incoming))
        assert asyncio.run(exchanged(self._middleware, dict(scope), incoming)) == bare, one
        worker = self._middleware._worker
        assert worker.guard.faults == 0
        (observation,) = unpack(batch_of(worker.sink.take(10, 1 << 30)))
        return observation


def profile_of(observation: Observation) -> Profile:
    profiling = Profiling("tested", Labels(), MINUTE)
    profiling.observe([observation])
    (profile,) = profiling.take()
    return profile


def check(one: Damaged, observation: Observation, values: set[str]) -> None:
    """Count one reason at most for each side, and no name that is one of the *values*."""
    profile = profile_of(observation)
    coverage = profile.coverage
    assert coverage.seen == 1
    assert not coverage.dropped, one
    assert "decoder_failed" not in {**coverage.undecodable, **coverage.lost_inputs}, one
    assert "decoder_failed" not in coverage.lost_outputs, one
    for reasons in (coverage.undecodable, coverage.lost_inputs, coverage.lost_outputs):
        assert sum(reasons.values()) <= 1, (one, reasons)
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
