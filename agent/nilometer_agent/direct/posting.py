"""Posts a request within a time limit: no redirect, no proxy, and no body of the response is read."""

import http.client
import re
import socket
import ssl
import threading
from contextlib import closing, suppress
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from nilometer_agent.direct.requests import DirectRequest

TOTAL_SECONDS = 8.0
# Unlike the collector, whose channel can be corrected while it runs, an agent gives up at a wrong key.
REFUSED = frozenset({400, 401, 403, 404, 413, 415, 422})
_SECONDS = re.compile(r"[0-9]{1,6}")


class Outcome(NamedTuple):
    """What a receiver said.

    Attributes:
        is_told: Whether it has accepted the request.
        is_refused: Whether it will never accept it.
        reason: Reason why it has not, without the URL.
        wait_seconds: Wait before the next attempt that it asked for; 0 if none.
    """

    is_told: bool
    is_refused: bool = False
    reason: str = ""
    wait_seconds: float = 0.0

    @property
    def must_retry(self) -> bool:
        """Whether it has done neither, so that the request is sent again."""
        return not (self.is_told or self.is_refused)


def post(request: DirectRequest) -> Outcome:
    """Send *request*. Never raises for what a receiver or the network does."""
    parts = urlsplit(request.url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(
            host, port, timeout=TOTAL_SECONDS, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=TOTAL_SECONDS)
    )
    # A timeout of the socket starts again with each byte, so a receiver that drips needs this end.
    end = threading.Timer(TOTAL_SECONDS, _cut, (connection,))
    end.daemon = True
    end.start()
    try:
        with closing(connection):
            target = urlunsplit(("", "", parts.path, parts.query, ""))
            connection.request("POST", target, request.body, dict(request.headers))
            response = connection.getresponse()
            asked = response.getheader("retry-after", "")
            return _outcome(response.status, asked)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(is_told=False, reason=type(error).__name__)
    finally:
        end.cancel()


def _cut(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _outcome(status: int, asked: str) -> Outcome:
    if 200 <= status < 300:
        return Outcome(is_told=True)
    wait_seconds = float(asked) if _SECONDS.fullmatch(asked) else 0.0
    is_refused = status in REFUSED or 300 <= status < 400
    return Outcome(
        is_told=False, is_refused=is_refused, reason=f"status {status}", wait_seconds=wait_seconds
    )
