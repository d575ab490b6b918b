"""An HTTP transport that only connects to addresses that it has checked.

It resolves a host name once, checks all addresses, and connects to one of them. TLS verification
and the Host header use the name.
"""

import httpx
from anyio import to_thread

from nilometer_collector.access.destinations import (
    Allowed,
    Reach,
    addresses_of,
    known_refusal,
    reach_of,
)

MAX_ADDRESSES = 4  # most addresses of a host that are tried


class AddressRefused(httpx.TransportError):
    """A host has a forbidden address; the message names it and says how to allow it."""


class PinnedTransport(httpx.AsyncBaseTransport):
    """HTTP transport that only connects to allowed addresses, and uses no proxy.

    It refuses a host if any of its addresses is forbidden. Plain HTTP may only use loopback
    addresses, and private ones if *plain* is true.

    Args:
        allowed: Addresses to which it may connect, in addition to public ones.
        plain: Whether plain HTTP may go to an allowed private address.
    """

    def __init__(self, allowed: Allowed, *, plain: bool = False) -> None:
        self._allowed = allowed
        self._plain = {Reach.LOOPBACK, Reach.PRIVATE} if plain else {Reach.LOOPBACK}
        self._transport = httpx.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* to the first address that accepts a connection.

        Raises:
            AddressRefused: If one of its addresses is forbidden.
            OSError: If its host has no address.
        """
        host = request.url.raw_host.decode("ascii")
        if refusal := known_refusal(host, self._allowed):
            raise AddressRefused(refusal)
        # The thread is abandoned on cancellation, so that a hanging lookup cannot delay it.
        addresses = await to_thread.run_sync(addresses_of, host, abandon_on_cancel=True)
        for address in addresses:
            if refusal := self._allowed.refusal(host, address):
                raise AddressRefused(refusal)
            if request.url.scheme != "https" and reach_of(address) not in self._plain:
                kinds = " and ".join(sorted(reach.value for reach in self._plain))
                raise AddressRefused(
                    f"{host} resolves to {address}: use https, because http is allowed for {kinds} "
                    "addresses only"
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
