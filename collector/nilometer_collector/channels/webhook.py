"""One HTTP request to a webhook, bounded in time. The status of the answer decides.

`TOTAL_SECONDS` cover everything from the look-up of the name to the headers of the answer; its body
is not read. No proxy of the environment is used, no redirect is followed, and only addresses that
are allowed are connected to. The reason of a failure never holds the URL.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import httpx

from nilometer_collector.access.destinations import Destination
from nilometer_collector.channels.pinned import AddressRefused, PinnedTransport

TOTAL_SECONDS = 5.0
MAX_RETRY_AFTER_SECONDS = 600.0

# It would log the whole URL of every request.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Outcome(Enum):
    """What became of a request."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # this message will never be taken
    FAILED = "failed"  # try again


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of a request.

    Attributes:
        reason: Why it was not delivered, without the URL.
        wait_seconds: What the receiver asked for before the next try; 0 where it did not.
    """

    outcome: Outcome
    reason: str = ""
    wait_seconds: float = 0.0


Post: TypeAlias = Callable[[Destination, Mapping[str, object], str], Answer]

# The message itself is at fault: another one may pass, this one never will.
_REFUSED = frozenset({400, 413, 415, 422})


def post(destination: Destination, content: Mapping[str, object], key: str) -> Answer:
    """Post *content* as JSON to *destination*; a repeat carries the same *key*. Never raises."""
    return asyncio.run(_post(destination, content, key))


async def _post(destination: Destination, content: Mapping[str, object], key: str) -> Answer:
    body = json.dumps(content, allow_nan=False).encode()
    headers = {"content-type": "application/json", "idempotency-key": key}
    answer: Answer | None = None  # once it is here, a close that fails changes nothing
    reason = ""
    try:
        async with (
            asyncio.timeout(TOTAL_SECONDS),
            httpx.AsyncClient(
                transport=PinnedTransport(destination.allowed),
                trust_env=False,
                follow_redirects=False,
                timeout=TOTAL_SECONDS,
            ) as client,
            client.stream(
                "POST", destination.url.reveal(), content=body, headers=headers
            ) as response,
        ):
            answer = _answer(response)
    except (TimeoutError, httpx.TimeoutException):
        reason = f"no answer within {TOTAL_SECONDS:g} s"
    except AddressRefused as error:
        reason = str(error)
    except socket.gaierror:
        reason = "its host has no address"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        reason = type(error).__name__
    return answer or Answer(outcome=Outcome.FAILED, reason=reason)


def _answer(response: httpx.Response) -> Answer:
    status = response.status_code
    if response.is_success:
        return Answer(outcome=Outcome.DELIVERED)
    if status in _REFUSED:
        return Answer(outcome=Outcome.REFUSED, reason=f"status {status}")
    asked = response.headers.get("retry-after", "")
    wait = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0.0
    return Answer(
        outcome=Outcome.FAILED,
        reason=f"status {status}",
        wait_seconds=min(wait, MAX_RETRY_AFTER_SECONDS),
    )
