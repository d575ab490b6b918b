"""What the engine has in work, kept in a small file so that the next agent knows it.

A batch that ends the agent comes again: its worker was not told that it is committed. The file names
the batches that were received and are not committed. Those that an agent finds in it at its start
are suspects, because the agent before ended with them in work. How often a suspect was the only one
in work tells a batch that ends the agent from one that was there when something else did.

The file is written without a flush. It outlives the process, which is all that is asked of it; after
a loss of power it may be wrong, and a wrong name costs no more than a batch that is taken alone.
"""

import logging
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nilometer.settings.private import open_private
from nilometer.wire.frames import MAX_WORKER_BYTES

FILE = "in-work"
MAX_SUSPECTS = 512
MAX_BATCHES = 640  # in work at once; those over it are not named
MAX_ENDS = 255

# A batch: its worker, filled up with zeros, its sequence, ends, and whether it is in work.
_SLOT = struct.Struct(f"<{MAX_WORKER_BYTES}sQBB6x")

_Key: TypeAlias = tuple[bytes, int]  # worker, filled up with zeros, and sequence

log = logging.getLogger("nilometer.agent")


@dataclass(slots=True, eq=False)
class Suspect:
    """A batch that was in work when an agent ended.

    Attributes:
        at: Its slot.
        ends: Ends of an agent with nothing else in work, up to `MAX_ENDS`.
        taken: Whether it is in work again.
    """

    at: int
    ends: int
    taken: bool = False


class InWork:
    """Names what is in work. Only the engine's thread may call.

    A file that cannot be written is given up, and logged: then nothing is suspected at the next start.

    Args:
        path: Of the file; None keeps none, as for an engine without a directory.
        committed: Last committed sequence by worker: what is committed is no suspect.
    """

    def __init__(self, path: Path | None, committed: Mapping[bytes, int]) -> None:
        self._file: int | None = None
        self._suspects: dict[_Key, Suspect] = {}
        self._batches = 0  # in work, beside suspects
        if path is None:
            return
        try:
            self._file = open_private(path, os.O_CREAT | os.O_RDWR)
            found = os.pread(self._file, _SLOT.size * (MAX_SUSPECTS + MAX_BATCHES), 0)
        except OSError as error:
            self._give_up(error)
            return
        self._suspects, ended_with = _suspects_in(found, committed)
        self._first = len(self._suspects)  # slot of the first batch that is no suspect
        self._write(0, self._slots().ljust(len(found), b"\0"))
        if ended_with:
            log.warning(
                "the agent before ended with batches in work, %d of them: each is taken alone when it "
                "comes again",
                ended_with,
            )

    def suspect(self, worker: bytes, sequence: int) -> Suspect | None:
        """The suspect that this batch is; None where it is none."""
        if not self._suspects:
            return None
        return self._suspects.get((_filled(worker), sequence))

    def begin(self, worker: bytes, sequence: int) -> None:
        """Name a batch that is no suspect."""
        if self._file is not None and self._batches < MAX_BATCHES:
            at = self._first + self._batches
            self._write(at, _SLOT.pack(worker, sequence, 0, 1))
            self._batches += 1

    def begin_alone(self, suspect: Suspect, worker: bytes, sequence: int) -> None:
        """Name a suspect. Nothing else may be in work."""
        suspect.taken = True
        self._write(suspect.at, _SLOT.pack(worker, sequence, suspect.ends, 1))

    def clear(self) -> None:
        """Everything that was named is committed."""
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
        """Give the file back. Safe twice."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _slots(self) -> bytes:
        return b"".join(
            _SLOT.pack(worker, sequence, suspect.ends, 0)
            for (worker, sequence), suspect in self._suspects.items()
        )

    def _write(self, at: int, content: bytes) -> None:
        """Write slots. Not a memory map: where the disk is full, that ends the process."""
        if self._file is None:
            return
        try:
            os.pwrite(self._file, content, at * _SLOT.size)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.error(
            "what is in work cannot be kept (%s): a batch that ends the agent would not be found",
            error.strerror,
        )
        with suppress(OSError):
            self.close()


def _filled(worker: bytes) -> bytes:
    return worker.ljust(MAX_WORKER_BYTES, b"\0")


def _suspects_in(content: bytes, committed: Mapping[bytes, int]) -> tuple[dict[_Key, Suspect], int]:
    """The suspects in a file, and how many of them were in work at the end: these come first."""
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
