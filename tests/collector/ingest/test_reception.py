"""Malformed gRPC calls get a clear status, and the next call is served."""

import gzip
from pathlib import Path
from typing import Any

import grpc
import pytest

from nilometer.wire.services import SERVER_OPTIONS, GetPlanRequest, ShipRequest
from nilometer_collector.testing import running

METHODS = "/nilometer.v1.CollectorService/"
EMPTY_ROWS = 1_900_000
EMPTY_ROW = bytes([ShipRequest.ROWS_FIELD_NUMBER << 3 | 2, 0])


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\xff" * 100, "not a ShipRequest"),
        (b"\x0a\x7f", "not a ShipRequest"),
        (EMPTY_ROW * EMPTY_ROWS, "send fewer rows"),
    ],
    ids=["no message", "cut off", "empty rows"],
)
def test_an_invalid_request_is_refused_and_the_next_is_served(
    database: Path, content: bytes, word: str
) -> None:
    with running(database) as served:
        ship: Any = served.channel.unary_unary(METHODS + "Ship")
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as caught:
                ship(content, timeout=60.0, compression=compression)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert word in str(caught.value.details())
        served.stub.GetPlan(GetPlanRequest(agent="pod-1"), timeout=60.0)


def test_a_bomb_of_gzip_is_not_unpacked(database: Path) -> None:
    bomb = bytes(64 << 20)
    assert len(gzip.compress(bomb)) < 1 << 20
    with running(database) as served:
        ship: Any = served.channel.unary_unary(METHODS + "Ship")
        with pytest.raises(grpc.RpcError) as caught:
            ship(bomb, timeout=60.0, compression=grpc.Compression.Gzip)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        served.stub.GetPlan(GetPlanRequest(agent="pod-1"), timeout=60.0)


def test_a_request_that_is_too_large_is_refused_whole(database: Path) -> None:
    most = dict(SERVER_OPTIONS)["grpc.max_receive_message_length"]
    with running(database) as served:
        ship: Any = served.channel.unary_unary(METHODS + "Ship")
        with pytest.raises(grpc.RpcError) as caught:
            ship(bytes(most + 1), timeout=60.0)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # A byte less is let in, and looked at.
        with pytest.raises(grpc.RpcError) as caught:
            ship(bytes(most), timeout=60.0)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        served.stub.GetPlan(GetPlanRequest(agent="pod-1"), timeout=60.0)
