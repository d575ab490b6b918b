"""Streams of text that are longer than what is kept of them: their start, their end, whole lines.

What an answer costs and why it ended stands at the end of a stream; what it is stands at its start.
Of a stream over a cap the first half of the cap is kept and the last.
"""

import re
from typing import NamedTuple

EVENT_STREAM = "text/event-stream"
NDJSON = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/json-lines",
        "application/json-seq",
    }
)

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Ends(NamedTuple):
    """What is kept of a stream over a cap: bytes between both are lost."""

    start: bytes
    end: bytes

    def whole_lines(self) -> "Ends":
        """Without the line that the gap cuts off, and without the one that it cuts into."""
        start, end = self
        last = max(start.rfind(b"\n"), start.rfind(b"\r")) + 1
        first = _LINE_END.search(end)
        return Ends(start[:last], end[first.end() :] if first is not None else b"")


class Keeper:
    """Keeps the start and the end of a stream, each up to half of *cap* bytes. One owner."""

    __slots__ = ("_end", "_half", "_room", "_start")

    def __init__(self, cap: int) -> None:
        self._half = self._room = cap // 2
        self._start = bytearray()
        self._end = bytearray()

    def add(self, chunk: bytes | bytearray | memoryview) -> None:
        """Keep what the halves have room for; the newest bytes take the place of older ones."""
        if self._room:
            taken = chunk[: self._room]
            self._start += taken
            self._room -= len(taken)
            chunk = memoryview(chunk)[len(taken) :]
        end = self._end
        if len(chunk) >= self._half:
            end[:] = memoryview(chunk)[len(chunk) - self._half :]
            return
        end += chunk
        over = len(end) - self._half
        if over > 0:
            del end[:over]  # moves no byte: a bytearray only notes where it begins

    def ends(self) -> Ends:
        """What is kept."""
        return Ends(bytes(self._start), bytes(self._end))


def is_streamed(content_type: str) -> bool:
    """Whether *content_type* declares events or lines, which make sense from any of them on."""
    media = content_type.partition(";")[0].strip().lower()
    return media == EVENT_STREAM or media in NDJSON
