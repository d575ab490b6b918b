"""Posts a message over HTTP within a time limit. The response status decides the outcome.

`TOTAL_SECONDS` is the limit from the name lookup to the response headers; the body is not read. The
request uses no proxy, follows no redirect, and connects to allowed addresses only. The reason of a
failure never contains the URL.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import httpx

from nilometer_collector.access.destinations import Destination
from nilometer_collector.channels.pinned import AddressRefused, PinnedTransport
from nilometer_collector.store import MOST_WAIT_SECONDS

TOTAL_SECONDS = 5.0
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}

# At level INFO, these libraries log the URL of every request, which is a secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Outcome(Enum):
    """Outcome of a request."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # permanent, because the receiver will never accept this message
    FAILED = "failed"  # transient; a retry may succeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The outcome of a request.

    Attributes:
        reason: Reason why it was not delivered, without the URL.
        wait_seconds: Wait before the next attempt that the receiver asked for; 0 if none.
        may_have_arrived: Whether a failed request may have had its effect, because its response is
            lost.
        status: Status of the response; 0 without one.
    """

    outcome: Outcome
    reason: str = ""
    wait_seconds: float = 0.0
    may_have_arrived: bool = False
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request to a receiver. Its text is not shown, because headers may contain secrets."""

    destination: Destination
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_HEADERS, repr=False)


Post: TypeAlias = Callable[[Destination, Mapping[str, object], str], Answer]

# Statuses that mean that the receiver will never accept this message, but may accept others.
_REFUSED = frozenset({400, 413, 415, 422})
_OF_GATEWAYS = frozenset({502, 504})  # the receiver behind the gateway may have got the message


def post(destination: Destination, content: Mapping[str, object], key: str) -> Answer:
    """Post *content* as JSON to *destination*. Never raises.

    Args:
        destination: Webhook to post to.
        content: Message, as JSON values.
        key: Idempotency key, equal for each attempt, so that the receiver can detect a repetition.
    """
    return send(Request(destination=destination, body=as_json(content)), key)


def as_json(content: object) -> bytes:
    """Return *content* as JSON."""
    return json.dumps(content, allow_nan=False).encode()


def send(request: Request, key: str) -> Answer:
    """Post *request* with the idempotency *key*. Never raises."""
    return asyncio.run(_send(request, key))


async def _send(request: Request, key: str) -> Answer:
    headers = {**request.headers, "idempotency-key": key}
    destination = request.destination
    answer: Answer | None = None  # an error while closing does not change it
    reason = ""
    has_begun = False

    async def trace(step: str, _: object) -> None:
        nonlocal has_begun
        has_begun = has_begun or "send_request_headers" in step

    try:
        async with (
            asyncio.timeout(TOTAL_SECONDS),
            httpx.AsyncClient(
                transport=PinnedTransport(destination.allowed, plain=destination.plain),
                trust_env=False,
                follow_redirects=False,
                timeout=TOTAL_SECONDS,
            ) as client,
            client.stream(
                "POST",
                destination.url.reveal(),
                content=request.body,
                headers=headers,
                extensions={"trace": trace},
            ) as response,
        ):
            answer = _answer(response)
    except (TimeoutError, httpx.TimeoutException):
        reason = f"no response within {TOTAL_SECONDS:g} s"
    except AddressRefused as error:
        reason = str(error)
    except socket.gaierror:
        reason = "the host name of the webhook does not resolve"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        reason = type(error).__name__
    return answer or Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=has_begun)


def _answer(response: httpx.Response) -> Answer:
    status = response.status_code
    if response.is_success:
        return Answer(outcome=Outcome.DELIVERED, status=status)
    if status in _REFUSED:
        return Answer(outcome=Outcome.REFUSED, reason=f"status {status}", status=status)
    asked = response.headers.get("retry-after", "")
    wait = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0.0
    return Answer(
        outcome=Outcome.FAILED,
        reason=f"status {status}",
        wait_seconds=min(wait, MOST_WAIT_SECONDS),
        may_have_arrived=status in _OF_GATEWAYS,
        status=status,
    )
