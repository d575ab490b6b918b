"""ASGI middleware that adds each change, and each refused request, to the audit log.

It stands outside the authentication, so that no operation can be forgotten: every request that needs
the right to write is recorded before its answer is sent.
"""

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nilometer.values.clock import Clock
from nilometer_collector.access.needs import Need, http_need
from nilometer_collector.access.principals import Principal
from nilometer_collector.access.rights import Access
from nilometer_collector.api.authentication import ACCESS, CALLER
from nilometer_collector.api.authors import named_author
from nilometer_collector.api.problems import REFUSED, ApiError
from nilometer_collector.audit import Auditor
from nilometer_collector.store import AuditEntry, Outcome

# Data that programs send all the time. What it changes is data, not what anybody has set.
DATA = {"/api/v1/samples", "/api/v1/ground-truth", "/api/v1/alerters/reports"}
MOST_BODY_BYTES = 65_536  # bytes of a body in which the object's name is looked for
FIRST_ERROR = 400


class _Named(msgspec.Struct):
    """The names at the top of a body."""

    entity: str = ""
    name: str = ""


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
        is_change = http_need(scope["method"], scope["path"]) in {Need.WRITE, Need.LINK}
        body = bytearray()

        async def received() -> Message:
            message = await receive()
            if is_change and len(body) < MOST_BODY_BYTES:
                body.extend(message.get("body", b""))
            return message

        async def recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                outcome = _outcome(scope, message["status"], is_change=is_change)
                if outcome is not None:
                    entry = self._entry(scope, bytes(body), outcome, message["status"])
                    await to_thread.run_sync(self._auditor.add, entry)
            await send(message)

        await self.app(scope, received, recorded)

    def _entry(self, scope: Scope, body: bytes, outcome: Outcome, status: int) -> AuditEntry:
        request = Request(scope)
        principal: Principal | None = scope.get(CALLER)
        access: Access | None = scope.get(ACCESS)
        caller = principal.name if principal else access.caller if access else ""
        query, named = request.query_params, _named(body)
        return AuditEntry(
            at_ns=self._clock.now_ns(),
            principal=caller,
            author=_author(request, access) or caller,
            workspace=principal.workspace if principal else "",
            address=getattr(request.client, "host", ""),
            operation=f"{scope['method']} {scope['path']}",
            entity=query.get("entity", named.entity),
            name=query.get("name") or named.name or query.get("summary", ""),
            outcome=outcome,
            status=status,
        )


def _outcome(scope: Scope, status: int, *, is_change: bool) -> Outcome | None:
    """Return what became of the request; None if it is not recorded."""
    if status in {401, 403} or scope.get(REFUSED):
        return Outcome.REFUSED
    if not is_change or scope["method"] in {"GET", "HEAD"} or scope["path"] in DATA:
        return None
    if status >= FIRST_ERROR:
        return Outcome.FAILED
    is_dry = "true" in Request(scope).query_params.getlist("dry_run")
    return None if is_dry else Outcome.DONE


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
