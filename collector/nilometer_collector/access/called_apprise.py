"""Sends one message by Apprise in a process of its own: ``python -m`` this module.

The message is JSON on standard input. The exit code is 0 if the receiver has accepted it, `NOT_SENT` if it
has not, `UNUSABLE` if the URL is wrong, and `ADDRESS_REFUSED` if an address is forbidden; the last line of
the output then says which.
"""

import ipaddress
import json
import logging
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nilometer_collector.access.destinations import Allowed

NOT_SENT, UNUSABLE, ADDRESS_REFUSED = 3, 4, 5
_NO_ADDRESS = "a connection to something else than an address was refused"
MOST_BYTES = 1 << 30  # address space: an endless response ends the process and nothing else


class Guard:
    """Checks the address of each connection that Python code of this process opens.

    Args:
        allowed: Addresses that a receiver may have, besides public ones.

    Attributes:
        refusals: Sentences about forbidden addresses.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self.refusals: list[str] = []

    def install(self) -> None:
        """Check connections from now on."""
        for name in ("connect", "connect_ex", "sendto"):
            setattr(socket.socket, name, self._checked(getattr(socket.socket, name)))

    def _checked(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def checked(connection: socket.socket, *given: Any) -> Any:
            self._check(connection.family, given[-1])
            return real(connection, *given)

        return checked

    def _check(self, family: int, address: Any) -> None:
        refusal = _NO_ADDRESS  # a name could mean another address later
        if family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0]).partition("%")[0]
            with suppress(ValueError):
                refusal = self._allowed.refusal(host, ipaddress.ip_address(host))
        if refusal:
            self.refusals.append(refusal)
            raise PermissionError(refusal)


def main() -> int:
    """Send the message of standard input; return the exit code."""
    told = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MOST_BYTES if hard == resource.RLIM_INFINITY else min(MOST_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    import apprise

    logging.disable(logging.CRITICAL)  # its lines name parts of URLs
    guard = Guard(Allowed.of("webhook_allow", told["allowed"]))
    if told["is_guarded"]:
        guard.install()
    sender = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
    if not sender.add(told["url"]):
        return UNUSABLE
    is_sent = sender.notify(
        title=told["title"], body=told["body"], notify_type=told["type"], body_format="text"
    )
    if guard.refusals:
        sys.stdout.write(f"\n{guard.refusals[-1]}\n")
        return ADDRESS_REFUSED
    return 0 if is_sent else NOT_SENT


if __name__ == "__main__":
    sys.exit(main())
