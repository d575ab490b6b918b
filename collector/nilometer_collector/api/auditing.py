"""ASGI middleware that adds each change, and each refused request, to the audit log.

`Auditing` stands outside the authentication, so that no operation can be forgotten: every request that
needs the right to write is recorded before its answer is sent. `Announcing` stands inside, and records
that a change begins, before it can be made. Forms of signed links announce it themselves.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec
from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nilometer.values.clock import Clock
from nilometer_collector.access.needs import Need, http_need
from nilometer_collector.access.principals import Principal
from nilometer_collector.access.rights import Access
from nilometer_collector.api.authentication import ACCESS, CALLER
from nilometer_collector.api.authors import named_author
from nilometer_collector.api.problems import REFUSED, ApiError
from nilometer_collector.audit import Auditor, Caller, entry_of
from nilometer_collector.store import AuditEntry, Outcome

AUDITED = "nilometer.audited"  # key of the ASGI scope that holds what is known for the audit log
# Data that programs send all the time. What it changes is data, not what anybody has set.
DATA = {"/api/v1/samples", "/api/v1/ground-truth", "/api/v1/alerters/reports"}
MOST_BODY_BYTES = 65_536  # bytes of a body in which the object's name is looked for
FIRST_ERROR = 400


class _Named(msgspec.Struct):
    """The names at the top of a body."""

    entity: str = ""
    name: str = ""


async def _nothing() -> None:
    """Record nothing."""


@dataclass(slots=True)
class Audited:
    """What is known of the request that is recorded.

    Attributes:
        body: Beginning of its body.
        begun: Id of the entry that says that the change begins; None if there is none.
        entity: Entity that it concerns, if neither query nor body names it.
        name: Object that it concerns, if neither query nor body names it.
        author: Person who has made the change, if no token names one.
        announce: Function that records that the change begins. The page of a signed link calls it
            once the link is valid, so that a request without one costs nothing.
    """

    body: bytearray = field(default_factory=bytearray)
    begun: int | None = None
    entity: str = ""
    name: str = ""
    author: str = ""
    announce: Callable[[], Awaitable[None]] = _nothing


def audited(request: Request) -> Audited:
    """Return what is known of *request* for the audit log."""
    found: Audited = request.scope[AUDITED]
    return found


class Auditing:
    """Records changes and refused requests.

    Args:
        app: Application whose requests are recorded.
        auditor: Writer of the audit log.
        clock: Clock for wall time.
    """

    def __init__(self, app: ASGIApp, auditor: Auditor, clock: Clock) -> None:
        self.app = app
        self._auditor = auditor
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, and record it before its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[AUDITED] = Audited()

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._record(scope, message["status"])
            await send(message)

        try:
            await self.app(scope, receive, recorded)
        except Exception:  # a bug, which Starlette answers
            await self._record(scope, HTTPStatus.INTERNAL_SERVER_ERROR.value)
            raise

    async def _record(self, scope: Scope, status: int) -> None:
        outcome = _outcome(scope, status)
        if outcome is not None:
            entry = _entry(scope, outcome, status, self._clock.now_ns())
            await to_thread.run_sync(self._auditor.add, entry, audited(Request(scope)).begun)


class Announcing:
    """Records that a change begins, as soon as its request has arrived.

    Args:
        app: Application that makes the changes.
        auditor: Writer of the audit log.
        clock: Clock for wall time.
    """

    def __init__(self, app: ASGIApp, auditor: Auditor, clock: Clock) -> None:
        self.app = app
        self._auditor = auditor
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, and record it before its end is read."""
        if scope["type"] != "http" or not _is_change(scope) or _is_dry(scope):
            await self.app(scope, receive, send)
            return
        about = audited(Request(scope))

        async def begin() -> None:
            if about.begun is None:
                entry = _entry(scope, Outcome.STARTED, 0, self._clock.now_ns())
                about.begun = await to_thread.run_sync(self._auditor.begin, entry)

        if _is_linked(scope):
            about.announce = begin
            await self.app(scope, receive, send)
            return

        async def received() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                if len(about.body) < MOST_BODY_BYTES:
                    about.body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await begin()
            return message

        headers = Headers(scope=scope)
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if scope["method"] == "DELETE" or not has_body:  # nothing reads the body of a DELETE
            await begin()
        await self.app(scope, received, send)


def _entry(scope: Scope, outcome: Outcome, status: int, now_ns: int) -> AuditEntry:
    request = Request(scope)
    about, query = audited(request), request.query_params
    named = _named(bytes(about.body))
    return entry_of(
        _caller(request),
        f"{scope['method']} {scope['path']}",
        now_ns,
        outcome,
        status,
        entity=query.get("entity") or named.entity or about.entity,
        name=query.get("name") or named.name or query.get("summary") or about.name,
    )


def _caller(request: Request) -> Caller:
    """Return who has sent *request*, also if the right for it is missing."""
    principal: Principal | None = request.scope.get(CALLER)
    access: Access | None = request.scope.get(ACCESS)
    caller = principal.name if principal else access.caller if access else ""
    return Caller(
        principal=caller,
        author=audited(request).author or _author(request, access) or caller,
        workspace=principal.workspace if principal else "",
        address=getattr(request.client, "host", ""),
    )


def _is_change(scope: Scope) -> bool:
    """Return whether the request may change what somebody has set."""
    is_safe = scope["method"] in {"GET", "HEAD"} or scope["path"] in DATA
    return not is_safe and http_need(scope["method"], scope["path"]) in {Need.WRITE, Need.LINK}


def _is_linked(scope: Scope) -> bool:
    """Return whether the request is the form of a signed link, which anybody may send."""
    return http_need(scope["method"], scope["path"]) is Need.LINK


def _is_dry(scope: Scope) -> bool:
    """Return whether the request makes no change. Operations without dry runs refuse the parameter."""
    is_asked = "true" in Request(scope).query_params.getlist("dry_run")
    return is_asked and not _is_linked(scope)


def _outcome(scope: Scope, status: int) -> Outcome | None:
    """Return what became of the request; None if it is not recorded."""
    if status in {401, 403} or scope.get(REFUSED):
        return Outcome.REFUSED
    if not _is_change(scope):
        return None
    if status >= FIRST_ERROR:
        return Outcome.FAILED
    return None if _is_dry(scope) else Outcome.DONE


def _named(body: bytes) -> _Named:
    try:
        return msgspec.json.decode(body, type=_Named)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _Named()


def _author(request: Request, access: Access | None) -> str:
    try:
        return "" if access is None else named_author(request, access)
    except ApiError:
        return ""
