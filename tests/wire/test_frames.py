"""Frames mean the same to every version, and bytes that are none of them are only ever `BadFrame`."""

import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.measures import effort

from nilometer.wire.frames import (
    HEAD_BYTES,
    LENGTH_BYTES,
    MAX_COUNT,
    MAX_FRAME_BYTES,
    MAX_LABELS,
    MAX_PARTIALS,
    MAX_REASONS,
    MAX_SEQUENCE,
    MAX_TEXT,
    MAX_TIME_NS,
    MAX_WORKER_BYTES,
    NEWEST_VERSION,
    OLDEST_VERSION,
    Acknowledged,
    BadFrame,
    Batch,
    Body,
    Cost,
    Hello,
    Kind,
    Refused,
    Welcome,
    Why,
    account_of,
    body_of,
    common_version,
    frame_of,
    length_in,
)

# One frame of each kind, as version 1 writes it. Other languages write them from docs/frames.md.
GOLDEN: list[tuple[Body, str]] = [
    (Hello(1, 2, b"w" * 16), "16000000 01 930102c410 77777777777777777777777777777777"),
    (Welcome(1), "03000000 02 9101"),
    (
        Batch(
            worker=b"\x01" * 16,
            sequence=7,
            entity="fraud-scorer",
            count=2,
            labels={"region": "eu"},
            event_time_field="input.at",
            dropped={"queue_full": 3},
            dropped_unix_nano=1_700_000_000_000_000_000,
            cost=Cost(1.5, 3, 0.25, 0.001, 0.5),
            partials=[b"pp"],
            observations=b"oo",
            event_time_unit="ms",
            event_time_zone="UTC",
            include=["POST"],
        ),
        (
            "89000000 03 9e c41001010101010101010101010101010101 07 ac66726175642d73636f726572 02"
            "81a6726567696f6ea26575 a8696e7075742e6174 81aa71756575655f66756c6c03 cf17979cfe362a0000"
            "95cb3ff800000000000003cb3fd0000000000000cb3f50624dd2f1a9fccb3fe0000000000000"
            "91c4027070 c4026f6f a26d73 a3555443 91a4504f5354"
        ),
    ),
    (
        Batch(worker=b"w", sequence=1, entity="e", partials=[]),
        "14000000 03 9e c40177 01 a165 00 80 a0 80 00 c0 90 c400 a0 a0 90",
    ),
    (Acknowledged(7), "03000000 04 9107"),
    (Refused(Why.FULL, "no room"), "0c000000 05 9302a76e6f20726f6f6d00"),
]

names = st.text(max_size=20)
workers = st.binary(min_size=1, max_size=MAX_WORKER_BYTES)
versions = st.integers(1, 1 << 16)
counts = st.integers(0, MAX_COUNT)
numbers = st.floats(allow_nan=False)
costs = st.builds(Cost, numbers, counts, numbers, numbers, numbers)
bodies = st.one_of(
    st.builds(Hello, versions, versions, workers),
    st.builds(Welcome, versions),
    st.builds(Acknowledged, st.integers(0, MAX_SEQUENCE)),
    st.builds(
        Refused, st.integers(0, 1 << 40), st.text(max_size=100), st.integers(0, MAX_SEQUENCE)
    ),
    st.builds(
        Batch,
        worker=workers,
        sequence=st.integers(1, MAX_SEQUENCE),
        entity=names,
        count=counts,
        labels=st.dictionaries(names, names, max_size=MAX_LABELS),
        event_time_field=names,
        dropped=st.dictionaries(names, counts, max_size=8),
        dropped_unix_nano=st.integers(0, MAX_TIME_NS),
        cost=st.none() | costs,
        partials=st.lists(st.binary(max_size=20), max_size=8),
        observations=st.binary(max_size=2000),
        event_time_unit=names,
        event_time_zone=names,
        include=st.lists(names, max_size=8),
    ),
)


def read(frame: bytes | bytearray) -> Body:
    """The body, as a reader of the socket comes to it."""
    assert length_in(frame) == len(frame) - LENGTH_BYTES
    return body_of(frame[LENGTH_BYTES], bytes(frame[HEAD_BYTES:]))


def array_of(body: Body) -> list[Any]:
    found: list[Any] = msgspec.msgpack.decode(frame_of(body)[HEAD_BYTES:])
    return found


def kind_of(body: Body) -> int:
    return frame_of(body)[LENGTH_BYTES]


@given(bodies)
@example(Batch(worker=b"w", sequence=1, entity="e", partials=[b"p"] * MAX_PARTIALS))
def test_a_frame_says_what_went_into_it(body: Body) -> None:
    assert read(frame_of(body)) == body


@pytest.mark.parametrize(
    ("body", "expected"), GOLDEN, ids=["hello", "welcome", "batch", "least", "ack", "refused"]
)
def test_the_bytes_of_a_frame_stay(body: Body, expected: str) -> None:
    golden = bytes.fromhex(expected)
    assert bytes(frame_of(body)) == golden
    assert read(golden) == body


