"""Moves the marks of a stream to the new positions of its events or lines after redaction.

Capture records the byte position at which each message ended. Redaction writes events and lines
again, so they end at other positions. A mark is moved to the end of the last event that was
complete at the mark.
"""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from nilometer.bodies.events import events, is_stream
from nilometer.values.streams import Ends

_UINT32 = 4  # bytes


def moved(sizes: bytes, before: bytes, after: bytes) -> bytes:
    """Return the marks of a body after redaction; empty if they are not known.

    Args:
        sizes: Bytes from mark to mark, as little-endian uint32.
        before: Body before redaction.
        after: Body after redaction.
    """
    of_events = is_stream(before)
    old, new = _ends(before, of_events=of_events), _ends(after, of_events=of_events)
    if len(old) != len(new):
        return b""
    return _moved(sizes, old, new, len(after))


def moved_ends(sizes: bytes, size: int, before: Ends, after: Ends) -> bytes:
    """Return the marks of a stream of which only both ends are kept; empty if not known.

    Args:
        sizes: Bytes from mark to mark, as little-endian uint32.
        size: Size of the whole stream before redaction, in bytes.
        before: Both ends before redaction.
        after: Both ends after redaction, without the events at the gap.
    """
    gap = size - len(before.start) - len(before.end)
    total = len(after.start) + gap + len(after.end)
    of_events = is_stream(before.start)
    old_starts, old_lasts, starts, lasts = (
        _ends(part, of_events=of_events) for part in (*before, *after)
    )
    # The events at the gap are missing.
    old_lasts = old_lasts[max(len(old_lasts) - len(lasts), 0) :]
    old = [*old_starts[: len(starts)], *(size - len(before.end) + end for end in old_lasts)]
    new = [*starts, *(total - len(after.end) + end for end in lasts)]
    if gap < 0 or len(old) != len(new):
        return b""
    return _moved(sizes, old, new, total)


def _moved(sizes: bytes, old: Sequence[int], new: Sequence[int], total: int) -> bytes:
    marks = array("I", sizes[: len(sizes) // _UINT32 * _UINT32])
    if sys.byteorder == "big":
        marks.byteswap()
    places = [0]
    for end in accumulate(marks):
        complete = bisect_right(old, end)
        places.append(new[complete - 1] if complete else 0)
    places[-1] = total
    clean = array("I", (after - before for before, after in pairwise(places)))
    if sys.byteorder == "big":
        clean.byteswap()
    return clean.tobytes()


def _ends(content: bytes, *, of_events: bool) -> list[int]:
    """Return the end positions of the events, or of the lines that are not empty, in bytes."""
    if of_events:
        return [event.end for event in events(content)]
    lines = content.splitlines(keepends=True)
    ends = accumulate(map(len, lines))
    return [end for end, line in zip(ends, lines, strict=True) if line.strip(b" \t\r\n\x1e")]
