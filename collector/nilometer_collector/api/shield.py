"""ASGI middleware that adds security headers and refuses unknown hosts."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nilometer_collector.access.addresses import is_loopback
from nilometer_collector.api.problems import problem

HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Shield:
    """Adds security headers to every response and refuses requests for unknown hosts.

    The Host header must name this machine or the host of the public URL. This prevents DNS
    rebinding: another site could otherwise let its name point to this server and read its data.

    Args:
        app: Protected application.
        public_host: Host of the public URL; empty without one.
    """

    def __init__(self, app: ASGIApp, public_host: str = "") -> None:
        self.app = app
        self.public_host = public_host.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, and add headers to the response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if not self._is_ours(Headers(scope=scope).get("host", "")):
            answer = problem(
                421, "the Host header names neither this machine nor the host of public_url"
            )
            await answer(scope, receive, shielded)
            return
        await self.app(scope, receive, shielded)

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]
        return not host or is_loopback(name) or name.lower() == self.public_host