def test_a_refusal_of_an_older_agent_names_no_batch() -> None:
    older = bytes.fromhex("0b000000 05 9202a76e6f20726f6f6d")
    assert read(older) == Refused(Why.FULL, "no room", 0)


@pytest.mark.parametrize(
    "older",
    [
        "11000000 03 9b c40177 01 a165 00 80 a0 80 00 c0 90 c400",
        "13000000 03 9d c40177 01 a165 00 80 a0 80 00 c0 90 c400 a0 a0",
    ],
)
def test_a_batch_of_an_older_worker_has_the_defaults_of_later_fields(older: str) -> None:
    assert read(bytes.fromhex(older)) == Batch(worker=b"w", sequence=1, entity="e", partials=[])


def test_the_account_of_a_batch_is_read_whatever_else_it_holds() -> None:
    labels = {f"label{n}": "x" for n in range(MAX_LABELS + 1)}
    against = Batch(
        worker=b"w", sequence=7, entity="e", count=3, labels=labels, dropped={"queue_full": 2}
    )
    content = frame_of(against)[HEAD_BYTES:]
    with pytest.raises(BadFrame):
        body_of(Kind.BATCH, content)
    account = account_of(content)
    assert account is not None
    assert (account.worker, account.sequence, account.count) == (b"w", 7, 3)
    assert account.dropped == {"queue_full": 2}
    assert account_of(b"\xff" * 9) is None
    assert account_of(msgspec.msgpack.encode([b"w", 0])) is None


def test_the_numbers_of_the_contract_stay() -> None:
    assert {kind.name: kind.value for kind in Kind} == {
        "HELLO": 1,
        "WELCOME": 2,
        "BATCH": 3,
        "ACKNOWLEDGED": 4,
        "REFUSED": 5,
    }
    assert {why.name: why.value for why in Why} == {"VERSION": 1, "FULL": 2, "CONTRACT": 3}
    assert (LENGTH_BYTES, MAX_FRAME_BYTES, MAX_PARTIALS) == (4, 4 << 20, 4096)


@given(bodies, st.lists(st.none() | st.integers(0, 9) | st.text(max_size=5), max_size=5))
def test_fields_of_a_later_version_are_ignored(body: Body, more: list[Any]) -> None:
    content = msgspec.msgpack.encode([*array_of(body), *more, {"nested": [more]}])
    assert body_of(kind_of(body), content) == body


@given(st.integers(3, 10))
def test_a_batch_may_leave_its_last_fields_out(kept: int) -> None:
    full = GOLDEN[2][0]
    found = body_of(Kind.BATCH, msgspec.msgpack.encode(array_of(full)[:kept]))
    assert isinstance(found, Batch)
    assert array_of(found)[:kept] == array_of(full)[:kept]
    least = Batch(worker=b"w", sequence=1, entity="e")
    assert array_of(found)[kept:] == array_of(least)[kept:]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.HELLO, [1, 1]),
        (Kind.WELCOME, []),
        (Kind.BATCH, [b"w", 1]),
        (Kind.ACKNOWLEDGED, []),
        (Kind.REFUSED, [2]),
    ],
)
def test_a_field_that_a_frame_cannot_do_without_is_missed(kind: Kind, fields: list[Any]) -> None:
    with pytest.raises(BadFrame, match=f"malformed {kind.name.lower()} frame"):
        body_of(kind, msgspec.msgpack.encode(fields))


