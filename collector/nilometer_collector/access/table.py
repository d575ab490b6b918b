"""What each method and route needs: the one table that says who may call what.

A gRPC method or an HTTP route that has no entry here is refused. `http_need` and `GRPC.get` are the
only ways to read the table, and `rights.Gate` is the only place that decides by it.
"""

from collections.abc import Mapping
from enum import Enum


class Need(Enum):
    """What a caller must have. The values are the settings of a principal that give it."""

    NOTHING = "nothing"  # not even a token
    NAME = "a name"  # a token or a certificate of any principal
    SHIP = "ship"
    READ = "read"
    WRITE = "write"


_COLLECTOR = "/nilometer.v1.CollectorService/"
_HEALTH = "/grpc.health.v1.Health/"

GRPC: Mapping[str, Need] = {
    f"{_COLLECTOR}Ship": Need.SHIP,
    f"{_COLLECTOR}GetPlan": Need.SHIP,  # the plan holds the key behind the pseudonyms
    f"{_COLLECTOR}PutReference": Need.WRITE,
    f"{_HEALTH}Check": Need.NOTHING,
    f"{_HEALTH}Watch": Need.NAME,  # a stream without an end
}

PAGES = "/{path:path}"  # every file of the pages
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
    ("GET", "/api/v1/summaries"): Need.READ,
    ("GET", "/api/v1/samples"): Need.READ,
    ("GET", "/api/v1/references"): Need.READ,
    ("GET", "/api/v1/alerters"): Need.READ,
    ("PUT", "/api/v1/alerters"): Need.WRITE,
    ("DELETE", "/api/v1/alerters"): Need.WRITE,
    ("GET", "/api/v1/episodes"): Need.READ,
}


def http_need(method: str, path: str) -> Need | None:
    """What *method* on *path* needs; None where the table has no such route."""
    method = "GET" if method == "HEAD" else method
    known = http_methods(path)
    return HTTP.get((method, path if known else PAGES))


def http_methods(path: str) -> tuple[str, ...]:
    """The methods that the table has for exactly *path*."""
    return tuple(method for method, known in HTTP if known == path)
