"""Errors as RFC 9457 problem details. Nothing of a fault of ours leaves but that it happened."""

import http
import logging

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nilometer.values.errors import ConfigError
from nilometer_collector.access.rights import Forbidden
from nilometer_collector.errors import StoreUnavailable, TooMuch, Unknown

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL_CHARACTERS = 500

log = logging.getLogger("nilometer.collector")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str


class ApiError(Exception):
    """A request that is answered with a problem.

    Args:
        status: Of the answer, 4xx.
        detail: What is wrong, for the one who asked.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The answer for *status*."""
    body = Problem(
        type="about:blank",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail[:MAX_DETAIL_CHARACTERS],
    )
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


async def on_http_error(request: Request, error: Exception) -> Response:
    """What the router refused: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it alone
    headers = dict(error.headers) if error.headers else None
    detail = {
        404: f"there is nothing at {request.url.path!r}",
        405: f"{request.method} is not allowed here",
    }.get(error.status_code, error.detail)
    return problem(error.status_code, detail, headers)


async def on_error(request: Request, error: Exception) -> Response:
    """What a handler raised on purpose."""
    del request
    match error:
        case ApiError():
            return problem(error.status, error.detail)
        case Forbidden():
            return problem(403, str(error))
        case Unknown():
            return problem(404, str(error))
        case TooMuch() | ConfigError():
            return problem(422, str(error))
        case StoreUnavailable():
            log.error("store unavailable", extra={"reason": str(error)})
            return problem(503, "the store cannot be read or written now", {"retry-after": "1"})
        case _:
            raise error


async def on_bug(request: Request, error: Exception) -> Response:
    """A fault of ours; the server logs it with its traceback."""
    del request, error
    return problem(500, "a fault of the collector; its log says more")


EXPECTED = (ApiError, Forbidden, Unknown, TooMuch, ConfigError, StoreUnavailable)
