"""Sends requests with httpx: credentials, retries of reads, entity tags, problems as errors."""

import math
import time
from collections import OrderedDict
from collections.abc import Generator
from contextlib import aclosing, closing
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from nilometer.client.errors import (
    AccessDenied,
    CollectorBusy,
    CollectorUnreachable,
    Invalid,
    NotFound,
    NotUnderstood,
    Problem,
    RequestFailed,
    RowProblem,
)
from nilometer.client.optional import optional
from nilometer.client.request import Request
from nilometer.settings.collector_url import require_private_url, tls_context
from nilometer.settings.credentials import Credentials
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.5  # doubled before each further attempt
MOST_WAIT_SECONDS = 30.0  # a collector that asks for a longer pause fails the request
CACHED_ANSWERS = 64
MAX_ANSWER_BYTES = 64 << 20  # body of one answer; a page of samples has about 1 MiB
CACHED_BYTES = 16 << 20  # bodies of all cached answers

_BUSY = {429, 502, 503, 504}


class Received(NamedTuple):
    """A response and its body, which is no longer compressed."""

    response: "httpx.Response"
    body: bytes


# Yields a request to send or the seconds to wait, and receives the response or the failure.
Steps: TypeAlias = Generator["httpx.Request | float", "Received | httpx.HTTPError | None", bytes]


class Answers:
    """The newest answers with their entity tags, so that an equal answer is not sent again.

    Thread-safe. Holds at most `CACHED_ANSWERS` answers and `CACHED_BYTES` of their bodies.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, url: str) -> tuple[str, bytes] | None:
        """Return the entity tag and the body of the answer from *url*; None without one."""
        with self._lock:
            found = self._held.get(url)
            if found is not None:
                self._held.move_to_end(url)
            return found

    def put(self, url: str, tag: str, body: bytes) -> None:
        """Keep an answer; drop the ones that were not used for longest."""
        if len(body) > CACHED_BYTES // 4:
            return
        with self._lock:
            before = self._held.pop(url, None)
            self._bytes += len(body) - (0 if before is None else len(before[1]))
            self._held[url] = (tag, body)
            while len(self._held) > CACHED_ANSWERS or self._bytes > CACHED_BYTES:
                _, (_, dropped) = self._held.popitem(last=False)
                self._bytes -= len(dropped)


class Connection:
    """The rules for one collector: how a request is made, and what its response means.

    Args:
        url: URL of the collector, without a path.
        credentials: Files with the credentials.
        seconds: Time to wait for a response, > 0.
        attempts: Attempts for a request that changes nothing, >= 1.

    Raises:
        ConfigError: If an argument is not allowed.
        ModuleNotFoundError: If httpx is not installed.
    """

    def __init__(self, url: str, credentials: Credentials, seconds: float, attempts: int) -> None:
        if not 0 < seconds < math.inf:
            raise ConfigError(f"timeout_seconds = {seconds}: must be above 0 and finite")
        if attempts < 1:
            raise ConfigError(f"attempts = {attempts}: must be at least 1")
        optional("httpx", "nilometer.Client", "'nilometer[client]'")
        credentials.require_files()
        require_private_url(url, credentials)
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._seconds = seconds
        self._attempts = attempts
        self._answers = Answers()

    def options(self) -> dict[str, Any]:
        """Return the options of an httpx client for this collector."""
        return {
            "base_url": self.url,
            "timeout": self._timeout(None),
            "verify": tls_context(self._credentials),
            "trust_env": False,  # a proxy of the environment must not see the token
            "follow_redirects": False,
        }

    def steps(self, request: Request, client: "httpx.Client | httpx.AsyncClient") -> Steps:
        """Send *request* until it succeeds or may not be repeated; return the body.

        Raises:
            RequestFailed: If it fails.
        """
        wait = FIRST_WAIT_SECONDS
        left = self._attempts if request.is_read else 1
        while True:
            left -= 1
            prepared = self._prepared(request, client)
            outcome = yield prepared
            if isinstance(outcome, Received):
                result = self._result(prepared, outcome)
                asked = _retry_after(outcome.response)
            else:
                reason = str(outcome) or type(outcome).__name__
                result = CollectorUnreachable(
                    f"no answer from {self.url}: {reason}: check that a collector runs there"
                )
                asked = 0.0
            if isinstance(result, bytes):
                return result
            if not _may_help(result) or not left or asked > MOST_WAIT_SECONDS:
                raise result
            yield max(asked, wait * _random_share())
            wait = min(wait * 2, MOST_WAIT_SECONDS)

    def _timeout(self, seconds: float | None) -> "httpx.Timeout":
        import httpx

        return httpx.Timeout(seconds or self._seconds, connect=CONNECT_SECONDS)

    def _prepared(
        self, request: Request, client: "httpx.Client | httpx.AsyncClient"
    ) -> "httpx.Request":
        import httpx

        headers = {"accept": "application/json"}
        try:
            token = self._credentials.bearer()  # at each attempt, because tokens are rotated
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"token_file cannot be read: {error}") from error
        if token:
            if not (token.isascii() and token.isprintable()):  # an error of httpx would show it
                raise ConfigError("token_file: must have one line of printable ASCII characters")
            headers["authorization"] = f"Bearer {token}"
        if request.body is not None:
            headers["content-type"] = "application/json"
        try:
            made = client.build_request(
                request.method,
                request.path,
                params=list(request.parameters),
                content=request.body,
                headers=headers,
                timeout=self._timeout(request.seconds),
            )
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Invalid(self.url, 422, f"the request cannot be written: {error}") from error
        known = self._answers.get(str(made.url)) if request.is_read else None
        if known is not None:
            made.headers["if-none-match"] = known[0]
        return made

    def _result(self, request: "httpx.Request", received: Received) -> bytes | RequestFailed:
        """Return the body of a success, or the error of a failure."""
        url, (response, body) = str(request.url), received
        if response.status_code == 304:
            known = self._answers.get(url)
            if known is not None:
                return known[1]
        if response.is_success:
            tag = response.headers.get("etag", "")
            if tag and request.method == "GET":
                self._answers.put(url, tag, body)
            return body
        return _failure(self.url, response, body)


class _Body:
    """The body of a response while it arrives.

    Attributes:
        seconds: Time for the whole response.

    Args:
        request: Request, whose time begins now.
    """

    def __init__(self, request: "httpx.Request") -> None:
        self._request = request
        self.seconds: float = request.extensions["timeout"]["read"]
        self._end = time.monotonic() + self.seconds
        self._bytes = bytearray()

    def add(self, part: bytes) -> None:
        """Add the next part.

        Raises:
            NotUnderstood: If the body is over `MAX_ANSWER_BYTES`.
            httpx.ReadTimeout: If the time is over.
        """
        self._bytes += part
        if len(self._bytes) > MAX_ANSWER_BYTES:
            raise NotUnderstood(f"an answer is over {MAX_ANSWER_BYTES >> 20} MiB: ask for less")
        if time.monotonic() > self._end:
            raise self.late()

    def late(self) -> "httpx.ReadTimeout":
        """Return the error for a response that took too long."""
        import httpx

        return httpx.ReadTimeout(
            f"no complete answer within {self.seconds} s", request=self._request
        )

    def whole(self) -> bytes:
        """Return all parts."""
        return bytes(self._bytes)


def _failure(url: str, response: "httpx.Response", body: bytes) -> RequestFailed:
    import msgspec

    status = response.status_code
    if status < 400:
        return NotUnderstood(f"{url} answers {status}: check that a collector runs there")
    try:
        details = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        details = {}
    kind = Invalid if status < 500 else Problem
    if status in _BUSY:
        kind = CollectorBusy
    elif status in {401, 403}:
        kind = AccessDenied
    elif status == 404:
        kind = NotFound
    try:
        rows = msgspec.convert(details.get("rows", []), list[RowProblem])
    except msgspec.ValidationError:
        rows = []
    detail = " ".join(str(details.get("detail") or response.reason_phrase).split())
    return kind(url, status, detail, field=str(details.get("field", "")), rows=rows)


def _may_help(failure: RequestFailed) -> bool:
    """Return whether the same request may succeed later."""
    return isinstance(failure, CollectorUnreachable | CollectorBusy)


def _retry_after(response: "httpx.Response") -> float:
    """Return the seconds that the response asks to wait; 0 without a number."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


