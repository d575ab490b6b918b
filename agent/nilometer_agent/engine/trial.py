"""Finding the observations that end the agent: each is profiled alone, in a process of its own.

A batch that has ended the agent may hold one observation that does: by a fault in compiled code, by
more memory than there is, by a loop without an end. The agent forks a child that profiles one
observation after the other and names the one that it works at. Where the child ends by itself, that
observation is profiled by a second child that has nothing else to do. One that ends both is poison.

An end tells what caused it only if somebody saw it. That is why the agent does not judge by its own
ends: it cannot tell a kill from outside from one by the kernel. It sees how its children end, how
much memory they took and how much time. What ends the agent from outside ends the trial with it and
leaves no verdict. What may have ended a child from outside - a single SIGKILL - is no verdict either.
And nothing is poison where a child does not survive a harmless observation: a library that bears no
fork, or a machine without memory, would end every child.
"""

import ctypes
import faulthandler
import gc
import logging
import mmap
import os
import resource
import signal
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple, NoReturn

from msgspec.structs import replace

from nilometer.profiling.observation import pack, parts_of
from nilometer.wire.frames import Batch
from nilometer.wire.samples import samples_to_bytes
from nilometer_agent.engine.accounts import Taken
from nilometer_agent.engine.receive import UNREADABLE, Receiver

POLL_SECONDS = 0.005
STALLED_POLLS = 12_000  # without a step of the child: it waits for something, and nothing is found
CPU_SECONDS = 20  # of one observation
MAX_GROWTH_BYTES = 1 << 30  # of the child's memory, and at most three quarters of what is free
MIN_GROWTH_BYTES = 64 << 20  # what any observation may take, however little is free
KILLS = 3  # children in a row that SIGKILL ended at the same observation: that is no chance

# What a process does to itself. Other signals come from outside.
FAULTS = frozenset(
    (
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT),
        *(signal.SIGTRAP, signal.SIGSYS, signal.SIGXCPU),
    )
)
_HARMLESS = pack(
    [(1, 0.0, 200, "ok", "POST", "", 2, 2, *2 * ("application/json", ""), b"{}", b"{}", "")]
)
WHOLE = -1  # in place of an index: the batch ended a child before it was taken apart
_DONE, _NOT_BEGUN = -2, -3

log = logging.getLogger("nilometer.agent")


class How(Enum):
    """How a child ended."""

    DONE = auto()  # it profiled everything
    BY_ITSELF = auto()  # by what it worked at
    KILLED = auto()  # by SIGKILL: from outside, or by what it worked at
    UNKNOWN = auto()  # from outside, given up, or never begun


class Ending(NamedTuple):
    """The end of a child, and the index of what it worked at."""

    how: How
    at: int


