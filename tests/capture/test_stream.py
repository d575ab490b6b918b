"""Marks give the time and the place of each chunk, in memory that grows with the logarithm."""

import struct
from itertools import accumulate, pairwise

import pytest

from nilometer.capture.stream import EXACT, MOST_BYTES, Stream
from nilometer.values.reasons import StreamEnd


def marks_of(stream: Stream) -> tuple[list[float], list[int]]:
    ended = stream.ended(StreamEnd.COMPLETED)
    assert len(ended.gaps) <= 4 * EXACT
    seconds = ended.gaps + ended.later_gaps
    gaps = struct.unpack(f"<{len(seconds) // 4}f", seconds)
    sizes = struct.unpack(f"<{len(ended.sizes) // 4}I", ended.sizes)
    assert len(sizes) == len(gaps) + 1
    return list(gaps), list(sizes)


def test_each_of_the_first_chunks_has_a_mark() -> None:
    stream = Stream(10)
    for number in range(EXACT):
        stream.note(0.5, number + 1)
    gaps, sizes = marks_of(stream)
    assert gaps == [0.5] * EXACT
    assert sizes == [10, *range(1, EXACT + 1)]


@pytest.mark.parametrize("chunks", [EXACT + 2, EXACT + 3, 5_000, 100_000])
def test_later_chunks_share_marks_that_come_early_enough(chunks: int) -> None:
    stream = Stream(1)
    for _ in range(chunks - 1):
        stream.note(1.0, 1)
    assert stream.chunks == chunks
    gaps, sizes = marks_of(stream)
    places, times = list(accumulate(sizes)), [0.0, *accumulate(gaps)]
    assert (places[-1], times[-1]) == (chunks, chunks - 1)
    assert all(time == place - 1 for place, time in zip(places, times, strict=True))
    for before, place in pairwise(places):
        assert place - before <= max(1, place / 256)
    assert len(sizes) <= EXACT + 256 * 8 + 2


def test_more_bytes_of_a_chunk_count_to_its_mark() -> None:
    stream = Stream(5)
    stream.extend(5)
    stream.note(1.0, 2)
    stream.extend(3)
    assert marks_of(stream) == ([1.0], [10, 5])
    for _ in range(EXACT + 1):
        stream.note(1.0, 1)
    stream.extend(7)
    assert sum(marks_of(stream)[1]) == 15 + EXACT + 1 + 7


def test_a_chunk_that_no_mark_can_hold_does_not_fail() -> None:
    stream = Stream(1 << 40)
    stream.note(1.0, 1 << 40)
    assert marks_of(stream)[1] == [MOST_BYTES, MOST_BYTES]
