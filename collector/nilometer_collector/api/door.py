"""Who may read and change what the HTTP server has: pure ASGI, around the API and the pages.

A program comes with ``Authorization: Bearer``. A browser posts the token once to ``/login`` and
gets a cookie that no script can read and no other site can send; the cookie is signed with a key of
this process, so a restart, which is also how a token is taken back, ends every session. A change
that comes by cookie must also come from a page of ours.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from nilometer.values.clock import NANOSECONDS, Clock
from nilometer_collector.access.principals import HttpAccess, Principal, principal_of
from nilometer_collector.api.problems import problem

COOKIE = "nilometer_session"
SESSION_SECONDS = 12 * 3600
MAX_FORM_BYTES = 4096
OPEN = {"/healthz"}  # says that the process answers, and nothing else
SAFE = {"GET", "HEAD", "OPTIONS"}
KEY_BYTES = 32
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


class Door:
    """Lets in whose token a principal's is, as far as its ``http`` goes.

    Args:
        app: What is guarded.
        principals: Who may. Where none has an ``http`` of its own, everybody is let in: the address
            is a loopback one then.
        clock: Wall time, for the end of a session.
        secure: Whether the server speaks TLS, so that the cookie is for TLS only.
    """

    def __init__(
        self, app: ASGIApp, principals: Sequence[Principal], clock: Clock, *, secure: bool
    ) -> None:
        self.app = app
        self._principals = {one.name: one for one in principals if one.http != "none"}
        self._clock = clock
        self._secure = secure
        self._key = secrets.token_bytes(KEY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say what is missing."""
        if scope["type"] != "http" or not self._principals or scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        answer = await self._answer(Request(scope, receive))
        await (answer or self.app)(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """What to say in place of the application; None lets the request through."""
        path, method = request.url.path, request.method
        if path == "/login" and method in {"GET", "HEAD"}:
            return _form(200)
        if path == "/login" and method == "POST":
            return await self._log_in(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        by_cookie = not scheme
        allowed: HttpAccess = "none"
        if by_cookie:
            allowed = self._of_session(request.headers)
        elif scheme.lower() == "bearer":
            principal = principal_of(tuple(self._principals.values()), token.strip())
            allowed = principal.http if principal else "none"
        if allowed == "none":
            return _stranger(request)
        if method in SAFE:
            return None
        if by_cookie and not _from_our_page(request.headers):
            return problem(403, "a change by cookie must come from a page of this collector")
        if path == "/logout" and method == "POST":
            gone = RedirectResponse("/login", 303)
            gone.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._secure)
            return gone
        if allowed != "write":
            return problem(403, "this token may read only: its principal needs http = 'write'")
        return None

    async def _log_in(self, request: Request) -> Response:
        if not _from_our_page(request.headers):
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
        principal = principal_of(tuple(self._principals.values()), given.strip())
        if principal is None:
            log.warning("log-in refused", extra={"peer": getattr(request.client, "host", "")})
            return _form(401)
        entered = RedirectResponse("/", 303, {"cache-control": "no-store"})
        entered.set_cookie(
            COOKIE,
            self._session(principal.name),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )
        return entered

    def _session(self, name: str) -> str:
        ends = self._clock.now_ns() // NANOSECONDS + SESSION_SECONDS
        content = f"{ends} {name}".encode()
        signed = hmac.digest(self._key, content, hashlib.sha256) + content
        return base64.urlsafe_b64encode(signed).decode().rstrip("=")

    def _of_session(self, headers: Headers) -> HttpAccess:
        try:
            crumb = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
            text = crumb.value if crumb else ""
            signed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (CookieError, binascii.Error, ValueError):
            return "none"
        digest, content = signed[:KEY_BYTES], signed[KEY_BYTES:]
        if not hmac.compare_digest(digest, hmac.digest(self._key, content, hashlib.sha256)):
            return "none"
        ends, _, name = content.decode().partition(" ")
        if int(ends) <= self._clock.now_ns() // NANOSECONDS:
            return "none"
        return self._principals[name].http


def _stranger(request: Request) -> Response:
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if wants_page and not request.url.path.startswith("/api/"):
        return RedirectResponse("/login", 303, {"cache-control": "no-store"})
    return problem(
        401, "send the token of a principal as a bearer token", {"www-authenticate": "Bearer"}
    )


def _from_our_page(headers: Headers) -> bool:
    """Whether a browser says that one of our own pages sent this."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(headers.get("origin", "")).netloc
    return bool(origin) and origin.lower() == headers.get("host", "").lower()


def _form(status: int) -> Response:
    said = "" if status == 200 else '<p role="alert">No principal may read with this token.</p>'
    return HTMLResponse(FORM.format(said=said), status, FORM_HEADERS)
