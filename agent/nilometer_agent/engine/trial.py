"""Trials: find what crashes the agent, by doing it in a child process.

A batch that crashed the agent may hold one observation that does so: by a bug in compiled code, by
using too much memory, or by an endless loop. The agent forks a child that profiles one observation
after the other and reports which one it works on. If the child dies, a second child profiles that
observation alone. An observation that kills both children is poison.

The agent does not judge by its own crashes, because it cannot know why it was killed. It can see
how its children end, how much memory they took and how much time. If the agent itself is killed,
the trial ends with it and has no result. A single SIGKILL of a child may come from outside, so it
proves nothing either. If even a harmless observation kills a child, nothing counts as poison. That
happens if a library cannot be forked or the machine has no memory left, and then every child would
die.

A window that crashed the agent while it was closed is tried in the same way, as a whole.
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
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias

from msgspec.structs import replace

from nilometer.profiling.observation import pack, parts_of
from nilometer.wire.frames import Batch
from nilometer.wire.samples import samples_to_bytes
from nilometer_agent.engine.accounts import Taken
from nilometer_agent.engine.receive import UNREADABLE, Receiver

POLL_SECONDS = 0.005
STALLED_POLLS = 12_000  # polls without progress after which the trial ends without a result
CPU_SECONDS = 20  # limit of the CPU time for one observation
MAX_GROWTH_BYTES = 1 << 30  # limit of the child's added memory; less if little memory is free
MIN_GROWTH_BYTES = 64 << 20  # smallest value of that limit
FORKS = 5  # attempts to fork a child that ends before it begins
KILLS = 3  # consecutive SIGKILLs at one observation after which that observation is the cause

# Signals that a process causes itself. Other signals come from outside.
FAULTS = frozenset(
    (
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT),
        *(signal.SIGTRAP, signal.SIGSYS, signal.SIGXCPU),
    )
)
_HARMLESS = pack(
    [(1, 0.0, 200, "ok", "POST", "", 2, 2, *2 * ("application/json", ""), b"{}", b"{}", "")]
)
WHOLE = -1  # in place of an index: the child died before the batch was split up
_DONE, _NOT_BEGUN = -2, -3

# Returns the units to try, each of which is a function without arguments; called in the child.
Units: TypeAlias = Callable[[], Iterable[Callable[[], object]]]

log = logging.getLogger("nilometer.agent")


class How(Enum):
    """How a child ended."""

    DONE = auto()  # the child has profiled everything
    BY_ITSELF = auto()  # the observation in work killed the child
    KILLED = auto()  # SIGKILL, from outside or because of the observation
    NEVER_BEGAN = auto()  # the child died before its first observation, in the fork itself
    UNKNOWN = auto()  # no result: the child was ended from outside, or made no progress


class Ending(NamedTuple):
    """The end of a child, and the index of the observation that it worked on."""

    how: How
    at: int


class Trial:
    """Tries batches and windows in child processes. Only the engine's thread may call.

    Args:
        receiver: Receiver that profiles. It must hold no uncommitted data, because a child would
            profile that too.
        stopping: Event that ends a trial early.
        on_step: Function that is called while the agent waits for a child.
    """

    def __init__(
        self, receiver: Receiver, stopping: threading.Event, on_step: Callable[[], None]
    ) -> None:
        self._receiver = receiver
        self._stopping = stopping
        self._on_step = on_step
        self._progress = mmap.mmap(-1, 8)  # shared with the child: the index it works on

    @property
    def is_over(self) -> bool:
        """Whether no further trial is run, because the agent stops."""
        return self._stopping.is_set()

    def poison(self, batch: Batch) -> list[int]:
        """Return the indexes of the observations that kill a process that profiles them.

        Profiles that a worker made are one unit, with index 0. `WHOLE` means the whole batch, if it
        cannot be split up.
        """
        self._receiver.see(batch)  # a lock must not be held during a fork
        harmless = replace(batch, observations=_HARMLESS, partials=(), count=1)
        return self._fatal(self._profiling(batch), self._profiling(harmless))

    def kills(self, work: Callable[[], object], harmless: Callable[[], object]) -> bool:
        """Return whether every process that does *work* dies, but none that does *harmless* work."""
        return bool(self._fatal(lambda: [work], lambda: [harmless]))

    def _profiling(self, batch: Batch) -> Units:
        return lambda: (partial(self._profile, unit) for unit in _units(batch))

    def _fatal(self, units: Units, harmless: Units) -> list[int]:
        """Return the indexes of the *units* that kill every process that does them."""
        found: list[int] = []
        first, last = WHOLE, sys.maxsize
        children_live = False
        while True:
            how, at = self._end(units, first, last)
            if how is not How.BY_ITSELF:
                return found
            again = self._end(units, at, at + 1)
            if again.how is How.BY_ITSELF:
                children_live = children_live or self._survives(harmless)
                if not children_live:
                    log.error(
                        "suspect profiled without a trial, every child process dies: check for low "
                        "memory, and for libraries that do not survive a fork"
                    )
                    return found
                found.append(at)
                if at == WHOLE:
                    return found
            elif again.how is How.UNKNOWN:
                return found
            first = at + 1

    def _survives(self, harmless: Units) -> bool:
        return self._end(harmless, WHOLE, sys.maxsize).how is How.DONE

    def _end(self, units: Units, first: int, last: int) -> Ending:
        """Run a child that does the units from *first* up to *last*, exclusive."""
        at = first
        for kill in range(KILLS):
            ending = self._begun(units, at, last)
            if ending.how is not How.KILLED:
                return ending
            if kill and ending.at != at:
                break
            at = ending.at
        else:
            return Ending(How.BY_ITSELF, at)
        return Ending(How.UNKNOWN, at)

    def _begun(self, units: Units, first: int, last: int) -> Ending:
        """Return how the first child that started has ended; UNKNOWN if no child starts."""
        for _ in range(FORKS):
            ending = self._child(units, first, last)
            if ending.how is not How.NEVER_BEGAN:
                return ending
        return Ending(How.UNKNOWN, first)

    def _child(self, units: Units, first: int, last: int) -> Ending:
        self._note(_NOT_BEGUN)
        parent = os.getpid()
        room = _growth_bytes()
        try:
            child = _fork()
            if child == 0:
                self._be_tried(units, first, last, parent)
            return self._watch(child, room)
        except ChildProcessError:  # other code in this process waits for children too
            return Ending(How.UNKNOWN, self._at)
        except OSError as error:
            log.warning(
                "suspect profiled without a trial, no child process can be created (%s): raise the "
                "limits of processes and memory",
                error.strerror,
            )
            return Ending(How.UNKNOWN, first)
        finally:
            if (
                os.getpid() != parent
            ):  # also after an error, because a child must never continue as an agent
                os._exit(0)

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
        if given_up and not grown:
            return Ending(How.UNKNOWN, at)
        if at == _NOT_BEGUN:
            return Ending(How.NEVER_BEGAN, at)
        if grown:
            return Ending(How.BY_ITSELF, at)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number in FAULTS:
                return Ending(How.BY_ITSELF, at)
            return Ending(How.KILLED if number == signal.SIGKILL else How.UNKNOWN, at)
        return Ending(How.DONE if at == _DONE else How.BY_ITSELF, at)

    # In the child

    def _be_tried(self, units: Units, first: int, last: int, parent: int) -> NoReturn:
        """Do the units and exit. This stores nothing and acknowledges nothing."""
        try:
            _be_a_child()
            if first == WHOLE:
                self._work_at(WHOLE)
            for at, work in enumerate(units()):
                if at >= last or os.getppid() != parent:
                    break
                if at >= first:
                    self._work_at(at)
                    with suppress(BaseException):  # exceptions do not kill the agent
                        work()
            self._note(_DONE)
        finally:
            os._exit(0)

    def _work_at(self, at: int) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_SECONDS)
        self._note(at)

    def _profile(self, unit: Batch) -> None:
        """Do what `Engine` does with a batch before storing it."""
        with suppress(BaseException):
            self._receiver.profile(self._receiver.receipt(unit, lambda _: None))
        taken: list[Taken] = []
        with suppress(BaseException):
            self._receiver.take_into(taken)
            for _, samples, _ in taken:
                samples_to_bytes(samples)


def _units(batch: Batch) -> Iterator[Batch]:
    """Return the units to try alone: each observation; profiles of a worker are one unit."""
    whole = replace(batch, cost=None, dropped={})
    if batch.partials:
        yield whole
        return
    with suppress(*UNREADABLE):
        for part in parts_of(batch.observations):
            yield replace(whole, observations=part, count=1)


def _fork() -> int:
    """Return the process id of a new child; 0 in the child.

    The child runs this thread only, so it must not wait for another thread's lock. It calls only
    code that decodes and profiles.

    Raises:
        OSError: If the system cannot create another process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python warns of a fork in a process with threads
        return os.fork()


