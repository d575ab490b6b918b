import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from nilometer.decode import Protocol, Side, custom, decode_exchange, decoder
from nilometer.decode.body import plain_json
from nilometer.values.entity import Role
from nilometer.values.errors import ConfigError, Undecodable


@pytest.fixture(autouse=True)
def nobody_else() -> Iterator[None]:
    held = custom.registered[:]
    custom.registered.clear()
    yield
    custom.registered[:] = held


def read(body: bytes, content_type: str = "application/x-trade", path: str = "/t") -> Any:
    side = Side()
    facts = decode_exchange(body, content_type, "", Role.INPUT, side, path=path)
    return facts.protocol, side.rows, side.columns(set())


def test_a_decoder_is_three_lines() -> None:
    @decoder("application/x-trade")
    def trades(body: bytes, media_type: str) -> dict[str, Any]:
        return dict(zip(("side", "price"), struct.unpack("<bd", body), strict=True))

    body = struct.pack("<bd", 1, 2.5)
    assert read(body, "Application/X-Trade; v=1") == (
        Protocol.CUSTOM,
        1,
        {"side": [1], "price": [2.5]},
    )
    assert trades(body, "") == {"side": 1, "price": 2.5}


def test_columns_of_lists_and_arrays_are_rows() -> None:
    vectors = np.ones((2, 3))

    @decoder("application/*", path="/t*")
    def two(body: bytes, media_type: str) -> dict[str, Any]:
        return {"a": [1, 2], "v": vectors}

    protocol, rows, columns = read(b"x")
    assert (protocol, rows, columns["a"]) == (Protocol.CUSTOM, 2, [1, 2])
    assert columns["v"].shape == (2, 3)


def test_the_first_that_takes_a_body_wins_and_none_passes_it_on() -> None:
    @decoder("application/json", path="/t")
    def nothing(body: bytes, media_type: str) -> None:
        return None

    @decoder("*/*", path="/t")
    def size(body: bytes, media_type: str) -> dict[str, Any]:
        return {"size": len(body)}

    assert read(b"[1]", "application/json")[2] == {"size": [3]}
    assert read(b"[1]", "application/json", "/other")[2] == {"value": [1]}


@pytest.mark.parametrize(
    "produced",
    [
        {"a": [1], "b": [1, 2]},
        {1: 2},
        {f"c{at}": 1 for at in range(1001)},
        [1, 2],
        "text",
    ],
)
def test_what_is_no_table_is_counted(produced: Any) -> None:
    @decoder("application/x-trade")
    def wrong(body: bytes, media_type: str) -> Any:
        return produced

    with pytest.raises(Undecodable) as refused:
        read(b"x")
    assert refused.value.reason == "decoder_failed"


def test_a_table_of_too_many_cells_is_too_large() -> None:
    @decoder("application/x-trade")
    def large(body: bytes, media_type: str) -> Any:
        return {"a": range(1 << 21)}

    with pytest.raises(Undecodable, match="too_large"):
        read(b"x")


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), MemoryError(), KeyError(1)])
def test_its_errors_are_counted_and_never_raised(error: Exception) -> None:
    @decoder("application/x-trade")
    def fails(body: bytes, media_type: str) -> Any:
        raise error

    with pytest.raises(Undecodable) as refused:
        read(b"x")
    assert refused.value.reason == "decoder_failed"


def test_bodies_that_a_decoder_may_take_are_not_read_in_batches() -> None:
    plain = ("application/json", "", "application/json", "")
    assert plain_json(*plain)

    @decoder("application/x-*")
    def other(body: bytes, media_type: str) -> Any:
        return None

    assert plain_json(*plain)

    @decoder("application/json", path="/score")
    def mine(body: bytes, media_type: str) -> Any:
        return None

    assert not plain_json(*plain)


def test_a_wrong_media_type_is_refused_at_once() -> None:
    for media_type in ("", "text/csv; header=present"):
        with pytest.raises(ConfigError):
            decoder(media_type)
