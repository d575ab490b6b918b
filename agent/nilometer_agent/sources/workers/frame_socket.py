"""The Unix socket for plain frames: one thread serves all workers."""

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
from nilometer.values.errors import ConfigError
from nilometer.values.once import MINUTE_SECONDS, OnceEvery
from nilometer.wire.frames import Refused, Why, frame_of
from nilometer_agent.engine.engine import Engine
from nilometer_agent.measure.counters import Counter, Counters
from nilometer_agent.sources.source import seconds_until
from nilometer_agent.sources.workers.connection import Connection, Step
from nilometer_agent.sources.workers.memory import FrameMemory
from nilometer_agent.sources.workers.registry import Workers

MAX_WORKERS = 256  # connections of one agent
BACKLOG = 256
ACCEPTED_AT_ONCE = 16
TICK_SECONDS = 1.0  # interval of checks for timeouts
POLL_SECONDS = 0.02  # interval while a connection waits for the agent, or the agent stops
HELLO_SECONDS = 5.0  # longest time until a worker sends its hello
FRAME_SECONDS = 10.0  # longest time to receive one frame
END_SECONDS = 60.0  # longest time to commit the batches of a connection that ends
PAUSE_SECONDS = 1.0  # pause before the next accept if no file descriptors are left

log = logging.getLogger("nilometer.agent")


