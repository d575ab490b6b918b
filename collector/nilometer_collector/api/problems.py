"""Error responses as RFC 9457 problem details. Details of an internal error are not sent."""

import http
import logging
import re

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nilometer.values.errors import ConfigError
from nilometer_collector.access.rights import Forbidden
from nilometer_collector.errors import Conflict, Refused, StoreUnavailable, TooMuch, Unknown

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL_CHARACTERS = 500

_KEY = re.compile(r"(?:^|: )([a-z][a-z_]*) = ")  # the key in ``key = value: must be ...``

log = logging.getLogger("nilometer.collector")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    field: str | msgspec.UnsetType = (
        msgspec.UNSET
    )  # the parameter, or the place in the body, that is not allowed


class ApiError(Exception):
    """A request error that is sent to the client as problem details.

    Args:
        status: HTTP status of the response, 4xx.
        detail: Description of the mistake, for the client.
        field: Parameter, or place in the body, that is not allowed; empty if it is none of them.
    """

    def __init__(self, status: int, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.field = status, detail, field


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, field: str = ""
) -> Response:
    """Make an error response with *status* and *detail*, which names a *field* of the request."""
    body = Problem(
        type="about:blank",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail[:MAX_DETAIL_CHARACTERS],
        field=field[:MAX_DETAIL_CHARACTERS] or msgspec.UNSET,
    )
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Respond to an error of the router, such as an unknown path or method."""
    assert isinstance(error, HTTPException)  # noqa: S101  the application registers only this type
    headers = dict(error.headers) if error.headers else None
    detail = {
        404: f"the path {request.url.path!r} does not exist",
        405: f"{request.method} is not allowed on this path",
    }.get(error.status_code, error.detail)
    return problem(error.status_code, detail, headers)


async def on_error(request: Request, error: Exception) -> Response:
    """Respond to an error that a handler raises on purpose."""
    del request
    match error:
        case ApiError():
            return problem(error.status, error.detail, field=error.field)
        case Forbidden():
            return problem(403, str(error))
        case Unknown():
            return problem(404, str(error))
        case Conflict():
            return problem(409, str(error))
        case TooMuch():
            return problem(422, str(error), field=error.field)
        case Refused() | ConfigError():
            named = _KEY.search(str(error))
            return problem(422, str(error), field=named[1] if named else "")
        case StoreUnavailable():
            log.error(
                "request failed, store unavailable: check the database's disk",
                extra={"reason": str(error)},
            )
            return problem(
                503, "the store cannot be read or written now; try again", {"retry-after": "1"}
            )
        case _:
            raise error


async def on_bug(request: Request, error: Exception) -> Response:
    """Respond to an internal error, which the server logs with its traceback."""
    del request, error
    return problem(500, "internal error of the collector: see its log")


EXPECTED = (
    ApiError,
    Forbidden,
    Refused,
    Unknown,
    Conflict,
    TooMuch,
    ConfigError,
    StoreUnavailable,
)
