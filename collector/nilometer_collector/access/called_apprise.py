"""Sends one message by Apprise in a process of its own: ``python -m`` this module.

The message is JSON on standard input. The exit code is 0 if the receiver has accepted it, and `NOT_SENT` if
it has not. The last line of the output says why if the URL cannot be used (`UNUSABLE`), or if it was not
accepted and an address is forbidden: before any connection (`ADDRESS_REFUSED`), or while another address
was used (`PARTLY_REFUSED`), because a name may have several, and a URL several receivers.
"""

import ipaddress
import json
import logging
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from nilometer_collector.access.apprise_plugins import Unusable, made_of
from nilometer_collector.access.destinations import Allowed

NOT_SENT, UNUSABLE, ADDRESS_REFUSED, PARTLY_REFUSED = 3, 4, 5, 6
_NO_ADDRESS = "a connection to something else than an address was refused"
MOST_BYTES = 1 << 30  # address space: an endless response ends the process and nothing else


class Guard:
    """Checks the address of each connection that Python code of this process opens.

    Args:
        allowed: Addresses that a receiver may have, besides public ones.

    Attributes:
        refusals: Sentences about forbidden addresses.
        has_passed: Whether any address was allowed.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self.refusals: list[str] = []
        self.has_passed = False

    def install(self) -> None:
        """Check connections from now on."""
        for name in ("connect", "connect_ex", "sendto"):
            setattr(socket.socket, name, self._checked(getattr(socket.socket, name), -1))
        # Its address is the last of four arguments, and may be left out on a connected socket.
        socket.socket.sendmsg = self._checked(socket.socket.sendmsg, 3)  # type: ignore[method-assign]

    def _checked(self, real: Callable[..., Any], place: int) -> Callable[..., Any]:
        """Return *real* with a check of the argument at *place* before it, if there is one."""

        def checked(connection: socket.socket, *given: Any) -> Any:
            address = given[place] if place < len(given) else None
            if address is not None:
                self._check(connection.family, address)
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
        self.has_passed = True


def send(told: Mapping[str, Any], guard: Guard) -> tuple[int, str]:
    """Send a message; return the exit code, and the sentence that belongs to it.

    Args:
        told: URL, title, body and type of the message.
        guard: Guard of the connections, which is installed, or has nothing to check.
    """
    import apprise

    sender = apprise.Apprise()
    try:
        sender.add(made_of(told["url"]))  # a text could be several URLs to it
    except Unusable as error:
        return UNUSABLE, f"url: {error}"
    is_sent = sender.notify(
        title=told["title"], body=told["body"], notify_type=told["type"], body_format="text"
    )
    if is_sent:  # if an address was refused, another one of the same name was used
        return 0, ""
    if guard.refusals:
        return PARTLY_REFUSED if guard.has_passed else ADDRESS_REFUSED, guard.refusals[-1]
    return NOT_SENT, ""


def main() -> int:
    """Send the message of standard input; return the exit code."""
    told = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MOST_BYTES if hard == resource.RLIM_INFINITY else min(MOST_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    logging.disable(logging.CRITICAL)  # lines of the library name parts of URLs
    guard = Guard(Allowed.of("webhook_allow", told["allowed"]))
    if told["is_guarded"]:
        guard.install()
    code, reason = send(told, guard)
    sys.stdout.write(f"\n{reason}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
