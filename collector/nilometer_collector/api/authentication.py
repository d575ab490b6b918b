"""Authentication and rights of HTTP requests: an ASGI middleware around the API and the pages.

A program comes with ``Authorization: Bearer``. A browser posts the token once to ``/login`` and
gets a cookie that no script can read and no other site can send. The cookie names a session that
this process knows: a log-out ends it, and a restart, which is also how a token is taken back, ends
every session. A log-in, and a change that comes by cookie, must come from a page of this collector.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from nilometer.values.clock import Clock
from nilometer.values.once import OnceAMinute
from nilometer_collector.access.principals import Principal
from nilometer_collector.access.rights import Access, Forbidden, Gate, Stranger
from nilometer_collector.access.table import Need, http_methods, http_need
from nilometer_collector.api.problems import problem
from nilometer_collector.api.sessions import SESSION_SECONDS, Sessions

ACCESS = "nilometer.access"  # key of the scope: what the request may do
COOKIE = "nilometer_session"
MAX_FORM_BYTES = 4096
MAX_REQUESTS = 64  # of one principal at once
SAFE = {"GET", "HEAD", "OPTIONS"}
FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>nilometer: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>nilometer</h1>{said}<form method="post" action="/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></form></main></body></html>
"""
# Under no-referrer, which the rest has, a browser sends `Origin: null` with a form.
FORM_HEADERS = {"cache-control": "no-store", "referrer-policy": "same-origin"}

log = logging.getLogger("nilometer.collector")


class Authentication:
    """ASGI middleware that admits requests by token or session, within the rights of the principal.

    Args:
        app: Application that is protected.
        principals: Principals that may be admitted. Where none has a token with a right to HTTP,
            every request is admitted: the address is a loopback one then.
        clock: Clock for the end of sessions and for the log.
        secure: Whether the server speaks TLS, so that the cookie is for TLS only.
        public_url: URL of the pages, where a proxy in front of them terminates TLS.
    """

    def __init__(
        self,
        app: ASGIApp,
        principals: Sequence[Principal],
        clock: Clock,
        *,
        secure: bool,
        public_url: str = "",
    ) -> None:
        self.app = app
        self._principals = {one.name: one for one in principals if one.uses_http}
        self._gate = Gate(self._principals.values())
        self._sessions = Sessions(clock)
        self._held: Counter[str] = Counter()
        self._clock = clock
        self._refused = 0
        self._once = OnceAMinute()
        self._secure = secure
        self._public_origin = _origin(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say what is missing."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._gate.is_open:
            scope[ACCESS] = Access(None, Need.NOTHING)
            await self.app(scope, receive, send)
            return
        answer = await self._answer(Request(scope, receive))
        if answer is not None or ACCESS not in scope:
            await (answer or self.app)(scope, receive, send)
            return
        name = scope[ACCESS].principal.name if scope[ACCESS].principal else ""
        if name and self._held[name] >= MAX_REQUESTS:
            answer = problem(429, "too many requests of one principal", {"retry-after": "1"})
            await answer(scope, receive, send)
            return
        self._held[name] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._held[name] -= 1

    async def _answer(self, request: Request) -> Response | None:
        """What to say in place of the application; None lets the request through."""
        path, method = request.url.path, request.method
        if path == "/login" and method in {"GET", "HEAD"}:
            return _form(200)
        if path == "/login" and method == "POST":
            return await self._log_in(request)
        by_cookie = "authorization" not in request.headers
        principal = self._by_cookie(request) if by_cookie else self._by_token(request)
        need = http_need(method, path)
        try:
            access = self._gate.enter(
                need or (Need.READ if method in SAFE else Need.WRITE), principal
            )
        except Stranger:
            return _stranger(request)
        except Forbidden as error:
            return problem(403, str(error))
        if by_cookie and method not in SAFE and not self._from_our_page(request):
            return problem(403, "a change by cookie must come from a page of this collector")
        if need is None:
            allowed = [*(http_methods(path) or ("GET",)), "HEAD"]
            return problem(405, f"{method} is not allowed here", {"allow": ", ".join(allowed)})
        if path == "/logout":
            return self._log_out(request)
        request.scope[ACCESS] = access
        return None

    def _by_token(self, request: Request) -> Principal | None:
        scheme, _, token = request.headers["authorization"].partition(" ")
        return self._gate.known(token.strip()) if scheme.lower() == "bearer" else None

    def _by_cookie(self, request: Request) -> Principal | None:
        name = self._sessions.principal(_cookie(request.headers))
        return None if name is None else self._principals[name]

    def _log_out(self, request: Request) -> Response:
        self._sessions.end(_cookie(request.headers))
        gone = RedirectResponse("/login", 303)
        gone.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._secure)
        return gone

    async def _log_in(self, request: Request) -> Response:
        if not self._from_our_page(request):
            return problem(403, "log in from the page of this collector")
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM_BYTES:
                    return problem(413, f"a form of at most {MAX_FORM_BYTES} bytes")
        except ClientDisconnect:
            return problem(400, "the form was cut off")
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        principal = self._gate.known(given.strip())
        if principal is None:
            self._tell_refused(getattr(request.client, "host", ""))
            return _form(401)
        self._sessions.end(_cookie(request.headers))
        entered = RedirectResponse("/", 303, {"cache-control": "no-store"})
        entered.set_cookie(
            COOKIE,
            self._sessions.begin(principal.name),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )
        return entered

    def _tell_refused(self, peer: str) -> None:
        """Log a log-in that was refused, at most once a minute: anybody can make one."""
        self._refused += 1
        if self._once.due(self._clock.monotonic()):
            log.warning("log-in refused", extra={"peer": peer, "since_start": self._refused})

    def _from_our_page(self, request: Request) -> bool:
        """Whether a browser says that a page of this collector sent this.

        Each of ``Sec-Fetch-Site`` and ``Origin`` must say so where it is sent, and one must be.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is None and origin is None:
            return False
        scheme = "https" if self._secure else "http"
        ours = {_origin(f"{scheme}://{request.headers.get('host', '')}"), self._public_origin}
        fine = origin is None or (_origin(origin) != "" and _origin(origin) in ours)
        return fine and site in {None, "same-origin"}


def access_of(request: Request) -> Access:
    """Return what the middleware found that *request* may do."""
    access: Access = request.scope[ACCESS]
    return access


def _cookie(headers: Headers) -> str:
    """The secret of a session that a browser sent, or empty."""
    try:
        crumb = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return crumb.value if crumb else ""


def _origin(url: str) -> str:
    """Scheme, host and port of *url*, with the scheme's own port; empty for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""


def _stranger(request: Request) -> Response:
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith("/api/"):
        return RedirectResponse("/login", 303, {"cache-control": "no-store"})
    return problem(
        401, "send the token of a principal as a bearer token", {"www-authenticate": "Bearer"}
    )


def _form(status: int) -> Response:
    said = "" if status == 200 else '<p role="alert">No principal may read with this token.</p>'
    return HTMLResponse(FORM.format(said=said), status, FORM_HEADERS)
