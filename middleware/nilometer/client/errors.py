"""Errors of requests to a collector.

    NilometerError
    └── RequestFailed
        ├── CollectorUnreachable   no response in time: a retry may help
        ├── NotUnderstood          the response is not that of a collector
        └── Problem                the collector's problem details (RFC 9457)
            ├── AccessDenied       401 or 403
            ├── NotFound           404
            ├── CollectorBusy      429, 502, 503 or 504: a retry may help
            └── Invalid            any other 4xx: the same request will fail again

Other statuses, such as 500, raise `Problem` itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nilometer.values.errors import NilometerError


class RequestFailed(NilometerError):
    """A request to a collector failed."""


class CollectorUnreachable(RequestFailed):
    """The collector did not answer in time; a later attempt may succeed."""


class NotUnderstood(RequestFailed):
    """The response is not that of a collector of this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """The reason why one row of a request is refused.

    Attributes:
        row: Position in the request, from 0.
        status: HTTP status for the row.
        field: Place in the row; empty for the whole row.
        detail: Reason in words.
    """

    row: int
    status: int
    field: str
    detail: str


class Problem(RequestFailed):
    """The collector refused a request or failed.

    Attributes:
        status: HTTP status of the response.
        detail: Reason in words.
        field: Parameter, or place in the body, that is wrong; empty for other problems.
        rows: Refused rows; all other rows are stored.
    """

    def __init__(
        self,
        url: str,
        status: int,
        detail: str,
        *,
        field: str = "",
        rows: Sequence[RowProblem] = (),
    ) -> None:
        super().__init__(f"{url} answers {status}: {detail}")
        self.status, self.detail, self.field, self.rows = status, detail, field, tuple(rows)


class AccessDenied(Problem):
    """The token is missing, or does not have the right to do this."""


class NotFound(Problem):
    """The entity, summary or reference does not exist."""


class CollectorBusy(Problem):
    """The collector, or a proxy before it, cannot answer now; a later attempt may succeed."""


class Invalid(Problem):
    """The request is wrong; `field` names the part that must change."""