class FrameSocket:
    """Serves workers that speak plain frames. A `Source`.

    Nothing in the loop blocks. If there is no memory for a frame, or no room in the engine, that
    connection is not read for a while. The other connections are not affected.

    Args:
        path: Path of the socket; call `check_free` first.
        engine: Engine that gets the batches.
        workers: Registry of the connections.
        counters: Counters of the agent.
        clock: Monotonic time.
        allowed_uids: User ids whose workers may connect, besides this user and root.
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
        self._bound: tuple[int, int] | None = None
        self._memory = FrameMemory()
        self._connections: set[Connection] = set()
        self._in_need: dict[Connection, None] = {}  # oldest need first
        self._acknowledged: deque[Connection] = deque()  # filled by the engine's thread
        self._once = OnceEvery(MINUTE_SECONDS)  # logs each reason once a minute
        self._accept_again_at: float | None = None
        self._expire_at = 0.0
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="nilometer-frames", daemon=True)

    def start(self) -> None:
        """Bind the socket and start to receive batches.

        Raises:
            ConfigError: If the socket cannot be bound.
        """
        listener = self._listener = _listening(self._path, open_to_all=bool(self._allowed_uids))
        self._bound = _identity(self._path)
        self._selector = selectors.DefaultSelector()
        self._wake_up, self._woken = socket.socketpair()
        for one in (self._wake_up, self._woken):
            one.settimeout(0.0)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Stop reading, acknowledge what is committed. May be called before `start`, and twice."""
        if not self._thread.is_alive():
            return
        self._stop_at = self._clock.monotonic() + seconds_until(deadline)
        self._wake()
        self._thread.join(seconds_until(deadline))

    # The loop

    def _run(self) -> None:
        try:
            while not self._is_over():
                try:
                    self._turn()
                except Exception:
                    log.exception("internal error in the frame socket, continuing")
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
        polls = self._in_need or self._stop_at is not None
        ready = self._selector.select(POLL_SECONDS if polls else TICK_SECONDS)
        now = self._clock.monotonic()
        for key, events in ready:
            if key.fileobj is self._listener:
                self._accept(self._listener, now)
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
        for connection in list(self._in_need):
            connection.resume(now)
            self._settle(connection)
        if now >= self._expire_at:
            self._expire_at = now + TICK_SECONDS
            self._expire(now)

    def _expire(self, now: float) -> None:
        """End connections that take too long; accept new connections again after a pause."""
        if self._accept_again_at is not None and now >= self._accept_again_at:
            self._accept_again_at = None
            if self._listener is not None:
                self._selector.register(self._listener, selectors.EVENT_READ)
        for connection in list(self._connections):
            waited = now - connection.since
            if connection.step is Step.ENDING:
                if waited > END_SECONDS:
                    self._close(connection)
            elif connection.step is Step.READING:
                if not connection.worker and waited > HELLO_SECONDS:
                    self._refuse(connection, f"no hello within {HELLO_SECONDS:g} s", now)
                elif not connection.between_frames and waited > FRAME_SECONDS:
                    self._refuse(
                        connection, f"a frame was not complete within {FRAME_SECONDS:g} s", now
                    )

    # One connection

    def _accept(self, listener: socket.socket, now: float) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no file descriptors are left
                self._log_error("cannot accept workers, will retry", str(error))
                self._selector.unregister(listener)
                self._accept_again_at = now + PAUSE_SECONDS
                return
            self._admit(accepted, now)

    def _admit(self, accepted: socket.socket, now: float) -> None:
        accepted.settimeout(0.0)
        try:
            check_peer(accepted, self._allowed_uids)
        except (ForeignPeer, OSError) as error:
            self._counters.add(Counter.WORKERS_REFUSED)
            self._log_error("worker refused", str(error))
            accepted.close()
            return
        if len(self._connections) >= MAX_WORKERS:
            reason = f"this agent already serves {MAX_WORKERS} workers, its limit"
            refused = Refused(Why.FULL, reason)
            self._note_refusal(refused)
            with suppress(OSError):
                accepted.send(frame_of(refused))
            accepted.close()
            return
        connection = Connection(accepted, self._engine, self._memory, self._on_acknowledged, now)
        self._connections.add(connection)
        self._workers.enter(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection, now: float) -> None:
        try:
            connection.read(now)
        except OSError as error:
            log.info(
                "worker disconnected",
                extra={"worker": connection.worker.hex(), "reason": str(error)},
            )
            connection.end(now)
            connection.gone = True
        except Exception:
            # The current batch was not accepted. A later acknowledgement would cover it as well.
            log.exception(
                "internal error while reading from a worker, closing its connection",
                extra={"worker": connection.worker.hex()},
            )
            connection.end(now)
        for refused in connection.refused_batches:
            self._engine.refuse()
            self._log_error("batch refused", refused.reason)
        connection.refused_batches.clear()
        if connection.refused is not None:
            self._note_refusal(connection.refused)

    def _refuse(self, connection: Connection, reason: str, now: float) -> None:
        connection.refuse(Why.CONTRACT, reason, now)
        self._note_refusal(Refused(Why.CONTRACT, reason))
        self._settle(connection)

    def _note_refusal(self, refused: Refused) -> None:
        if refused.why == Why.CONTRACT:
            self._engine.refuse()
        else:
            self._counters.add(Counter.WORKERS_REFUSED)
        self._log_error("worker refused", refused.reason)

    def _settle(self, connection: Connection) -> None:
        """Send waiting data; then close the connection, or watch it for its next event."""
        if connection not in self._connections:
            return
        connection.write()
        if connection.over:
            self._close(connection)
            return
        if connection.has_needs:
            self._in_need.setdefault(connection)
        else:
            self._in_need.pop(connection, None)
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        """Register the connection for exactly the events that it waits for."""
        events = selectors.EVENT_READ if connection.step is Step.READING else 0
        if connection.wants_to_write:
            events |= selectors.EVENT_WRITE
        watched = self._selector.get_map().get(connection.socket)
        if watched is None:
            if events:
                self._selector.register(connection.socket, events, connection)
        elif not events:
            self._selector.unregister(connection.socket)
        elif watched.events != events:
            self._selector.modify(connection.socket, events, connection)

    def _close(self, connection: Connection) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.close()
        self._connections.discard(connection)
        self._in_need.pop(connection, None)
        self._workers.leave(connection)

    def _on_acknowledged(self, connection: Connection) -> None:
        """Note a connection with acknowledgements to send. Called from the engine's thread."""
        self._acknowledged.append(connection)
        self._wake()

    def _wake(self) -> None:
        with suppress(
            OSError
        ):  # if the socket is full, the loop wakes up anyway; if it is closed, the loop has ended
            self._wake_up.send(b"\0")

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with suppress(KeyError, ValueError):
            self._selector.unregister(listener)
        # The inode is not reused while the socket is open, so another inode is another agent's socket.
        if _identity(self._path) == self._bound:
            self._path.unlink(missing_ok=True)
        listener.close()

    def _log_error(self, what: str, reason: str) -> None:
        if self._once.due(self._clock.monotonic(), reason):
            log.error("%s: %s", what, reason, extra={"reason": reason})


def _listening(path: Path, *, open_to_all: bool) -> socket.socket:
    """Return a listening socket at *path* that only this user may open.

    Args:
        path: Path of the socket.
        open_to_all: Whether other users may open it; their user id is checked before any read.

    Raises:
        ConfigError: If the socket cannot be bound.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        previous = os.umask(0o111 if open_to_all else 0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(previous)
        listener.listen(BACKLOG)
        listener.settimeout(0.0)
    except OSError as error:
        listener.close()
        raise ConfigError(f"socket = {str(path)!r}: {error}") from error
    return listener


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