def _be_a_child() -> None:
    """Turn off logs, core dumps and finalizers, and end this process when its parent ends."""
    gc.disable()
    logging.disable(logging.CRITICAL)
    faulthandler.disable()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        with suppress(OSError):  # the kernel kills this process before the model server
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    _limit(resource.RLIMIT_CORE, 0)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    with suppress(OSError, ValueError):
        resource.setrlimit(
            what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
        )


def _growth_bytes() -> int:
    """Return how much memory a child may add: less than is free, so that no other process is killed."""
    free = [MAX_GROWTH_BYTES]
    with suppress(OSError, ValueError, KeyError):
        free.append(1024 * _table("/proc/meminfo")["MemAvailable:"])
    for root, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "anon"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss"),
    ):
        with suppress(OSError, ValueError, KeyError):  # the file does not exist or says "max"
            most = int(Path(root, limit).read_text("ascii"))
            free.append(most - _table(f"{root}/memory.stat")[used])
    return max(min(free) * 3 // 4, MIN_GROWTH_BYTES)


def _table(path: str) -> dict[str, int]:
    """Return numbers by name from a file with one pair per line."""
    lines = Path(path).read_text("ascii").splitlines()
    return {words[0]: int(words[1]) for words in map(str.split, lines)}


def _resident_bytes(process: int) -> int:
    """Return the resident memory of a process; 0 if the system does not report it."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
