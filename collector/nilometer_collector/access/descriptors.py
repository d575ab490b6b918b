"""Limits on open connections: each server gets a share of the free file descriptors."""

from typing import NamedTuple

from nilometer.serving.descriptors import free

MAX_HTTP = 256
MAX_GRPC = 2048  # a TLS connection takes some 50 KB


class Shares(NamedTuple):
    """Most open connections of each server."""

    http: int
    grpc: int


def shares() -> Shares:
    """Compute the connection limits from the file descriptors that are free now."""
    descriptors = free()
    return Shares(http=min(MAX_HTTP, descriptors // 4), grpc=min(MAX_GRPC, descriptors // 2))
