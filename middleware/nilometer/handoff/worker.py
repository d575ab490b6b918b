"""The background thread of a model server's process, which moves observations to the agent.

The first request of each process starts it, so that it does not exist before a fork. A child that
was forked later forgets the parent's thread and starts its own. The thread drains the sink in small
batches, keeps those that the agent has not acknowledged, and sends them again after a reconnect.
The agent counts each (worker, sequence) once.
"""

import atexit
import importlib
import os
import secrets
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from nilometer.handoff import annotations
from nilometer.handoff.budget import Budget, Meter
from nilometer.handoff.guard import Guard
from nilometer.handoff.pack import Packer
from nilometer.handoff.plain import Gate
from nilometer.handoff.settings import CaptureSettings
from nilometer.handoff.sink import Sink
from nilometer.values.limited_log import LimitedLog
from nilometer.values.reasons import DropReason
from nilometer.wire.frames import Cost

MAX_BATCH = 256  # observations
MAX_BATCH_BYTES = 128 << 10  # a larger observation is sent as a separate batch
WISHED_BATCH = 128  # observations in a busy worker's batch; small bursts keep the server's p99 low
SHORTEST_PAUSE = 0.005  # shortest wait, in seconds, of a busy worker
LONGEST_PAUSE = 0.2  # longest wait, in seconds, of an idle worker
IDLE_FACTOR = 4  # factor by which an idle worker waits longer than a busy one
CLOSING_SECONDS = 0.1  # part of the stop time for closing the stream; at most half of it
BETWEEN_BATCHES = 0.0005  # seconds: long enough for the event loop to run


class Outlet(Protocol):
    """Sends batches of packed observations to the agent. Used by one thread."""

    @property
    def trouble(self) -> str:
        """Reason why batches do not reach the agent, and what to do; empty if they do."""
        ...

    def send_batch(self, batch: Sequence[bytes], dropped: Mapping[DropReason, int]) -> None:
        """Send *batch*, and record the observations that were lost before it."""
        ...

    def has_room(self) -> bool:
        """Return whether another batch is accepted now."""
        ...

    def poll(self) -> None:
        """Do pending work: connect, resend, send finished windows. Never blocks for long."""
        ...

    def report_cost(self, cost: Cost) -> None:
        """Send the cost of observing with the next batch."""
        ...

    def finish(self, deadline: float) -> int:
        """Send everything until *deadline*, monotonic; return how many observations are left."""
        ...