class Trial:
    """Tries batches in children of this process. Only the engine's thread may call.

    Args:
        receiver: Profiles. It must hold nothing that is not committed: a child would profile it, too.
        stopping: Ends a trial early.
        on_step: Called while a child is waited for.
    """

    def __init__(
        self, receiver: Receiver, stopping: threading.Event, on_step: Callable[[], None]
    ) -> None:
        self._receiver = receiver
        self._stopping = stopping
        self._on_step = on_step
        self._progress = mmap.mmap(-1, 8)  # shared with the child: what it works at

    def poison(self, batch: Batch) -> list[int]:
        """Indexes of the observations that end a process that profiles them.

        Profiles that a worker made are one unit, with index 0. `WHOLE` stands for everything where
        the batch cannot be taken apart.
        """
        self._receiver.receipt(batch, lambda _: None)  # what it locks must be done before a fork
        found: list[int] = []
        first, last = WHOLE, sys.maxsize
        children_live = False
        while True:
            how, at = self._end(batch, first, last)
            if how is not How.BY_ITSELF:
                return found
            again = self._end(batch, at, at + 1)
            if again.how is How.BY_ITSELF:
                children_live = children_live or self._survives_a_harmless_one(batch)
                if not children_live:
                    log.error("a batch cannot be tried: every child ends: nothing of it is dropped")
                    return found
                found.append(at)
                if at == WHOLE:
                    return found
            elif again.how is How.UNKNOWN:
                return found
            first = at + 1

    def _survives_a_harmless_one(self, batch: Batch) -> bool:
        harmless = replace(batch, observations=_HARMLESS, partials=(), count=1)
        return self._end(harmless, WHOLE, sys.maxsize).how is How.DONE

    def _end(self, batch: Batch, first: int, last: int) -> Ending:
        """How a child ends that profiles the units from *first*, until before *last*."""
        at = first
        for kill in range(KILLS):
            ending = self._child(batch, at, last)
            if ending.how is not How.KILLED:
                return ending
            if kill and ending.at != at:
                break
            at = ending.at
        else:
            return Ending(How.BY_ITSELF, at)
        return Ending(How.UNKNOWN, at)

    def _child(self, batch: Batch, first: int, last: int) -> Ending:
        self._note(_NOT_BEGUN)
        parent = os.getpid()
        room = _growth_bytes()
        try:
            child = _fork()
        except OSError as error:
            log.warning("a suspect batch cannot be tried: %s", error.strerror)
            return Ending(How.UNKNOWN, first)
        if child == 0:
            self._be_tried(batch, first, last, parent)
        try:
            return self._watch(child, room)
        except ChildProcessError:  # somebody else in this process waits for children, too
            return Ending(How.UNKNOWN, self._at)

    # In the parent

    @property
    def _at(self) -> int:
        return int(struct.unpack_from("<q", self._progress)[0])

    def _note(self, at: int) -> None:
        struct.pack_into("<q", self._progress, 0, at)

    def _watch(self, child: int, room: int) -> Ending:
        most = (_resident_bytes(os.getpid()) or sys.maxsize) + room
        stalled, at = 0, _NOT_BEGUN
        grown = given_up = False
        while True:
            over, status, used = os.wait4(child, os.WNOHANG)
            if over:
                break
            self._on_step()
            stalled = stalled + 1 if self._at == at else 0
            at = self._at
            grown = grown or _resident_bytes(child) > most
            given_up = stalled > STALLED_POLLS or self._stopping.is_set()
            if grown or given_up:
                os.kill(child, signal.SIGKILL)
                _, status, used = os.wait4(child, 0)
                break
            self._stopping.wait(POLL_SECONDS)
        at = self._at
        grown = grown or used.ru_maxrss * 1024 > most
        if at == _NOT_BEGUN or (given_up and not grown):
            return Ending(How.UNKNOWN, at)
        if grown:
            return Ending(How.BY_ITSELF, at)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number in FAULTS:
                return Ending(How.BY_ITSELF, at)
            return Ending(How.KILLED if number == signal.SIGKILL else How.UNKNOWN, at)
        return Ending(How.DONE if at == _DONE else How.BY_ITSELF, at)

    # In the child

    def _be_tried(self, batch: Batch, first: int, last: int, parent: int) -> NoReturn:
        """Profile the units, and end. Nothing is stored and nobody is told."""
        try:
            _be_a_child()
            if first == WHOLE:
                self._work_at(WHOLE)
            for at, unit in enumerate(_units(batch)):
                if at >= last or os.getppid() != parent:
                    break
                if at >= first:
                    self._work_at(at)
                    self._profile(unit)
            self._note(_DONE)
        finally:
            os._exit(0)

    def _work_at(self, at: int) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_SECONDS)
        self._note(at)

    def _profile(self, unit: Batch) -> None:
        """All that `Engine` does with a batch until it is stored; what is raised ends no agent."""
        with suppress(BaseException):
            self._receiver.profile(self._receiver.receipt(unit, lambda _: None))
        taken: list[Taken] = []
        with suppress(BaseException):
            self._receiver.take_into(taken)
            for _, samples, _ in taken:
                samples_to_bytes(samples)


def _units(batch: Batch) -> Iterator[Batch]:
    """What is tried alone: each observation; profiles that a worker made only as a whole."""
    whole = replace(batch, cost=None, dropped={})
    if batch.partials:
        yield whole
        return
    with suppress(*UNREADABLE):
        for part in parts_of(batch.observations):
            yield replace(whole, observations=part, count=1)


def _fork() -> int:
    """The id of a new child; 0 in the child.

    It runs this thread only, and calls nothing that waits for another one's lock: of the engine's
    room only what decodes and profiles.

    Raises:
        OSError: If the system has no room for a further process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
        return os.fork()


def _be_a_child() -> None:
    """Leave no trace: no log, no core, no finaliser, no life after the parent's."""
    gc.disable()
    logging.disable(logging.CRITICAL)
    faulthandler.disable()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        with suppress(OSError):  # the kernel ends this one before the model server
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    _limit(resource.RLIMIT_CORE, 0)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    with suppress(OSError, ValueError):
        resource.setrlimit(
            what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
        )


def _growth_bytes() -> int:
    """How much a child may grow: less than what is free, so that nobody else is ended for it."""
    free = [MAX_GROWTH_BYTES]
    with suppress(OSError, ValueError, KeyError):
        free.append(1024 * _table("/proc/meminfo")["MemAvailable:"])
    for root, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "anon"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss"),
    ):
        with suppress(OSError, ValueError, KeyError):  # not there, or "max"
            most = int(Path(root, limit).read_text("ascii"))
            free.append(most - _table(f"{root}/memory.stat")[used])
    return max(min(free) * 3 // 4, MIN_GROWTH_BYTES)


def _table(path: str) -> dict[str, int]:
    """Numbers by name, of a file with one such pair a line."""
    lines = Path(path).read_text("ascii").splitlines()
    return {words[0]: int(words[1]) for words in map(str.split, lines)}


def _resident_bytes(process: int) -> int:
    """Resident memory of a process; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
