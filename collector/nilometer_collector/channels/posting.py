"""Posts a message over HTTP within a time limit. The response status decides the outcome.

`TOTAL_SECONDS` is the limit from the name lookup to the response headers; the body is not read. The
request uses no proxy, follows no redirect, and connects to allowed addresses only. The reason of a
failure never contains the URL.
"""

import asyncio
import json
import logging
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
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
# Statuses after which the receiver may have accepted the message: it failed later, or the receiver
# behind a gateway has it. A receiver that answers 429 or 503 has not.
_MAY_HAVE_ARRIVED = frozenset({408, 500, 502, 504})
_SECONDS = re.compile(r"[0-9]{1,9}([.][0-9]{1,9})?")


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
    return Answer(
        outcome=Outcome.FAILED,
        reason=f"status {status}",
        wait_seconds=min(_wait_seconds(response.headers), MOST_WAIT_SECONDS),
        may_have_arrived=status in _MAY_HAVE_ARRIVED,
        status=status,
    )


def _wait_seconds(headers: httpx.Headers) -> float:
    """Return the wait that ``Retry-After`` asks for: seconds or an HTTP date; 0 if it is neither.

    A date is compared with that of the response, because the receiver's clock may differ.
    """
    asked = headers.get("retry-after", "")
    if _SECONDS.fullmatch(asked):
        return float(asked)
    until, now = _date_of(asked), _date_of(headers.get("date", ""))
    return 0.0 if until is None or now is None else max(until - now, 0.0)


def _date_of(text: str) -> float | None:
    """Return an HTTP date in Unix seconds; None if *text* is not one."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
