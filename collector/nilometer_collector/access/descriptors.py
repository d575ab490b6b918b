"""How many connections each server may hold: shares of the descriptors that the process may open."""

from typing import NamedTuple

from nilometer.serving.descriptors import free

MAX_HTTP = 256
MAX_GRPC = 2048  # a TLS connection takes some 50 KB


class Shares(NamedTuple):
    """Connections at once."""

    http: int
    grpc: int


def shares() -> Shares:
    """What each server may hold, by the limit of now."""
    descriptors = free()
    return Shares(http=min(MAX_HTTP, descriptors // 4), grpc=min(MAX_GRPC, descriptors // 2))
