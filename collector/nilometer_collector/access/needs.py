"""A table of the right that each gRPC method and HTTP route needs.

A method or route without an entry is refused. The table is only read through `http_need` and
`GRPC.get`, and only `rights.Gate` acts on it.
"""

from collections.abc import Mapping
from enum import Enum


class Need(Enum):
    """Right that a call needs. The values appear in messages to the caller."""

    NOTHING = "nothing"  # no token or certificate
    NAME = "a name"  # the token or certificate of any principal
    LINK = "follow a link"  # a signed link of a message; a principal may be known besides
    SHIP = "ship"
    READ = "read"
    WRITE = "write"


_COLLECTOR = "/nilometer.v1.CollectorService/"
_HEALTH = "/grpc.health.v1.Health/"

GRPC: Mapping[str, Need] = {
    f"{_COLLECTOR}Ship": Need.SHIP,
    f"{_COLLECTOR}GetPlan": Need.SHIP,  # the plan contains the key of the pseudonyms
    f"{_COLLECTOR}PutReference": Need.WRITE,
    f"{_HEALTH}Check": Need.NOTHING,
    f"{_HEALTH}Watch": Need.NAME,  # a stream without end
}

PAGES = "/{path:path}"  # all files of the pages
HTTP: Mapping[tuple[str, str], Need] = {
    ("GET", "/healthz"): Need.NOTHING,
    ("GET", "/readyz"): Need.READ,
    ("GET", "/login"): Need.NOTHING,
    ("POST", "/login"): Need.NOTHING,
    ("POST", "/logout"): Need.NAME,
    ("GET", "/openapi.json"): Need.READ,
    ("GET", "/"): Need.READ,
    ("GET", PAGES): Need.READ,
    ("GET", "/api/v1/entities"): Need.READ,
    ("GET", "/api/v1/entity"): Need.READ,
    ("PUT", "/api/v1/entity"): Need.WRITE,
    ("DELETE", "/api/v1/entity"): Need.WRITE,
    ("GET", "/api/v1/summaries"): Need.READ,
    ("DELETE", "/api/v1/summaries"): Need.WRITE,
    ("GET", "/api/v1/samples"): Need.READ,
    ("POST", "/api/v1/samples"): Need.WRITE,
    ("GET", "/api/v1/predictions"): Need.READ,
    ("DELETE", "/api/v1/predictions"): Need.WRITE,
    ("DELETE", "/api/v1/predictions/subject"): Need.WRITE,
    ("GET", "/api/v1/difference"): Need.READ,
    ("GET", "/api/v1/expected-performance"): Need.READ,
    ("GET", "/api/v1/ground-truth"): Need.READ,
    ("POST", "/api/v1/ground-truth"): Need.WRITE,
    ("GET", "/api/v1/maturity"): Need.READ,
    ("GET", "/api/v1/query"): Need.READ,
    ("GET", "/api/v1/newest"): Need.READ,
    ("GET", "/api/v1/references"): Need.READ,
    ("POST", "/api/v1/references"): Need.WRITE,
    ("GET", "/api/v1/references/comparison"): Need.READ,
    ("GET", "/api/v1/references/version"): Need.READ,
    ("GET", "/api/v1/alerters"): Need.READ,
    ("PUT", "/api/v1/alerters"): Need.WRITE,
    ("DELETE", "/api/v1/alerters"): Need.WRITE,
    ("GET", "/api/v1/alerters/statuses"): Need.READ,
    ("POST", "/api/v1/alerters/reports"): Need.WRITE,
    ("POST", "/api/v1/apply"): Need.WRITE,
    ("POST", "/api/v1/rollback"): Need.WRITE,
    ("GET", "/api/v1/objects"): Need.READ,
    ("DELETE", "/api/v1/objects"): Need.WRITE,
    ("GET", "/api/v1/changes"): Need.READ,
    ("GET", "/api/v1/audit"): Need.READ,
    ("POST", "/api/v1/backtests"): Need.READ,  # it changes nothing
    ("GET", "/api/v1/canary"): Need.READ,
    ("POST", "/api/v1/canary"): Need.READ,  # it changes nothing
    ("GET", "/api/v1/comparators"): Need.READ,
    ("GET", "/api/v1/episodes"): Need.READ,
    ("GET", "/api/v1/episodes/causes"): Need.READ,
    ("POST", "/api/v1/episodes/acknowledge"): Need.WRITE,
    ("POST", "/api/v1/episodes/silence"): Need.WRITE,
    ("POST", "/api/v1/episodes/unsilence"): Need.WRITE,
    ("POST", "/api/v1/episodes/new-normal"): Need.WRITE,
    ("GET", "/api/v1/channels"): Need.READ,
    ("PUT", "/api/v1/channels"): Need.WRITE,
    ("DELETE", "/api/v1/channels"): Need.WRITE,
    ("POST", "/api/v1/channels/test"): Need.WRITE,
    ("GET", "/api/v1/routes"): Need.READ,
    ("PUT", "/api/v1/routes"): Need.WRITE,
    ("DELETE", "/api/v1/routes"): Need.WRITE,
    ("GET", "/api/v1/deliveries"): Need.READ,
    ("GET", "/api/v1/targets"): Need.READ,
    ("PUT", "/api/v1/targets"): Need.WRITE,
    ("DELETE", "/api/v1/targets"): Need.WRITE,
    ("GET", "/api/v1/actions/runs"): Need.READ,
    ("POST", "/api/v1/actions/approve"): Need.WRITE,
    ("POST", "/api/v1/actions/decline"): Need.WRITE,
    ("POST", "/api/v1/actions/run"): Need.WRITE,
    ("GET", "/approve"): Need.LINK,
    ("POST", "/approve"): Need.LINK,
    ("GET", "/decide"): Need.LINK,
    ("POST", "/decide"): Need.LINK,
    ("GET", "/api/v1/watch"): Need.READ,
    ("GET", "/api/v1/storage"): Need.READ,
    ("GET", "/api/v1/pipeline"): Need.READ,
}


def http_need(method: str, path: str) -> Need | None:
    """Return the right that *method* on *path* needs; None if the table has no such route."""
    method = "GET" if method == "HEAD" else method
    known = http_methods(path)
    return HTTP.get((method, path if known else PAGES))


def http_methods(path: str) -> tuple[str, ...]:
    """Return the methods that the table has for exactly *path*."""
    return tuple(method for method, known in HTTP if known == path)
