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
from nilometer_collector.declared.kind import Misdeclared
from nilometer_collector.errors import Busy, Conflict, Refused, StoreUnavailable, TooMuch, Unknown

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL_CHARACTERS = 1000
REFUSED = "nilometer.refused"  # key of the ASGI scope of a request without the right

# The key in ``key = value: must be ...``, in ``RANGE needs the parameter 'high'``, and in
# ``channel 'pager': secrets: needs ...``.
_KEY = re.compile(r"(?:^|: )([a-z][a-z_]*) = |needs the parameter '(\w+)'|: (settings|secrets): ")

log = logging.getLogger("nilometer.collector")


class RowProblem(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why one row of a body is refused."""

    row: int  # position in the body, from 0
    status: int  # 403, 409 or 422
    field: str  # place in the row; empty for the whole row
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    field: str | msgspec.UnsetType = (
        msgspec.UNSET
    )  # wrong parameter, or place of the mistake in the body
    stored: int | msgspec.UnsetType = msgspec.UNSET  # number of stored rows if others are refused
    rows: list[RowProblem] | msgspec.UnsetType = msgspec.UNSET  # refused rows


class RowsRefused(Exception):
    """Some rows of a body are refused; all others are stored.

    Args:
        stored: Number of stored rows, including rows stored before.
        rows: Refused rows, at least one.
    """

    def __init__(self, stored: int, rows: list[RowProblem]) -> None:
        super().__init__(f"{len(rows)} rows are refused")
        self.stored, self.rows = stored, rows

    @property
    def status(self) -> int:
        """The status that all refused rows share; 422 if they differ."""
        statuses = {row.status for row in self.rows}
        return statuses.pop() if len(statuses) == 1 else 422


class ApiError(Exception):
    """A request error that is sent to the client as problem details.

    Args:
        status: HTTP status of the response, 4xx.
        detail: Description of the mistake, for the client.
        field: Wrong parameter, or place of the mistake in the body; empty for other errors.
    """

    def __init__(self, status: int, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.field = status, detail, field


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, field: str = ""
) -> Response:
    """Return an error response with *status* and *detail*, for a mistake in *field*."""
    body = Problem(
        type="about:blank",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail[:MAX_DETAIL_CHARACTERS],
        field=field[:MAX_DETAIL_CHARACTERS] or msgspec.UNSET,
    )
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


def _rows_problem(error: RowsRefused) -> Response:
    first = error.rows[0]
    body = Problem(
        type="about:blank",
        title=http.HTTPStatus(error.status).phrase,
        status=error.status,
        detail=f"{error}, the first is row {first.row}: {first.detail}"[:MAX_DETAIL_CHARACTERS],
        field=f"samples[{first.row}].{first.field}".removesuffix("."),
        stored=error.stored,
        rows=error.rows,
    )
    return Response(msgspec.json.encode(body), error.status, None, MEDIA_TYPE)


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
    """Respond to an expected error of a handler."""
    match error:
        case ApiError():
            return problem(error.status, error.detail, field=error.field)
        case RowsRefused():
            return _rows_problem(error)
        case Forbidden():
            request.scope[REFUSED] = True
            return problem(error.status, str(error))
        case Unknown():
            return problem(404, str(error))
        case Conflict():
            return problem(409, str(error), field=error.field)
        case Misdeclared() | TooMuch():
            return problem(422, str(error), field=error.field)
        case Refused() | ConfigError():
            named = _KEY.search(str(error))
            return problem(422, str(error), field=named[named.lastindex or 0] if named else "")
        case Busy():
            return problem(503, str(error), {"retry-after": str(error.seconds)})
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
    RowsRefused,
    Forbidden,
    Refused,
    Conflict,
    Unknown,
    TooMuch,
    Busy,
    ConfigError,
    StoreUnavailable,
)
