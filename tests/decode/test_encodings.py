import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.measures import effort

from nilometer.decode import Side, decode_exchange
from nilometer.decode.encodings import MAX_DECODED_BYTES, decoded
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    " Deflate ": raw_deflate,
    "br": lambda body: brotli.compress(body, quality=4),
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("coding", ENCODERS)
@given(body=st.binary(max_size=2000) | st.binary(max_size=50).map(lambda part: part * 4000))
def test_what_was_encoded_comes_back(coding: str, body: bytes) -> None:
    assert decoded(ENCODERS[coding](body), coding) == body


def test_codings_are_undone_from_the_last_to_the_first() -> None:
    body = brotli.compress(gzip.compress(b"x" * 1000))
    assert decoded(body, "gzip, identity, br") == b"x" * 1000
    with pytest.raises(Undecodable, match="encoded"):
        decoded(body, "br, br, br, br")


def test_members_and_frames_are_joined_up_to_a_number_of_them() -> None:
    assert decoded(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", "gzip") == b"ab"
    assert decoded(zstd.compress(b"a") + zstd.compress(b"b"), "zstd") == b"ab"
    for coding, encode in (("gzip", gzip.compress), ("zstd", zstd.compress)):
        with pytest.raises(Undecodable, match="malformed"):
            decoded(encode(b"") * 10_000, coding)


MOST_EFFORT = 20.0  # about 0.1 s of a machine of 2024


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_bomb_ends_at_the_limit_in_little_memory_and_time(coding: str) -> None:
    bomb = ENCODERS[coding](bytes(32 << 20))
    assert len(bomb) < 256 << 10

    def unpack() -> None:
        with pytest.raises(Undecodable, match="too_large"):
            decoded(bomb, coding)

    tracemalloc.start()
    unpack()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MAX_DECODED_BYTES
    assert effort(unpack, MOST_EFFORT) <= MOST_EFFORT


def test_nested_bombs_end_at_the_limit_too() -> None:
    bomb = gzip.compress(gzip.compress(bytes(100 << 20)))
    with pytest.raises(Undecodable, match="too_large"):
        decoded(bomb, "gzip, gzip")


@pytest.mark.parametrize("coding", ENCODERS)
def test_a_body_cut_anywhere_is_malformed(coding: str) -> None:
    whole = ENCODERS[coding](b"some text that is long enough " * 5)
    for end in range(len(whole)):
        with pytest.raises(Undecodable, match="malformed"):
            decoded(whole[:end], coding)


@pytest.mark.parametrize("coding", ENCODERS)
@given(body=st.binary(max_size=300), prefix=st.integers(0, 20))
def test_no_bytes_raise_anything_but_undecodable(coding: str, body: bytes, prefix: int) -> None:
    try:
        out = decoded(ENCODERS[coding](b"seed" * 20)[:prefix] + body, coding, 1000)
    except Undecodable as error:
        assert error.reason in {"malformed", "too_large"}
    else:
        assert len(out) <= 1000


def test_a_window_that_asks_for_more_than_8_mib_is_refused() -> None:
    wide = {int(zstd.CompressionParameter.window_log): 27}
    frame = zstd.ZstdCompressor(options=wide)
    body = frame.compress(b"x" * 100) + frame.flush()
    with pytest.raises(Undecodable, match="malformed"):
        decoded(body, "zstd")


def test_what_a_layer_before_us_has_decoded_already_passes() -> None:
    for coding in ("gzip", "zstd"):
        side = Side()
        decode_exchange(b'{"a": 1}', "application/json", coding, Role.INPUT, side)
        assert side.columns(set()) == {"a": [1]}


def test_an_encoding_without_its_library_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, _, _ = zstd.__name__.rpartition(".")
    monkeypatch.delattr(sys.modules[parent], "zstd")
    for coding, module in (("br", "brotli"), ("zstd", zstd.__name__)):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(Undecodable, match="encoded"):
            decoded(b"x", coding)
    with pytest.raises(Undecodable, match="encoded"):
        decoded(b"x", "snappy")