class Worker(Gate):
    """The connection between one process and the agent. Any thread may serve requests.

    A background thread sends the observations.

    Attributes:
        meter: Meter that receives the durations of timed requests.
        packer: Packer of the observations; absent if the settings are invalid.
        never_ran: Number of gRPC calls without an observation, because their handler never ran.
    """

    packer: Packer
    sink: Sink

    def __init__(self, settings: CaptureSettings | None, guard: Guard) -> None:
        self.guard = guard
        self.live = False
        self.in_flight = 0
        self.never_ran = 0
        self.nested = False
        self.notes = False
        self.due = False
        self.share = 1.0
        self.meter = _meter(settings)
        self.outlet: Outlet | None = None
        self._log = LimitedLog()
        self._settings = settings
        self._booked: Counter[DropReason] = Counter()
        self._owner = 0
        self._failed = settings is None
        self._taken = 0  # observations removed from the sink
        self._at_exit = False
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._wake = _held_lock()
        self._stopping = False
        self.sink = Sink(settings.max_queue_bytes if settings else 0)
        if settings is not None:
            self.packer = Packer(settings)
            _import_outlet(settings)
        _workers.add(self)

    @classmethod
    def idle(cls) -> "Worker":
        """Return a worker that observes nothing, because its settings are invalid."""
        return cls(None, Guard())

    @property
    def settings(self) -> CaptureSettings:
        """The settings; not available for an idle worker."""
        if self._settings is None:
            raise RuntimeError("this worker's settings were refused")
        return self._settings

    @property
    def runs(self) -> bool:
        """Whether this process has started its thread."""
        return self._thread is not None and self._owner == os.getpid()

    def revive(self) -> bool:
        """Start observation in a new process or after a pause; return false if that fails."""
        try:
            if self._failed or self._stopping or self.guard.tripped:
                return False
            self.ensure_started()
        except Exception as error:  # monitoring must never fail a prediction
            self.note(error, lost=1)
            return False
        return True

    def ensure_started(self) -> None:
        """Start the thread if this process has none."""
        with self._starting:
            if self._failed:
                return
            if self._thread is None and not self._stopping:
                self.notes = annotations.may_be_used() or self.nested
                self._owner = os.getpid()
                thread = threading.Thread(target=self._run, name="nilometer-capture", daemon=True)
                self._thread = thread
                self.live = True  # set before the start, because the thread may reset it
                try:
                    thread.start()
                except BaseException:
                    self.live, self._thread = False, None
                    raise
                if not self._at_exit:
                    self._at_exit = True
                    _at_exit(self.stop)
            elif self._thread is not None:
                self.live = True

    def note(self, error: Exception, lost: int = 0) -> None:
        """Count an error in nilometer; too many pause capture. Never raises."""
        self.guard.note(error, lost)
        if self.guard.tripped:
            self.live = False

    def stop(self) -> None:
        """Send pending observations and end the thread within `shutdown_seconds`.

        May be called twice.
        """
        thread = self._thread
        if thread is None or not self.runs:
            return
        self.live = False
        self._stopping = True
        if self._wake.locked():
            self._wake.release()
        thread.join(self.settings.shutdown_seconds)
        self._thread = None
        self._wake = _held_lock()
        self._stopping = False

    def retire(self) -> None:
        """Stop observation, and discard pending observations."""
        self.live = False
        self._failed = True
        self.sink = Sink(0)

    def forget(self) -> None:
        """In a forked child, discard the parent's thread, queue and identity."""
        self.live = False
        self._at_exit = False
        self.in_flight = 0
        self.never_ran = 0
        self.due = False
        self.share = 1.0
        self.meter = _meter(self._settings)
        self._taken = 0
        self.outlet = None
        self.guard.lost = 0
        self._booked = Counter()
        self.sink = Sink(self._settings.max_queue_bytes if self._settings else 0)
        self._thread = None
        self._starting = threading.Lock()
        self._wake = _held_lock()
        self._stopping = False

    def _run(self) -> None:
        wake = self._wake
        try:
            outlet = self.outlet = open_outlet(self.settings)
        except Exception as error:
            self._log.fault("nothing is observed in this process", error)
            self.retire()
            return
        longest = self.settings.flush_seconds
        pause = longest
        self.meter = _meter(self.settings)  # set now, because the outlet is open
        # gevent runs this function in the main thread, between the requests.
        alone = threading.get_native_id() != os.getpid()
        stepped = 0.0
        while not self._stopping:
            began = time.thread_time()
            took = self._step(outlet)
            stepped += time.thread_time() - began
            self._measure(outlet, time.thread_time() if alone else stepped)
            if not took:
                pause = min(longest * IDLE_FACTOR, LONGEST_PAUSE)
            else:
                wished = min(pause, longest) * WISHED_BATCH / took
                pause = max(min(wished, longest), min(SHORTEST_PAUSE, longest))
            wake.acquire(timeout=pause)
        # Opening the outlet may have taken time, so the deadline starts now.
        most = self.settings.shutdown_seconds
        deadline = time.monotonic() + max(most - CLOSING_SECONDS, most / 2)
        while self._step(outlet) and time.monotonic() < deadline:
            pass
        try:
            left = outlet.finish(deadline) + len(self.sink)
        except Exception as error:
            self._log.fault("observations were lost at the end of the process", error)
            return
        self._tell_lost(left, outlet.trouble)

    def _tell_lost(self, left: int, trouble: str) -> None:
        """Log the number of lost observations; *left* were not sent because of *trouble*."""
        lost, why = left + self.sink.refused, trouble
        if left and not trouble:
            seconds = self.settings.shutdown_seconds
            why = f"no acknowledgement within {seconds:g} s: raise shutdown_seconds"
        elif not left:
            why = "the queue was full: raise max_queue_bytes"
        if lost:
            self._log.warning(f"{lost} observations of {self.settings.entity} were lost: {why}")

    def _measure(self, outlet: Outlet, own_seconds: float) -> None:
        """Report the cost of observing, and keep it within its budget."""
        try:
            now = time.monotonic()
            meter, sink = self.meter, self.sink
            self.due = self.due or meter.wants_time(now)
            cost = meter.measure(now, own_seconds, self._taken + len(sink) + sink.refused)
            if cost is not None:
                self.share = cost.share
                outlet.report_cost(cost)
        except Exception as error:
            self._log.fault("the cost of observing could not be measured", error)

    def _lost(self) -> Counter[DropReason]:
        """Number of observations that this process has lost."""
        return Counter(
            {
                DropReason.QUEUE_FULL: self.sink.refused,
                DropReason.NEVER_RAN: self.never_ran,
                DropReason.INTERNAL_ERROR: self.guard.lost,
            }
        )

    def _step(self, outlet: Outlet) -> int:
        """Move pending observations, one batch at a time; return how many were moved."""
        took = batches = 0
        try:
            while outlet.has_room():
                batch = self.sink.take(MAX_BATCH, MAX_BATCH_BYTES)
                lost: dict[DropReason, int] = {}
                if self.sink.refused or self.guard.lost or self.never_ran:
                    now = self._lost()
                    lost = dict(now - self._booked)
                    self._booked = now
                if not batch and not lost:
                    break
                outlet.send_batch(batch, lost)
                took += len(batch)
                batches += 1
                self._taken += len(batch)
                if not len(self.sink):
                    break
                time.sleep(BETWEEN_BATCHES)
            if batches > 1:
                time.sleep(BETWEEN_BATCHES)  # lets other threads run
            outlet.poll()
        except Exception as error:
            self._log.fault("observations could not be sent", error)
        return took


