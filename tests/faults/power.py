"""Power loss: the files as they would be had the machine stopped at some point of a recorded run.

The shim wrote down every write, truncation, sync, removal and renaming with its bytes. At a crash
point a file holds what was synced, and of what was not, any of its 512-byte sectors may or may
not be there. Names follow at once: the agent syncs the directory where a name matters.
"""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEAD = struct.Struct("<4q")  # kind, place, size of the content, length of the name
SECTOR_BYTES = 512
TORN_RATIO = 0.5  # of the sectors that were not synced


@dataclass(frozen=True, slots=True)
class Call:
    """One system call. *kind*: W write, T truncate, S sync, U unlink, R rename, N a note."""

    kind: str
    name: str
    at: int
    content: bytes


def read_trace(path: Path) -> list[Call]:
    """All calls, oldest first."""
    raw, calls, at = path.read_bytes(), [], 0
    while at + HEAD.size <= len(raw):
        kind, place, size, inner = HEAD.unpack_from(raw, at)
        at += HEAD.size
        name = raw[at : at + inner].decode()
        content = raw[at + inner : at + inner + size]
        at += inner + size
        calls.append(Call(chr(kind), name, place, content))
    return calls


class Disk:
    """Files as the disk has them, and what it has not been told to keep."""

    def __init__(self) -> None:
        self.kept: dict[str, bytearray] = {}
        self.loose: dict[str, list[Call]] = {}

    def apply(self, call: Call) -> None:
        match call.kind:
            case "W" | "T":
                self.loose.setdefault(call.name, []).append(call)
                self.kept.setdefault(call.name, bytearray())
            case "S":
                for earlier in self.loose.pop(call.name, []):
                    _write(self.kept.setdefault(call.name, bytearray()), earlier, None)
            case "U":
                self.kept.pop(call.name, None)
                self.loose.pop(call.name, None)
            case "R":
                to = call.content.decode()
                self.kept[to] = self.kept.pop(call.name, bytearray())
                self.loose[to] = self.loose.pop(call.name, [])
            case _:
                pass

    def crash(self, directory: Path, draw: random.Random) -> None:
        """Lay out the files as they might be found."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in self.kept.items():
            if "/" in name:
                continue
            found = bytearray(content)
            for call in self.loose.get(name, ()):
                _write(found, call, draw)
            (directory / name).write_bytes(found)


def _write(content: bytearray, call: Call, draw: random.Random | None) -> None:
    """Apply a call: all of it, or the sectors that *draw* spares."""
    if call.kind == "T":
        if draw is None or draw.random() < TORN_RATIO:
            del content[call.at :]
            content.extend(bytes(call.at - len(content)))
        return
    start = call.at
    while start < call.at + len(call.content):
        end = min(start - start % SECTOR_BYTES + SECTOR_BYTES, call.at + len(call.content))
        if draw is None or draw.random() < TORN_RATIO:
            if len(content) < end:
                content.extend(bytes(end - len(content)))
            content[start:end] = call.content[start - call.at : end - call.at]
        start = end


def crash_points(calls: Sequence[Call], count: int, draw: random.Random) -> list[int]:
    """*count* places between two calls."""
    return sorted(draw.choices(range(1, len(calls) + 1), k=count))
