"""The HTTP status and the outcome of a gRPC call."""

import asyncio
from enum import Enum, auto
from typing import TypeAlias

import grpc

from nilometer.values.reasons import Outcome

Code: TypeAlias = grpc.StatusCode | int | None  # `grpc.aio` uses numbers

# The HTTP status for each code, as in google.rpc.Code; 499 for a client that disconnected.
STATUSES = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}

# A call that ends with less than this share of the client's deadline, or with fewer seconds left,
# ends because of it: a handler that passes the deadline on gives up a little earlier.
NEAR_SHARE = 0.1
NEAR_SECONDS = 0.05


class Deadline(Enum):
    """Where the deadline of the client is, seen from the end of a call."""

    NONE = auto()
    AHEAD = auto()
    NEAR = auto()
    PAST = auto()
    UNKNOWN = auto()

    @classmethod
    def of(cls, remaining: float | None, elapsed: float) -> "Deadline":
        """Return where a deadline is.

        Args:
            remaining: Seconds until the deadline; None if there is none.
            elapsed: Seconds since the start of the call.
        """
        if remaining is None:
            return cls.NONE
        if remaining <= 0:
            return cls.PAST
        near = max(NEAR_SECONDS, NEAR_SHARE * (elapsed + remaining))
        return cls.NEAR if remaining < near else cls.AHEAD


# With one of these, a handler that reports an exceeded deadline means another one than that of the
# client, such as that of a database.
_IN_TIME = frozenset({Deadline.NONE, Deadline.AHEAD})


def ended(
    code: Code,
    error: BaseException | None,
    *,
    left: bool,
    deadline: Deadline = Deadline.UNKNOWN,
) -> tuple[int, str]:
    """Return the HTTP status and the outcome of a call.

    Args:
        code: Status code of the call; None or 0 if none was set.
        error: Exception that the handler raised; None also after `abort`, which sets a code.
        left: Whether the call ended before the server had ended it: only a client does that.
        deadline: Where the deadline of the client is.
    """
    if isinstance(error, asyncio.CancelledError):
        return 499, Outcome.CLIENT_LEFT.value
    if isinstance(code, int):
        code = next((one for one in grpc.StatusCode if one.value[0] == code), None)
    if error is not None and code in {None, grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN}:
        return 500, Outcome.EXCEPTION.value
    status = STATUSES.get(code, 500) if code is not None else 200
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        # The client does not wait any longer than its deadline.
        own = deadline in _IN_TIME
        return status, (Outcome.SERVER_ERROR if own else Outcome.CLIENT_LEFT).value
    if status == 499 and not left:
        return 500, Outcome.SERVER_ERROR.value  # the server cancelled, and the client waited
    if status < 400 or status == 499:
        return (499, Outcome.CLIENT_LEFT.value) if left else (status, Outcome.OK.value)
    return status, (Outcome.CLIENT_ERROR if status < 500 else Outcome.SERVER_ERROR).value
