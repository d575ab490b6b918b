"""One connection to the agent's frame socket. It never blocks: unsent bytes stay in a buffer."""

import os
import socket
import threading
from collections import deque
from collections.abc import Collection
from pathlib import Path

from nilometer.handoff.peer import check_peer
from nilometer.wire.frames import (
    HEAD_BYTES,
    LENGTH_BYTES,
    NEWEST_VERSION,
    OLDEST_VERSION,
    Acknowledged,
    BadFrame,
    Hello,
    Refused,
    Welcome,
    body_of,
    frame_of,
    length_in,
)

RECEIVED_BYTES = 16 << 10  # bytes per read; an acknowledgement has about 10 bytes
RECEIVED_AT_ONCE = 16  # most reads in one turn, so that a fast agent cannot block the thread
MAX_ANSWER_BYTES = 16 << 10  # largest frame from the agent
# Without this flag, a write to a closed connection may end the host with SIGPIPE. macOS lacks it.
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)

# The sockets of this process, so that a forked child can close its copies. While a child holds a
# copy, the agent would not notice that the parent has ended. No fork happens while a socket is
# created.
_open: set[socket.socket] = set()
_opening = threading.Lock()


class Stream:
    """An open connection. Used by one thread.

    No batch is sent before the agent's version has arrived, so that the agent only receives frames
    that it can read.

    Args:
        path: Path of the agent's frame socket.
        worker: Name of this process, 16 random bytes.
        allowed_uids: User ids that may run the agent, in addition to this user and root.

    Attributes:
        acknowledged: Sequence number of the last batch that is committed.
        broken: Whether the connection can no longer send or receive.
        reason: Reason why it broke, in words.
        refused: Message with which the agent refused this worker; otherwise None.
        refused_batches: Messages with which the agent refused batches that are still kept.

    Raises:
        OSError: If no process listens, or if an untrusted process listens.
    """

    def __init__(self, path: Path, worker: bytes, allowed_uids: Collection[int] = ()) -> None:
        self.acknowledged = 0
        self.broken = False
        self.reason = ""
        self.refused: Refused | None = None
        self.refused_batches: list[Refused] = []
        hello = frame_of(Hello(OLDEST_VERSION, NEWEST_VERSION, worker))
        self._version = 0
        self._greeted = False
        self._closing = False
        self._outgoing = deque([memoryview(hello)])
        self._inbox = bytearray()
        with _opening:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            _open.add(self._socket)
        try:
            self._socket.settimeout(0.0)
            self._socket.connect(str(path))
            check_peer(self._socket, allowed_uids)
            self.poll()
        except BaseException:
            self.close()
            raise

    @property
    def welcome(self) -> bool:
        """Whether the agent has accepted this worker."""
        return self._version > 0

    def send(self, frame: bytearray) -> None:
        """Send *frame*, now or as soon as the agent can receive it."""
        self._outgoing.append(memoryview(frame))
        self._flush()

    def poll(self) -> None:
        """Read the agent's messages, and send pending bytes."""
        self._receive()
        self._flush()

    def half_close(self) -> None:
        """Tell the agent that no more frames follow; it commits and acknowledges the rest."""
        self._closing = True
        self._flush()

    def close(self) -> None:
        """End the connection. Safe to call twice."""
        self.broken = True
        _open.discard(self._socket)
        self._socket.close()
        self._outgoing.clear()

    def _flush(self) -> None:
        try:
            while self._outgoing and not self.broken:
                if self._greeted and not self._version:
                    return
                waiting = self._outgoing[0]
                sent = self._socket.send(waiting, NO_SIGNAL)
                if sent < len(waiting):
                    self._outgoing[0] = waiting[sent:]
                    continue
                self._outgoing.popleft()
                self._greeted = True
            if self._closing and not self.broken:
                self._socket.shutdown(socket.SHUT_WR)
                self._closing = False
        except BlockingIOError:
            return
        except OSError as error:
            self._receive()  # read a refusal, because it explains more than a broken pipe
            self._break(str(error))

    def _receive(self) -> None:
        try:
            for _ in range(RECEIVED_AT_ONCE):
                if self.broken:
                    return
                came = self._socket.recv(RECEIVED_BYTES)
                if not came:
                    self._break("the agent closed the connection")
                    return
                self._inbox += came
                self._read_frames()
                if len(came) < RECEIVED_BYTES:
                    return  # all bytes are read; another read would only raise
        except BlockingIOError:
            return
        except (OSError, BadFrame) as error:
            self._break(str(error))

    def _read_frames(self) -> None:
        inbox = self._inbox
        at = 0
        while len(inbox) - at >= HEAD_BYTES and not self.broken:
            length = length_in(inbox[at : at + LENGTH_BYTES])
            if length > MAX_ANSWER_BYTES:
                raise BadFrame(f"the agent sent a frame of {length} bytes")
            end = at + LENGTH_BYTES + length
            if len(inbox) < end:
                break
            self._take(inbox[at + LENGTH_BYTES], bytes(inbox[at + HEAD_BYTES : end]))
            at = end
        del inbox[:at]

    def _take(self, kind: int, content: bytes) -> None:
        match body_of(kind, content):
            case Acknowledged(sequence):
                self.acknowledged = max(self.acknowledged, sequence)
            case Welcome(version) if not self._version:
                if not OLDEST_VERSION <= version <= NEWEST_VERSION:
                    raise BadFrame(f"the agent speaks version {version} of the frames")
                self._version = version
            case Refused() as refused if refused.sequence:
                self.refused_batches.append(refused)
            case Refused() as refused:
                self.refused = refused
                self._break(refused.reason)
            case body:
                raise BadFrame(f"the agent sent a {type(body).__name__.lower()} frame")

    def _break(self, reason: str) -> None:
        if not self.broken:
            self.broken, self.reason = True, reason


def _close_copies() -> None:
    for copy in _open:
        copy.close()
    _open.clear()
    _opening.release()


os.register_at_fork(
    before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_close_copies
)
