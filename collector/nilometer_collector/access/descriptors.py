"""How many connections each server may hold: shares of the descriptors that the process may open."""

import resource
from typing import NamedTuple

RESERVED = 64  # for the store, logs, exports and webhooks
WANTED = 65_536  # soft limit, where the hard one allows it
MAX_HTTP = 256
MAX_GRPC = 2048  # a TLS connection takes some 50 KB


class Shares(NamedTuple):
    """Connections at once."""

    http: int
    grpc: int


def raise_limit() -> None:
    """Raise this process's own limit of descriptors as far as it may and needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def shares() -> Shares:
    """What each server may hold, by the limit of now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = max((WANTED if soft == resource.RLIM_INFINITY else soft) - RESERVED, RESERVED)
    return Shares(http=min(MAX_HTTP, free // 4), grpc=min(MAX_GRPC, free // 2))
