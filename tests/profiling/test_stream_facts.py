"""Times of tokens are those of the frames that have them, and errors in streams are failures."""

import gzip
import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest
from support.dialects import CHAT, DIALECTS, DONE, GEMINI_LIST, SSE, Dialect, event

from nilometer.decode.compressed_places import decoded_places
from nilometer.profile import ServiceProfile
from nilometer.profiling.observation import Observation, pack
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.stream_facts import NO_FACTS, StreamFacts
from nilometer.values.labels import Labels

MINUTE = 60 * 1_000_000_000
START = 1_700_000_000 * 1_000_000_000
FIRST_BYTE = 0.25
GAP = 0.5
Pack: TypeAlias = Callable[[Sequence[bytes]], list[bytes]]  # compresses each frame by itself
ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def streamed(messages: Sequence[bytes], media: str = SSE, **more: Any) -> Observation:
    """A response whose messages came `GAP` seconds after each other."""
    body = b"".join(messages)
    gaps = [GAP] * (len(messages) - 1)
    fields: dict[str, Any] = {
        "arrival_ns": START,
        "latency": FIRST_BYTE + sum(gaps),
        "status": 200,
        "outcome": "ok",
        "method": "POST",
        "path": "/v1/chat/completions",
        "request_size": 2,
        "response_size": len(body),
        "request_type": "application/json",
        "request_encoding": "",
        "response_type": media,
        "response_encoding": "",
        "request_body": b"{}",
        "response_body": body,
        "first_byte": FIRST_BYTE,
        "chunks": len(messages),
    }
    if gaps:
        fields["stream_end"] = "completed"
        fields["chunk_gaps"] = struct.pack(f"<{len(gaps)}f", *gaps)
        fields["chunk_sizes"] = struct.pack(f"<{len(messages)}I", *map(len, messages))
    return Observation(**(fields | more))


def service_of(*observations: Observation) -> ServiceProfile:
    profiling = Profiling("tested", Labels.of(None), MINUTE)
    assert profiling.observe_packed(pack(observations)) == len(observations)
    (profile,) = profiling.take()
    (service,) = [one.content for one in profile.samples() if one.summary == "service"]
    assert isinstance(service, ServiceProfile)
    return service


def expected(dialect: Dialect) -> tuple[float, float, float]:
    """Times of the first token, of the first reasoning, and of each token."""
    first = FIRST_BYTE + GAP * dialect.content[0]
    reasoning = FIRST_BYTE + GAP * dialect.reasoning[0] if dialect.reasoning else 0.0
    begins = dialect.reasoning[0] if dialect.reasoning else dialect.content[0]
    return first, reasoning, GAP * (dialect.content[-1] - begins) / (dialect.tokens - 1)


def times(service: ServiceProfile) -> tuple[float, float, float]:
    streams = service.streams
    return streams.first_token_sum, streams.first_reasoning_sum, streams.per_token_sum


@ALL
def test_each_frame_has_the_time_of_its_message(dialect: Dialect) -> None:
    service = service_of(streamed(dialect.frames, dialect.media))
    assert times(service) == pytest.approx(expected(dialect))
    assert service.streams.first_token.count == service.streams.per_token.count == 1


@ALL
def test_a_frame_over_several_messages_has_the_time_of_the_last(dialect: Dialect) -> None:
    messages = [part for one in dialect.frames for part in (one[:5], one[5:])]
    first, reasoning, per_token = expected(dialect)
    doubled = 2 * (first - FIRST_BYTE) + GAP + FIRST_BYTE
    seen = times(service_of(streamed(messages, dialect.media)))
    assert seen[0] == pytest.approx(doubled)
    assert seen[2] == pytest.approx(2 * per_token)
    assert bool(seen[1]) == bool(reasoning)


@ALL
def test_several_frames_in_one_message_have_its_time(dialect: Dialect) -> None:
    half = dialect.content[1]
    messages = [b"".join(dialect.frames[:half]), b"".join(dialect.frames[half:])]
    seen = times(service_of(streamed(messages, dialect.media)))
    assert seen[0] == pytest.approx(FIRST_BYTE)
    assert seen[2] == pytest.approx(GAP / (dialect.tokens - 1))
    whole = service_of(streamed([b"".join(dialect.frames)], dialect.media))
    assert times(whole)[0] == pytest.approx(FIRST_BYTE)
    assert whole.streams.per_token.count == 0
    assert whole.streams.ends == {"completed": 1}


