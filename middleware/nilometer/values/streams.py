"""Keeps the start and the end of long text streams, as whole lines.

The start of a stream identifies it. The end contains its cost and the reason for its end. If a
stream is over a cap, each end is kept up to half of the cap.
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
    """The kept parts of a stream over a cap. The bytes between them are lost."""

    start: bytes
    end: bytes

    def whole_lines(self) -> "Ends":
        """Return both parts without the lines next to the gap."""
        start, end = self
        last = max(start.rfind(b"\n"), start.rfind(b"\r")) + 1
        first = _LINE_END.search(end)
        return Ends(start[:last], end[first.end() :] if first is not None else b"")


class Keeper:
    """Keeps the start and the end of a stream, each up to half of *cap* bytes. Has one owner."""

    __slots__ = ("_end", "_half", "_room", "_start")

    def __init__(self, cap: int) -> None:
        self._half = self._room = cap // 2
        self._start = bytearray()
        self._end = bytearray()

    def add(self, chunk: bytes | bytearray | memoryview) -> None:
        """Keep bytes that fit; at the end part, the newest bytes replace older ones."""
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
            del end[:over]  # cheap: a bytearray only moves its start

    def ends(self) -> Ends:
        """Return the kept parts."""
        return Ends(bytes(self._start), bytes(self._end))


def is_streamed(content_type: str) -> bool:
    """Return whether *content_type* is a stream that can be read from any event or line on."""
    media = content_type.partition(";")[0].strip().lower()
    return media == EVENT_STREAM or media in NDJSON
