"""A small file with the batches and windows that the engine works on, for the agent that starts next.

A worker sends a batch again if the agent crashed before it acknowledged the batch. So a batch that
crashes the agent would crash it again and again. The file lists the batches that were received and
are not committed. When an agent starts, the batches in the file are suspects, because the last agent
ended while it worked on them. The file also counts how often each suspect was the only batch in work
when an agent ended. That count separates the batch that crashes the agent from its neighbours.

A window that crashes the agent when it is closed would do so again and again, too. So the windows that
are being closed are in the file as well, under the names of `closing_of`.

The file is written without a flush, because it only has to survive the process. After a loss of power
it may be wrong. A wrong entry only means that a batch is profiled alone.
"""

import hashlib
import logging
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from nilometer.settings.private import open_private
from nilometer.wire.frames import MAX_WORKER_BYTES
from nilometer_agent.outbox.rows import WindowKey, columns_of_window

FILE = "in-work"
MAX_SUSPECTS = 512
MAX_BATCHES = 640  # batches in the file at once; further ones are not listed
MAX_ENDS = 255
CLOSING = 2**64 - 1  # instead of a sequence: the entry is a window that is being closed

# One batch: worker, padded with zeros; sequence; agents that ended with it; 1 if it is in work.
_SLOT = struct.Struct(f"<{MAX_WORKER_BYTES}sQBB6x")

_Key: TypeAlias = tuple[bytes, int]  # worker, padded with zeros, and sequence

log = logging.getLogger("nilometer.agent")


@dataclass(slots=True, eq=False)
class Suspect:
    """A batch or a window that was in work when an agent ended.

    Attributes:
        at: Index of its slot in the file.
        ends: Number of agents that ended with only this one in work, up to `MAX_ENDS`.
        taken: Whether this agent is working on it.
    """

    at: int
    ends: int
    taken: bool = False


class InWork:
    """Keeps the list of batches in work. Only the engine's thread may call.

    If the file cannot be written, this is logged and the next agent starts without suspects.

    Args:
        path: Path of the file; None keeps no file, as for an engine without a directory.
        committed: Last committed sequence by worker; committed batches are not suspects.
    """

    def __init__(self, path: Path | None, committed: Mapping[bytes, int]) -> None:
        self._file: int | None = None
        self._suspects: dict[_Key, Suspect] = {}
        self._batches = 0  # batches in work that are not suspects
        if path is None:
            return
        try:
            self._file = open_private(path, os.O_CREAT | os.O_RDWR)
            found = os.pread(self._file, _SLOT.size * (MAX_SUSPECTS + MAX_BATCHES), 0)
        except OSError as error:
            self._give_up(error)
            return
        self._suspects, ended_with = _suspects_in(found, committed)
        self._first = len(self._suspects)  # slot of the first batch that is not a suspect
        self._write(0, self._slots().ljust(len(found), b"\0"))
        if ended_with:
            log.warning(
                "the last agent ended while it worked on %d batches or windows: processing each alone "
                "from now on",
                ended_with,
            )

    def suspect(self, worker: bytes, sequence: int) -> Suspect | None:
        """Return the suspect for this batch; None if the batch is not one."""
        if not self._suspects:
            return None
        return self._suspects.get((_filled(worker), sequence))

    def begin(self, worker: bytes, sequence: int) -> None:
        """Add a batch that is not a suspect."""
        if self._file is not None and self._batches < MAX_BATCHES:
            at = self._first + self._batches
            self._write(at, _SLOT.pack(worker, sequence, 0, 1))
            self._batches += 1

    def begin_alone(self, suspect: Suspect, worker: bytes, sequence: int) -> None:
        """Mark a suspect as in work. No other batch may be in work."""
        suspect.taken = True
        self._write(suspect.at, _SLOT.pack(worker, sequence, suspect.ends, 1))

    def clear(self) -> None:
        """Remove all entries, because all listed batches are committed."""
        if self._batches:
            self._write(self._first, bytes(_SLOT.size * self._batches))
            self._batches = 0
        if self._suspects and any(suspect.taken for suspect in self._suspects.values()):
            kept = {key: one for key, one in self._suspects.items() if not one.taken}
            over = len(self._suspects) - len(kept)
            self._suspects = kept
            for at, suspect in enumerate(kept.values()):
                suspect.at = at
            self._first = len(kept)
            self._write(0, self._slots() + bytes(_SLOT.size * over))

    def close(self) -> None:
        """Close the file. May be called twice."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _slots(self) -> bytes:
        return b"".join(
            _SLOT.pack(worker, sequence, suspect.ends, 0)
            for (worker, sequence), suspect in self._suspects.items()
        )

    def _write(self, at: int, content: bytes) -> None:
        """Write slots.

        It does not use a memory map, because on a full disk a write to one kills the process.
        """
        if self._file is None:
            return
        try:
            os.pwrite(self._file, content, at * _SLOT.size)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.error(
            "cannot write the list of batches in work (%s), a batch that crashes the agent cannot be "
            "found: make the agent's directory writable",
            error.strerror,
        )
        with suppress(OSError):
            self.close()


def closing_of(key: WindowKey) -> tuple[bytes, int]:
    """Return the worker and sequence under which a window that is being closed is listed.

    The worker is a hash of the window. No batch has the sequence `CLOSING`.
    """
    named = msgspec.msgpack.encode(columns_of_window(key))
    return hashlib.blake2b(named, digest_size=MAX_WORKER_BYTES).digest(), CLOSING


def _filled(worker: bytes) -> bytes:
    return worker.ljust(MAX_WORKER_BYTES, b"\0")


def _suspects_in(content: bytes, committed: Mapping[bytes, int]) -> tuple[dict[_Key, Suspect], int]:
    """Return the suspects in a file, and how many of them were in work at the end; those come first."""
    known = {_filled(worker): sequence for worker, sequence in committed.items()}
    ends: dict[_Key, int] = {}
    in_work: set[_Key] = set()
    whole = len(content) // _SLOT.size * _SLOT.size
    for worker, sequence, before, working in _SLOT.iter_unpack(content[:whole]):
        key = (worker, sequence)
        if not sequence or sequence <= known.get(worker, 0):
            continue
        ends[key] = max(before, ends.get(key, 0))
        if working:
            in_work.add(key)
    if len(in_work) == 1:
        (alone,) = in_work
        ends[alone] = min(ends[alone] + 1, MAX_ENDS)
    order = sorted(ends, key=lambda key: key not in in_work)[:MAX_SUSPECTS]
    return {key: Suspect(at, ends[key]) for at, key in enumerate(order)}, len(in_work)