@pytest.mark.parametrize("length", [0, 1, MAX_FRAME_BYTES + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_that_no_frame_has_is_refused(length: int) -> None:
    with pytest.raises(BadFrame, match=f"a frame of {length} bytes"):
        length_in(length.to_bytes(4, "little") + b"\x03")


@pytest.mark.parametrize("length", [2, MAX_FRAME_BYTES])
def test_the_shortest_and_the_longest_frame_are_taken(length: int) -> None:
    assert length_in(length.to_bytes(4, "little") + b"\x03") == length


@pytest.mark.parametrize("more", [0, 1])
def test_a_frame_is_made_up_to_its_limit(more: int) -> None:
    around = len(frame_of(Batch(worker=b"w", sequence=1, entity="e"))) - LENGTH_BYTES + 3
    batch = Batch(
        worker=b"w", sequence=1, entity="e", observations=bytes(MAX_FRAME_BYTES - around + more)
    )
    if more:
        with pytest.raises(BadFrame, match="at most 4194304"):
            frame_of(batch)
    else:
        assert len(frame_of(batch)) == MAX_FRAME_BYTES + LENGTH_BYTES


@given(st.integers(0, 255), st.binary(max_size=200))
@example(Kind.REFUSED, b"\x92\x02\xa2\xff\xff")  # no UTF-8
@example(Kind.BATCH, b"\x9c\xc4\x01w\x01\xa1e\x00\x80\xa0\x80\x00\xc0\x90\xc4\x00" + b"\x91" * 9999)
@example(Kind.HELLO, b"\x91" * 100_000)
@example(Kind.WELCOME, b"\x91\xc1")
@example(Kind.ACKNOWLEDGED, b"\x91\xcf" + b"\xff" * 8)
def test_garbage_is_a_bad_frame_or_a_body(kind: int, content: bytes) -> None:
    try:
        found = body_of(kind, content)
    except BadFrame:
        return
    assert kind_of(found) == kind


@given(bodies, st.data())
def test_a_frame_with_one_wrong_byte_is_a_bad_frame_or_a_body(body: Body, data: Any) -> None:
    frame = frame_of(body)
    at = data.draw(st.integers(LENGTH_BYTES, len(frame) - 1))
    frame[at] = data.draw(st.integers(0, 255))
    try:
        body_of(frame[LENGTH_BYTES], bytes(frame[HEAD_BYTES:]))
    except BadFrame:
        return


@given(bodies, st.data())
def test_a_frame_that_was_cut_off_is_a_bad_frame(body: Body, data: Any) -> None:
    frame = frame_of(body)
    end = data.draw(st.integers(HEAD_BYTES, len(frame) - 1))
    with pytest.raises(BadFrame):
        body_of(frame[LENGTH_BYTES], bytes(frame[HEAD_BYTES:end]))


def test_a_kind_of_a_later_version_is_named() -> None:
    with pytest.raises(BadFrame, match="kind 6: known are HELLO, WELCOME, BATCH"):
        body_of(6, b"\x90")


LEAST = b"\xc4\x01w\x01\xa1e\x00"  # worker, sequence, entity, count
BEFORE_PARTIALS = b"\x9b" + LEAST + b"\x80\xa0\x80\x00\xc0"
FLOODS = {
    "fields": (b"\xdd\xff\xff\xff\xff", "truncated"),
    "labels": (b"\x95" + LEAST + b"\xdf\xff\xff\xff\xff", f"length <= {MAX_LABELS}"),
    "reasons": (b"\x97" + LEAST + b"\x80\xa0\xdf\xff\xff\xff\xff", f"length <= {MAX_REASONS}"),
    "partials": (BEFORE_PARTIALS + b"\xdd\xff\xff\xff\xff", f"length <= {MAX_PARTIALS}"),
    "worker": (b"\x93\xc6\xff\xff\xff\xff", f"length <= {MAX_WORKER_BYTES}"),
    "entity": (b"\x93\xc4\x01w\x01\xdb\xff\xff\xff\xff", "truncated"),
    "observations": (BEFORE_PARTIALS + b"\x90\xc6\xff\xff\xff\xff", "truncated"),
}


MOST_EFFORT = 80.0  # half a second of a machine of 2024


@pytest.mark.parametrize("flood", FLOODS)
def test_a_claim_of_billions_costs_neither_memory_nor_time(flood: str) -> None:
    content, reason = FLOODS[flood]

    def refused() -> None:
        with pytest.raises(BadFrame, match=reason):
            body_of(Kind.BATCH, content)

    tracemalloc.start()
    try:
        refused()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert effort(refused, MOST_EFFORT) <= MOST_EFFORT


@pytest.mark.parametrize(
    "fields",
    [
        {"worker": b""},
        {"worker": bytes(MAX_WORKER_BYTES + 1)},
        {"sequence": 0},
        {"sequence": MAX_SEQUENCE + 1},
        {"count": -1},
        {"count": MAX_COUNT + 1},
        {"dropped_unix_nano": MAX_TIME_NS + 1},
        {"dropped": {"queue_full": -1}},
        {"dropped": {"queue_full": MAX_COUNT + 1}},
        {"labels": {str(index): "" for index in range(MAX_LABELS + 1)}},
        {"dropped": {str(index): 1 for index in range(MAX_REASONS + 1)}},
        {"partials": [b""] * (MAX_PARTIALS + 1)},
        {"cost": Cost(requests=-1)},
    ],
    ids=str,
)
def test_a_batch_that_exceeds_a_bound_is_refused(fields: dict[str, Any]) -> None:
    batch = Batch(**{"worker": b"w", "sequence": 1, "entity": "e", **fields})
    with pytest.raises(BadFrame):
        read(frame_of(batch))


def test_a_reason_is_as_long_as_a_log_line_takes() -> None:
    assert read(frame_of(Refused(2, "x" * MAX_TEXT))) == Refused(2, "x" * MAX_TEXT)
    with pytest.raises(BadFrame):
        read(frame_of(Refused(2, "x" * (MAX_TEXT + 1))))


@pytest.mark.parametrize(
    ("oldest", "newest", "spoken"),
    [(1, 1, 1), (1, 9, NEWEST_VERSION), (2, 3, None), (2, 2, None), (3, 1, None)],
)
def test_both_come_down_to_the_newest_version_that_both_speak(
    oldest: int, newest: int, spoken: int | None
) -> None:
    assert (OLDEST_VERSION, NEWEST_VERSION) == (1, 1)
    assert common_version(Hello(oldest, newest, b"w")) == spoken