@ALL
def test_of_a_stream_over_the_cap_the_times_are_the_same(dialect: Dialect) -> None:
    # What is lost is padding, so that both ends have the whole answer.
    padding = [b"\n" * 50] * 20
    at = dialect.content[-1]
    messages = [*dialect.frames[:at], *padding, *dialect.frames[at:]]
    start = len(b"".join(dialect.frames[:at])) + 100
    body = b"".join(messages)
    end = len(b"".join(dialect.frames[at:])) + 100
    whole = times(service_of(streamed(messages, dialect.media)))
    ends = streamed(
        messages,
        dialect.media,
        response_body=None,
        response_ends=(body[:start], body[-end:]),
    )
    assert times(service_of(ends)) == pytest.approx(whole)


def test_each_item_of_a_list_has_the_time_of_its_message() -> None:
    service = service_of(streamed(GEMINI_LIST.frames, GEMINI_LIST.media))
    assert times(service) == pytest.approx(expected(GEMINI_LIST))
    cut = [part for one in GEMINI_LIST.frames for part in (one[:5], one[5:])]
    doubled = times(service_of(streamed(cut, GEMINI_LIST.media)))
    assert doubled[0] == pytest.approx(2 * (expected(GEMINI_LIST)[0] - FIRST_BYTE) + 0.75)


def zlib_of(bits: int) -> Pack:
    def pack(frames: Sequence[bytes]) -> list[bytes]:
        packer = zlib.compressobj(wbits=bits)
        messages = [packer.compress(one) + packer.flush(zlib.Z_SYNC_FLUSH) for one in frames]
        return [*messages[:-1], messages[-1] + packer.flush()]

    return pack


def brotli_of(frames: Sequence[bytes]) -> list[bytes]:
    packer = pytest.importorskip("brotli", reason="brotli is not installed").Compressor()
    messages = [packer.process(one) + packer.flush() for one in frames]
    return [*messages[:-1], messages[-1] + packer.finish()]


def zstd_of(frames: Sequence[bytes]) -> list[bytes]:
    packer = zstd().ZstdCompressor()
    messages = [packer.compress(one, packer.FLUSH_BLOCK) for one in frames]
    return [*messages[:-1], messages[-1] + packer.flush()]


def members_of(frames: Sequence[bytes]) -> list[bytes]:
    return [*map(gzip.compress, frames)]


def zstd_frames_of(frames: Sequence[bytes]) -> list[bytes]:
    return [*map(zstd().compress, frames)]


def zstd() -> Any:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return pytest.importorskip(name, reason="zstd is not installed")


PACKED: dict[str, tuple[str, Pack]] = {
    "gzip": ("gzip", zlib_of(31)),
    "gzip members": ("gzip", members_of),
    "zlib": ("deflate", zlib_of(15)),
    "raw deflate": ("deflate", zlib_of(-15)),
    "brotli": ("br", brotli_of),
    "zstd": ("zstd", zstd_of),
    "zstd frames": ("zstd", zstd_frames_of),
}


@pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("dialect", [*DIALECTS.values(), GEMINI_LIST], ids=[*DIALECTS, "list"])
def test_of_a_compressed_stream_a_frame_has_the_time_of_what_a_reader_can_decode(
    dialect: Dialect, encoding: str, pack: Pack
) -> None:
    messages = pack(dialect.frames)
    service = service_of(streamed(messages, dialect.media, response_encoding=encoding))
    assert times(service) == pytest.approx(expected(dialect))


@pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED)
def test_a_compressed_stream_that_grows_has_no_times(encoding: str, pack: Pack) -> None:
    small = pack([b"one", b"two"])
    ends = [len(small[0]), len(b"".join(small))]
    assert decoded_places(b"".join(small), encoding.upper(), ends) == [3, 6]
    (bomb,) = pack([bytes(5 << 20)])
    assert decoded_places(bomb, encoding, [len(bomb) // 2, len(bomb)]) is None


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, br", "compress"])
def test_a_stream_that_is_damaged_or_of_an_unknown_encoding_has_no_times(encoding: str) -> None:
    assert decoded_places(b"no such stream", encoding, [7, 14]) is None


def test_a_mark_may_stand_for_several_messages() -> None:
    one = streamed(CHAT.frames)
    sizes = struct.unpack(f"<{len(CHAT.frames)}I", one.chunk_sizes)
    merged = struct.pack("<3I", sum(sizes[:3]), sum(sizes[3:6]), sum(sizes[6:]))
    one = streamed(CHAT.frames, chunk_sizes=merged, chunk_gaps=struct.pack("<2f", 3 * GAP, 3 * GAP))
    assert times(service_of(one))[0] == pytest.approx(FIRST_BYTE + 3 * GAP)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"chunk_sizes": b""},
        {"chunk_sizes": b"\x01\x00\x00\x00"},
        {"chunk_gaps": struct.pack("<8f", *[float("nan")] * 8)},
        {"chunk_gaps": struct.pack("<8f", *[-1.0] * 8)},
        {"first_byte": 0.0},
    ],
)
def test_without_marks_that_fit_no_time_is_known(spoilt: dict[str, Any]) -> None:
    service = service_of(streamed(CHAT.frames, **spoilt))
    assert times(service) == (0.0, 0.0, 0.0)
    assert service.streams.ends == {"completed": 1}


ERROR = event({"error": {"message": "boom", "type": "server_error"}})


def test_an_error_in_a_stream_is_a_failure_of_the_server() -> None:
    failed = [*CHAT.frames[:4], ERROR, DONE]
    service = service_of(streamed(failed), streamed(CHAT.frames))
    assert service.outcomes == {"server_error": 1, "ok": 1}
    assert service.streams.ends == {"error": 1, "completed": 1}
    assert service.failures == 1


def test_a_stream_that_was_cut_has_an_end_of_its_own() -> None:
    service = service_of(streamed(CHAT.frames[:-1]), streamed(CHAT.frames))
    assert service.outcomes == {"ok": 2}
    assert service.streams.ends == {"cut": 1, "completed": 1}


def test_what_capture_saw_of_the_end_counts_more_than_a_missing_mark() -> None:
    stalled = streamed(CHAT.frames[:-1], stream_end="stalled")
    assert service_of(stalled).streams.ends == {"stalled": 1}


class Handed:
    """A profiling, and the facts that it hands over with each observation that has some."""

    def __init__(self) -> None:
        self.facts: list[StreamFacts] = []
        self.observations = 0
        self.profiling = Profiling("tested", Labels.of(None), MINUTE, on_served=self._take)

    def of(self, batch: Sequence[Observation]) -> list[StreamFacts]:
        self.facts = []
        self.observations = 0
        self.profiling.observe_packed(pack(batch))
        assert self.observations == len(batch)
        return self.facts

    def _take(self, _: Labels, rows: Sequence[Observation], facts: StreamFacts) -> None:
        self.observations += len(rows)
        if facts != NO_FACTS:
            self.facts += [facts] * len(rows)


def test_a_prediction_is_handed_over_with_the_facts_of_its_stream() -> None:
    handed = Handed()
    plain = streamed([b'{"y": 1}'], "application/json")
    failed = streamed([*CHAT.frames[:4], ERROR])
    batch = [*[plain] * 20, streamed(CHAT.frames), plain, failed, *[plain] * 20]
    for _ in range(2):
        answered, broken = handed.of(batch)
        assert answered.first_token == pytest.approx(expected(CHAT)[0])
        assert (broken.error, answered.error) == ("server_error", "")
    assert handed.of([plain] * 40) == []


def test_a_stream_that_is_declared_as_json_has_facts_too() -> None:
    """Its kind is that of plain answers, which are decoded in one pass."""
    handed = Handed()
    plain = streamed([b'{"y": 1}'], "application/json")
    for _ in range(3):
        assert handed.of([plain] * 40) == []
    failed = streamed([b"".join([*CHAT.frames[:4], ERROR])], "application/json")
    assert [one.error for one in handed.of([*[plain] * 20, failed, *[plain] * 20])] == [
        "server_error"
    ]
