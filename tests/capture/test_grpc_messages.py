"""The messages of one side of a gRPC call: whole up to the cap, both ends of a stream over it."""

from hypothesis import given
from hypothesis import strategies as st

from nilometer.capture.grpc.messages import FRAMED, ONE, Messages

CAP = 4000


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def side(messages: list[bytes], *, both_ends: bool = True, cap: int = CAP) -> Messages:
    taken = Messages(cap, both_ends=both_ends)
    for message in messages:
        taken.add(message)
    return taken


MANY = [b"%03d" % number * 30 for number in range(10 * CAP // 90)]


def test_of_a_stream_over_the_cap_the_first_and_the_last_messages_are_kept() -> None:
    taken = side(MANY)
    assert (taken.body, taken.content_type, taken.count) == (None, FRAMED, len(MANY))
    assert taken.size == sum(map(len, MANY))
    assert taken.ends is not None
    start, end = taken.ends
    first, last = len(start) // 95, len(end) // 95
    assert start == b"".join(map(framed, MANY[:first]))
    assert end == b"".join(map(framed, MANY[-last:]))
    assert CAP // 2 - 95 < len(start) <= CAP // 2
    assert CAP // 3 < len(end) <= CAP // 2


def test_of_the_other_side_and_of_one_message_over_the_cap_nothing_is_kept() -> None:
    assert side(MANY, both_ends=False).ends is None
    alone = side([b"x" * (CAP + 1)])
    assert (alone.body, alone.ends, alone.content_type) == (None, None, ONE)
    assert side(MANY, cap=0).ends is None


def test_a_message_that_is_longer_than_its_end_takes_no_more_room_than_it_has() -> None:
    taken = side([*MANY[:5], b"x" * CAP, MANY[0]])
    assert taken.ends == (b"".join(map(framed, MANY[:5])), framed(MANY[0]))


def test_messages_that_are_not_read_are_counted_and_leave_a_gap() -> None:
    taken = side(MANY[:5])
    assert not taken.has_room(CAP)
    taken.skip(CAP)
    assert taken.has_room(90)
    taken.add(MANY[7])
    assert taken.ends == (b"".join(map(framed, MANY[:5])), framed(MANY[7]))
    assert (taken.count, taken.size) == (7, 6 * 90 + CAP)


@given(st.lists(st.binary(max_size=60), max_size=60), st.integers(2, 400))
def test_ends_are_whole_messages_in_order_and_bounded(messages: list[bytes], cap: int) -> None:
    taken = side(messages, cap=cap)
    if taken.ends is None:
        return
    assert taken.body is None
    start, end = taken.ends
    whole = b"".join(map(framed, messages))
    assert whole.startswith(start)
    assert whole.endswith(end)
    assert len(start) <= cap // 2
    assert len(end) <= cap // 2
    boundaries = {0}
    for message in messages:
        boundaries.add(max(boundaries) + 5 + len(message))
    assert {len(start), len(whole) - len(end)} <= boundaries


def test_short_messages_take_no_more_memory_than_long_ones() -> None:
    taken = side([b"x"] * 10 * CAP)
    assert taken.ends is not None
    assert len(taken.ends.end) * 6 < CAP  # objects are counted, not only what they hold
