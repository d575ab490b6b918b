"""A stream longer than its cap keeps its beginning and its end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nilometer.values.streams import Ends, Keeper, is_streamed

LINE_ENDS = [b"\n", b"\r\n", b"\r"]


@given(st.binary(max_size=200), st.integers(0, 64), st.data())
def test_both_halves_are_kept_however_the_stream_is_cut(
    stream: bytes, half: int, data: st.DataObject
) -> None:
    keeper = Keeper(2 * half)
    rest = stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        kind = data.draw(st.sampled_from([bytes, bytearray, memoryview]))
        keeper.add(kind(rest[:size]))
        rest = rest[size:]
    after = stream[half:]
    assert keeper.ends() == Ends(stream[:half], after[max(0, len(after) - half) :])


@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_only_whole_lines_are_left_wherever_the_gap_cuts(line_end: bytes) -> None:
    lines = [b"one", b"", b"two", b"three"]
    text = line_end.join(lines) + line_end
    for cut in range(len(text) + 1):
        whole = Ends(text[:cut], text[cut:]).whole_lines()
        assert text.startswith(whole.start)
        assert text.endswith(whole.end)
        for part in whole:
            assert set(part.splitlines()) <= set(lines)
        lost = len(lines) - len(whole.start.splitlines()) - len(whole.end.splitlines())
        assert lost in {0, 1}


@pytest.mark.parametrize(
    ("content_type", "streamed"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/x-ndjson", True),
        ("application/jsonl;charset=utf-8", True),
        ("application/json", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_events_and_lines_are_streams(content_type: str, *, streamed: bool) -> None:
    assert is_streamed(content_type) is streamed
