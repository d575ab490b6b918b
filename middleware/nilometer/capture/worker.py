"""The background thread of a model server's process: from the sink to the agent.

Started lazily by the first request of each process, so that nothing of it exists before a fork;
a child that was forked with it running forgets it and starts its own. It drains the sink in
small batches, keeps what the agent has not acknowledged, and sends it again after a reconnect:
(worker, sequence) counts once.
"""

import atexit
import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from nilometer.capture.guard import Guard
from nilometer.capture.settings import CaptureSettings
from nilometer.capture.sink import Captured, Sink
from nilometer.reasons import DropReason

MAX_BATCH = 256  # observations
MAX_BATCH_BYTES = 1 << 20  # of bodies; one observation may exceed it by its own size
IDLE_FACTOR = 4  # an idle worker looks this many times less often than a busy one

log = logging.getLogger("nilometer.capture")


class Outlet(Protocol):
    """Where batches of captured requests go. Used by one thread."""

    def hand_on(self, batch: Sequence[Captured], dropped: Mapping[DropReason, int]) -> None:
        """Take *batch* and book observations that were lost before it."""
        ...

    def has_room(self) -> bool:
        """Whether another batch may be taken now."""
        ...

    def tend(self) -> None:
        """Do what is due: connect, send again, hand on what is finished. Never blocks for long."""
        ...

    def finish(self, deadline: float) -> int:
        """Hand on everything until *deadline* (monotonic seconds); returns what is left."""
        ...


class Worker:
    """One process's way to the agent. Thread rule: `ensure_started` from the event loop."""

    def __init__(self, settings: CaptureSettings, guard: Guard | None = None) -> None:
        self.settings = settings
        self.guard = guard or Guard()
        self.sink = Sink(settings.max_queue_bytes)
        self.started = False  # whether this process has its thread
        self.outlet: Outlet | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._booked: Counter[DropReason] = Counter()
        self._owner = 0
        os.register_at_fork(after_in_child=self._forget)

    def ensure_started(self) -> None:
        """Start the thread if this process has none."""
        if self._thread is None and not self._stopping:
            self._start()
            self.started = True

    def stop(self) -> None:
        """Hand on what is held and end the thread, within `shutdown_seconds`. Safe twice."""
        thread = self._thread
        if thread is None or self._owner != os.getpid():
            return
        self._stopping = True
        self._wake.set()
        thread.join(self.settings.shutdown_seconds + 1.0)
        self._thread = None
        self.started = False
        self._stopping = False

    def _start(self) -> None:
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="nilometer-capture", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def _forget(self) -> None:
        """In a forked child: its parent's thread, queue and identity are not ours."""
        self.sink = Sink(self.settings.max_queue_bytes)
        self.outlet = None
        self._thread = None
        self.started = False
        self._wake = threading.Event()
        self._stopping = False
        self.guard.lost = 0
        self._booked = Counter()

    def _run(self) -> None:
        try:
            self.outlet = open_outlet(self.settings)
        except Exception:
            log.exception("capture is off in this process", extra={"entity": self.settings.entity})
            return
        busy = self.settings.flush_seconds
        while not self._stopping:
            took = self._step(self.outlet)
            self._wake.wait(busy if took else min(busy * IDLE_FACTOR, 0.2))
        deadline = time.monotonic() + self.settings.shutdown_seconds
        while self._step(self.outlet) and time.monotonic() < deadline:
            pass
        left = self.outlet.finish(deadline) + len(self.sink)
        if left:
            log.warning("observations lost at the end of the process", extra={"observations": left})

    def _lost(self) -> Counter[DropReason]:
        """Observations this process has lost so far."""
        return Counter(
            {
                DropReason.QUEUE_FULL: self.sink.refused,
                DropReason.INTERNAL_ERROR: self.guard.lost,
            }
        )

    def _step(self, outlet: Outlet) -> bool:
        """Move what is there, one batch at a time; returns whether there was anything."""
        took = False
        try:
            while outlet.has_room():
                batch = self.sink.take(MAX_BATCH, MAX_BATCH_BYTES)
                lost = self._lost()
                new = {reason: n for reason, n in (lost - self._booked).items() if n}
                if not batch and not new:
                    break
                self._booked = lost
                outlet.hand_on(batch, new)
                took = True
                if len(batch) < MAX_BATCH:
                    break
            outlet.tend()
        except Exception:
            log.exception("a capture step failed", extra={"entity": self.settings.entity})
        return took


def open_outlet(settings: CaptureSettings) -> Outlet:
    """The outlet that *settings* ask for; imports what only it needs."""
    from nilometer.capture.link import AgentLink

    link = AgentLink(settings, secrets.token_bytes(16))
    if settings.profile_in == "process" or not link.can_reach_agent:
        from nilometer.capture.inside import InsideOutlet

        return InsideOutlet(settings, link)
    from nilometer.capture.outside import OutsideOutlet

    return OutsideOutlet(settings, link)