def open_outlet(settings: CaptureSettings) -> Outlet:
    """Return the outlet for *settings*; imports only what it needs."""
    from nilometer.handoff.link import AgentLink

    link = AgentLink(settings, secrets.token_bytes(16))
    if settings.profile_in == "process" or not link.can_reach_agent:
        from nilometer.handoff.profile_outlet import ProfileOutlet

        return ProfileOutlet(settings, link)
    from nilometer.handoff.raw_outlet import RawOutlet

    return RawOutlet(settings, link)


def _import_outlet(settings: CaptureSettings) -> None:
    """Import the modules that the thread needs, before requests are served.

    A thread that imports holds the interpreter for a long time. A child that is forked during the
    import would keep a half-imported module.
    """
    try:
        importlib.import_module("nilometer.handoff.link")
        outlet = "profile_outlet" if settings.profile_in == "process" else "raw_outlet"
        importlib.import_module(f"nilometer.handoff.{outlet}")
    except Exception:  # noqa: S110  the thread meets the error again and reports it
        pass


def _meter(settings: CaptureSettings | None) -> Meter:
    cpu = settings.max_cpu_percent if settings else 0.0
    p99 = settings.max_p99_us / 1e6 if settings else 0.0
    return Meter(Budget(cpu, p99), time.monotonic())


def _held_lock() -> threading.Lock:
    """Return a held lock for the thread to wait on; it needs one C call, an event several."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def _at_exit(stop: Callable[[], None]) -> None:
    """Run *stop* when this process ends."""
    atexit.register(stop)
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        # A child of `multiprocessing` ends without calling the functions of `atexit`.
        from multiprocessing.util import Finalize

        Finalize(None, stop, exitpriority=0)


def find_requests() -> None:
    """Make `log` and `label` find requests from now on."""
    for worker in _workers:
        worker.notes = True


annotations.on_first_use(find_requests)

_workers: "weakref.WeakSet[Worker]" = weakref.WeakSet()


def _forget_all() -> None:
    for worker in _workers:
        worker.forget()


os.register_at_fork(after_in_child=_forget_all)
