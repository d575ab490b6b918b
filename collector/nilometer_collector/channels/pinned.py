"""An HTTP transport that looks a host up once, checks its addresses and connects to one of them.

The name is not looked up again between check and connection. It stays what TLS verifies and what
the Host header says.
"""

import httpx
from anyio import to_thread

from nilometer_collector.access.destinations import Allowed, Reach, addresses_of, reach_of

MAX_ADDRESSES = 4  # that are tried


class AddressRefused(httpx.TransportError):
    """A host is at an address that is not allowed; the message says which, and what to do."""


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to allowed addresses only, without a proxy.

    A host with one address that is not allowed is refused as a whole. Plain HTTP goes to loopback
    addresses only.

    Args:
        allowed: What may be connected to beside public addresses.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._transport = httpx.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* to the first address that takes a connection.

        Raises:
            AddressRefused: If its host is at an address that is not allowed.
            OSError: If its host has no address.
        """
        host = request.url.raw_host.decode("ascii")
        # Abandoned when the request is cancelled: a lookup that hangs delays nothing.
        addresses = await to_thread.run_sync(addresses_of, host, abandon_on_cancel=True)
        for address in addresses:
            if refusal := self._allowed.refusal(host, address):
                raise AddressRefused(refusal)
            if request.url.scheme != "https" and reach_of(address) is not Reach.LOOPBACK:
                raise AddressRefused(
                    f"{host} is at {address}: http goes to loopback addresses only"
                )
        tried = addresses[:MAX_ADDRESSES]
        timeout = dict(request.extensions["timeout"])
        timeout["connect"] /= len(tried)
        extensions = {**request.extensions, "sni_hostname": host, "timeout": timeout}
        failure: httpx.TransportError | None = None
        for address in tried:
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                extensions=extensions,
            )
            try:
                return await self._transport.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or httpx.ConnectError("no address")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()
