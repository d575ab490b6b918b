"""The servers share the file descriptors of the process."""

import resource

import pytest

from nilometer_collector.access import descriptors


@pytest.mark.parametrize(
    ("limit", "http", "grpc"),
    [(64, 16, 32), (1024, 240, 480), (20_000, 256, 2048), (resource.RLIM_INFINITY, 256, 2048)],
)
def test_the_servers_share_what_may_be_opened(
    monkeypatch: pytest.MonkeyPatch, limit: int, http: int, grpc: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert descriptors.shares() == (http, grpc)