class Sender:
    """Sends requests to one collector. Thread-safe, like `httpx.Client`.

    Args:
        connection: Rules for the collector.
    """

    def __init__(self, connection: Connection) -> None:
        import httpx

        self._connection = connection
        self._client = httpx.Client(**connection.options())

    def send(self, request: Request) -> bytes:
        """Return the body of the response.

        Raises:
            RequestFailed: If the request fails.
        """
        import httpx

        steps = self._connection.steps(request, self._client)
        step = next(steps)
        while True:
            outcome: Received | httpx.HTTPError | None = None
            if isinstance(step, float):
                time.sleep(step)
            else:
                try:
                    outcome = self._received(step)
                except httpx.HTTPError as error:
                    outcome = error
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return bytes(end.value)

    def _received(self, request: "httpx.Request") -> Received:
        body = _Body(request)
        response = self._client.send(request, stream=True)
        with closing(response):
            for part in response.iter_bytes():
                body.add(part)
        return Received(response, body.whole())

    def close(self) -> None:
        """Close all connections. May be called twice."""
        self._client.close()


class AsyncSender:
    """Like `Sender`, for asyncio and trio.

    Args:
        connection: Rules for the collector.
    """

    def __init__(self, connection: Connection) -> None:
        import httpx

        self._connection = connection
        self._client = httpx.AsyncClient(**connection.options())

    async def send(self, request: Request) -> bytes:
        """Return the body of the response.

        Raises:
            RequestFailed: If the request fails.
        """
        import anyio
        import httpx

        steps = self._connection.steps(request, self._client)
        step = next(steps)
        while True:
            outcome: Received | httpx.HTTPError | None = None
            if isinstance(step, float):
                await anyio.sleep(step)
            else:
                try:
                    outcome = await self._received(step)
                except httpx.HTTPError as error:
                    outcome = error
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return bytes(end.value)

    async def _received(self, request: "httpx.Request") -> Received:
        import anyio

        body = _Body(request)
        try:
            with anyio.fail_after(body.seconds):  # also bounds headers that arrive slowly
                response = await self._client.send(request, stream=True)
                async with aclosing(response):
                    async for part in response.aiter_bytes():
                        body.add(part)
        except TimeoutError as error:
            raise body.late() from error
        return Received(response, body.whole())

    async def aclose(self) -> None:
        """Close all connections. May be called twice."""
        await self._client.aclose()


def _random_share() -> float:
    """Return a random number from 0.5 to 1.0, so that clients do not repeat their requests together."""
    import random  # takes 5 ms, and most programs never wait

    return random.uniform(0.5, 1.0)  # noqa: S311  not a secret
