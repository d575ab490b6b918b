"""What every answer carries, and which hosts are answered: pure ASGI, around everything."""

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
    """Adds the headers that keep a browser from being turned against the reader.

    A request whose Host is neither this machine nor the public URL's host is refused: a page of
    another site that had its name point here could read everything otherwise.

    Args:
        app: What is shielded.
        public_host: Host of the public URL; empty where there is none.
    """

    def __init__(self, app: ASGIApp, public_host: str = "") -> None:
        self.app = app
        self.public_host = public_host.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, add headers to the answer."""
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
            answer = problem(421, "the Host header names neither this machine nor public_url")
            await answer(scope, receive, shielded)
            return
        await self.app(scope, receive, shielded)

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]
        return not host or is_loopback(name) or name.lower() == self.public_host
