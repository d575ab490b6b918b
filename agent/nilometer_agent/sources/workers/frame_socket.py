"""The Unix socket for plain frames: every worker's connection in one thread."""

import logging
import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from nilometer.handoff.peer import ForeignPeer, check_peer
from nilometer.values.clock import Clock
from nilometer.wire.frames import Refused, Why, frame_of
from nilometer_agent.engine.engine import Engine
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.sources.source import seconds_until
from nilometer_agent.sources.workers.connection import Connection
from nilometer_agent.sources.workers.registry import Workers

MAX_WORKERS = 256  # of one agent
MAX_FRAMES_BYTES = 16 << 20  # of all frames that are under way
BACKLOG = 256
ACCEPTED_AT_ONCE = 16
TICK_SECONDS = 1.0
HELLO_SECONDS = 5.0  # in which a worker must have said hello
FRAME_SECONDS = 10.0  # in which a frame that has begun must be whole
END_SECONDS = 60.0  # in which what an ended worker sent must be committed
PAUSE_SECONDS = 1.0  # without accepting, where there are no descriptors
TOLD_SECONDS = 60.0  # between two log lines of one kind

log = logging.getLogger("nilometer.agent")


class FrameSocket:
    """Serves workers that speak plain frames. A `Source`.

    Args:
        path: Of the socket; `check_free` says whether it may be taken.
        engine: Takes the batches.
        workers: Counts the connections.
        counters: What is counted.
        clock: Monotonic time.
        allowed_uids: Users, beside this one and root, whose workers are served.
    """

    name = "frames"
    stop_seconds = 2.0

    def __init__(
        self,
        path: Path,
        engine: Engine,
        workers: Workers,
        counters: Counters,
        clock: Clock,
        allowed_uids: Collection[int] = (),
    ) -> None:
        self._path = path
        self._engine = engine
        self._workers = workers
        self._counters = counters
        self._clock = clock
        self._allowed_uids = frozenset(allowed_uids)
        self._listener: socket.socket | None = None
        self._inode = 0
        self._connections: set[Connection] = set()
        self._acknowledged: deque[Connection] = deque()
        self._told: dict[str, float] = {}
        self._resume_at: float | None = None  # accepting is paused until then
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="nilometer-frames", daemon=True)

    def start(self) -> None:
        """Bind the socket and take batches."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path.unlink(missing_ok=True)
        # Others may open it where some are allowed; each one's user id is checked before a byte.
        previous = os.umask(0o111 if self._allowed_uids else 0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(previous)
        self._inode = self._path.stat().st_ino
        listener.listen(BACKLOG)
        listener.settimeout(0.0)
        self._selector = selectors.DefaultSelector()
        self._wake_up, self._woken = socket.socketpair()
        for one in (self._wake_up, self._woken):
            one.settimeout(0.0)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._listener = listener
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Read nothing more, acknowledge what is committed. Safe before `start`, and twice."""
        if not self._thread.is_alive():
            return
        self._stop_at = self._clock.monotonic() + seconds_until(deadline)
        self._wake()
        self._thread.join(seconds_until(deadline))

    def _run(self) -> None:
        try:
            while not self._is_over():
                try:
                    self._turn()
                except Exception:
                    log.exception("a turn of the frame socket failed")
        finally:
            for connection in list(self._connections):
                self._close(connection)
            self._stop_listening()
            for one in (self._wake_up, self._woken):
                one.close()
            self._selector.close()

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        now = self._clock.monotonic()
        self._stop_listening()
        for connection in list(self._connections):
            connection.end(now)
            self._settle(connection)
        return not self._connections or now >= self._stop_at

    def _turn(self) -> None:
        wait = TICK_SECONDS if self._stop_at is None else 0.02
        ready = self._selector.select(wait)
        now = self._clock.monotonic()
        listener = self._listener
        for key, events in ready:
            if listener is not None and key.fileobj is listener:
                self._accept(listener, now)
            elif key.fileobj is self._woken:
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
            else:
                connection: Connection = key.data
                if events & selectors.EVENT_READ:
                    self._read(connection, now)
                self._settle(connection)
        while self._acknowledged:
            self._settle(self._acknowledged.popleft())
        self._resume(now)
        self._expire(now)

    def _accept(self, listener: socket.socket, now: float) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no descriptors are left
                self._tell("workers wait: %s", str(error))
                self._selector.unregister(listener)
                self._resume_at = now + PAUSE_SECONDS
                return
            accepted.settimeout(0.0)
            self._greet(accepted, now)

    def _greet(self, accepted: socket.socket, now: float) -> None:
        try:
            check_peer(accepted, self._allowed_uids)
        except (ForeignPeer, OSError) as error:
            self._counters.add(Counter.WORKERS_REFUSED)
            self._tell("worker refused: %s", str(error))
            accepted.close()
            return
        if len(self._connections) >= MAX_WORKERS:
            reason = f"this agent serves {MAX_WORKERS} workers, which is the most that one can"
            self._counters.add(Counter.WORKERS_REFUSED)
            self._tell("worker refused: %s", reason)
            with suppress(OSError):
                accepted.send(frame_of(Refused(Why.FULL, reason)))
            accepted.close()
            return
        connection = Connection(accepted, self._engine, self._reserve, self._on_acknowledged, now)
        self._connections.add(connection)
        self._workers.enter(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection, now: float) -> None:
        try:
            connection.read(now)
            if connection.refused:
                self._note_refusal(connection)
        except OSError as error:
            log.info(
                "worker is gone", extra={"worker": connection.worker.hex(), "reason": str(error)}
            )
            connection.end(now)
            connection.gone = True

    def _refuse(self, connection: Connection, why: Why, reason: str, now: float) -> None:
        connection.refuse(why, reason, now)
        self._note_refusal(connection)

    def _note_refusal(self, connection: Connection) -> None:
        self._engine.refuse()
        log.error(
            "worker refused: %s",
            connection.refused,
            extra={"worker": connection.worker.hex(), "reason": connection.refused},
        )

    def _settle(self, connection: Connection) -> None:
        """Send what waits, wait for what is due, or close."""
        if connection not in self._connections:
            return
        connection.write()
        if connection.over:
            self._close(connection)
            return
        reads = 0 if connection.ending or connection.waiting else selectors.EVENT_READ
        events = reads | (selectors.EVENT_WRITE if connection.wants_to_write else 0)
        known = self._selector.get_map().get(connection.socket.fileno())
        if known is None and events:
            self._selector.register(connection.socket, events, connection)
        elif known is not None and not events:
            self._selector.unregister(connection.socket)
        elif known is not None and known.events != events:
            self._selector.modify(connection.socket, events, connection)

    def _close(self, connection: Connection) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.close()
        self._connections.discard(connection)
        self._workers.leave(connection)

    def _reserve(self, size: int) -> bool:
        return sum(one.reserved for one in self._connections) + size <= MAX_FRAMES_BYTES

    def _resume(self, now: float) -> None:
        """Let those go on that wait for memory or for descriptors."""
        for connection in [one for one in self._connections if one.waiting]:
            connection.resume(now)
            self._settle(connection)
        if self._resume_at is not None and now >= self._resume_at and self._listener is not None:
            self._resume_at = None
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _expire(self, now: float) -> None:
        for connection in list(self._connections):
            waited = now - connection.since
            if connection.ending:
                if waited > END_SECONDS:
                    self._close(connection)
            elif not connection.worker and waited > HELLO_SECONDS:
                self._refuse(connection, Why.CONTRACT, f"no hello in {HELLO_SECONDS:g} s", now)
                self._settle(connection)
            elif not connection.between_frames and waited > FRAME_SECONDS:
                reason = f"a frame was not whole after {FRAME_SECONDS:g} s"
                self._refuse(connection, Why.CONTRACT, reason, now)
                self._settle(connection)

    def _on_acknowledged(self, connection: Connection) -> None:
        """Called from the engine's thread."""
        self._acknowledged.append(connection)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it wakes up anyway; closed: it has ended
            self._wake_up.send(b"\0")

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with suppress(KeyError, ValueError):
            self._selector.unregister(listener)
        listener.close()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:  # and not a successor's
                self._path.unlink()

    def _tell(self, what: str, reason: str) -> None:
        now = self._clock.monotonic()
        if now - self._told.get(what, -TOLD_SECONDS) >= TOLD_SECONDS:
            self._told[what] = now
            log.warning(what, reason, extra={"reason": reason})
