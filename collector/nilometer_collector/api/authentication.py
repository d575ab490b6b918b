"""ASGI middleware that authenticates requests to the API and the pages and checks their rights.

A program sends its token in ``Authorization: Bearer``. A browser posts the token once to ``/login``
and gets a session cookie, which scripts cannot read and other sites cannot send. Sessions are kept
in memory: a log-out ends one, and a restart ends all of them. To revoke a token, remove it from the
settings and restart. A log-in, or a change that a cookie authorizes, must come from a page of this
collector.
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
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer_collector.access.needs import Need, http_methods, http_need
from nilometer_collector.access.principals import Principal
from nilometer_collector.access.rights import Access, Forbidden, Gate, Unauthenticated
from nilometer_collector.access.workspaces import NO_WORKSPACES, Workspaces
from nilometer_collector.api.problems import problem
from nilometer_collector.api.sessions import SESSION_SECONDS, Sessions

CALLER = "nilometer.caller"  # key of the ASGI scope that holds the principal, if it is known
ACCESS = "nilometer.access"  # key of the ASGI scope that holds the rights of the request
COOKIE = "nilometer_session"
MAX_FORM_BYTES = 4096
MAX_REQUESTS = 64  # concurrent requests of one principal
SAFE = {"GET", "HEAD", "OPTIONS"}
FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<title>nilometer: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>nilometer</h1>{said}<form method="post" action="/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></form></main></body></html>
"""
# Other responses have no-referrer. With it, a browser would post the form with `Origin: null`.
FORM_HEADERS = {"cache-control": "no-store", "referrer-policy": "same-origin"}

log = logging.getLogger("nilometer.collector")


class Authentication:
    """ASGI middleware that authenticates requests by token or session and checks their rights.

    Args:
        app: Protected application.
        principals: Principals of the collector. If none has a token with HTTP rights, every
            request is allowed; the server then listens on loopback only.
        clock: Clock for the end of sessions and for the log.
        secure: Whether the server uses TLS; the cookie is then sent over TLS only.
        public_url: Public URL of the pages, for a proxy that terminates TLS; empty without one.
        workspaces: Workspaces that principals may belong to.
    """

    def __init__(
        self,
        app: ASGIApp,
        principals: Sequence[Principal],
        clock: Clock,
        workspaces: Workspaces = NO_WORKSPACES,
        *,
        secure: bool,
        public_url: str = "",
    ) -> None:
        self.app = app
        self._principals = {one.name: one for one in principals if one.uses_http}
        self._gate = Gate(self._principals.values(), workspaces)
        self._sessions = Sessions(clock)
        self._held: Counter[str] = Counter()
        self._clock = clock
        self._refused = 0
        self._once = OnceEvery(MINUTE_SECONDS)
        self._secure = secure
        self._public_origin = _origin(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or respond with an error."""
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
            answer = problem(
                429, "this principal has too many requests in progress", {"retry-after": "1"}
            )
            await answer(scope, receive, send)
            return
        self._held[name] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._held[name] -= 1

    async def _answer(self, request: Request) -> Response | None:
        """Return the response of this middleware; None if the application must respond."""
        path, method = request.url.path, request.method
        if path == "/login" and method in {"GET", "HEAD"}:
            return _form(200)
        if path == "/login" and method == "POST":
            return await self._log_in(request)
        by_cookie = "authorization" not in request.headers
        principal = self._by_cookie(request) if by_cookie else self._by_token(request)
        request.scope[CALLER] = principal
        need = http_need(method, path)
        try:
            access = self._gate.enter(
                need or (Need.READ if method in SAFE else Need.WRITE), principal
            )
        except Unauthenticated:
            return _unauthenticated(request)
        except Forbidden as error:
            return problem(403, str(error))
        if by_cookie and method not in SAFE and not self._from_our_page(request):
            return problem(
                403, "with a session cookie, a change must come from a page of this collector"
            )
        if need is None:
            allowed = [*(http_methods(path) or ("GET",))]
            allowed += ["HEAD"] if "GET" in allowed else []
            return problem(
                405, f"{method} is not allowed on this path", {"allow": ", ".join(allowed)}
            )
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
            return problem(403, "log in from the log-in page of this collector")
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM_BYTES:
                    return problem(413, f"the form must be at most {MAX_FORM_BYTES} bytes")
        except ClientDisconnect:
            return problem(400, "the connection ended before the whole form arrived")
        token = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        principal = self._gate.known(token.strip())
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
        """Log a refused log-in, at most once a minute, because anybody can cause refusals."""
        self._refused += 1
        if self._once.due(self._clock.monotonic()):
            log.warning(
                "log-in refused: no principal with read or write has this token",
                extra={"peer": peer, "since_start": self._refused},
            )

    def _from_our_page(self, request: Request) -> bool:
        """Whether the browser says that the request comes from a page of this collector.

        At least one of ``Sec-Fetch-Site`` and ``Origin`` must be present, and each present header
        must name this collector.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is None and origin is None:
            return False
        scheme = "https" if self._secure else "http"
        ours = {_origin(f"{scheme}://{request.headers.get('host', '')}"), self._public_origin}
        fine = origin is None or (_origin(origin) != "" and _origin(origin) in ours)
        return fine and site in {None, "same-origin"}


def access_of(request: Request) -> Access:
    """Return the rights that the middleware has stored in *request*."""
    access: Access = request.scope[ACCESS]
    return access


def _cookie(headers: Headers) -> str:
    """Return the session secret from the cookie, or an empty text."""
    try:
        crumb = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return crumb.value if crumb else ""


def _origin(url: str) -> str:
    """Return the origin of *url*, always with a port; empty if it is not an http or https URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and port else ""


def _unauthenticated(request: Request) -> Response:
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith("/api/"):
        return RedirectResponse("/login", 303, {"cache-control": "no-store"})
    return problem(
        401, "send a principal's token as a bearer token", {"www-authenticate": "Bearer"}
    )


def _form(status: int) -> Response:
    said = "" if status == 200 else '<p role="alert">This token does not give access.</p>'
    return HTMLResponse(FORM.format(said=said), status, FORM_HEADERS)
