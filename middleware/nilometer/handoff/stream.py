"""One connection to the agent's frame socket. It never blocks: what cannot be sent now waits."""

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

RECEIVED_BYTES = 16 << 10  # taken at once; an acknowledgement has about ten
RECEIVED_AT_ONCE = 16  # times: an agent that never ends does not hold the thread
MAX_ANSWER_BYTES = 16 << 10  # of one frame from the agent
# A host may let SIGPIPE end it; writing to an agent that is gone must not. macOS has no such flag.
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)

# The sockets of this process, so that a forked child can close its copies: while a child holds
# one, the agent would not see that the parent is gone. No fork comes while one is being made.
_open: set[socket.socket] = set()
_opening = threading.Lock()


class Stream:
    """An open connection. Used by one thread.

    The agent's version must come before the first batch leaves, so that no agent is sent what it
    cannot read.

    Args:
        path: The agent's frame socket.
        worker: 16 random bytes that name this process.
        allowed_uids: Users, beside this one and root, that may run the agent.

    Attributes:
        acknowledged: Sequence of the last batch that is committed.
        broken: Whether nothing more can be sent or received.
        reason: Why it broke, in words.
        refused: What the agent said when it refused this worker; None where it did not.
        refused_batches: What it said of batches that it does not take, until somebody drops them.

    Raises:
        OSError: If nobody listens, or somebody who is not trusted.
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
            self.tend()
        except BaseException:
            self.close()
            raise

    @property
    def welcome(self) -> bool:
        """Whether the agent takes this worker."""
        return self._version > 0

    def send(self, frame: bytearray) -> None:
        """Send *frame*, now or when the agent has room for it."""
        self._outgoing.append(memoryview(frame))
        self._flush()

    def tend(self) -> None:
        """Read what the agent said, and send what waits."""
        self._receive()
        self._flush()

    def half_close(self) -> None:
        """Tell the agent that nothing comes after what waits; it commits and acknowledges."""
        self._closing = True
        self._flush()

    def close(self) -> None:
        """End the connection. Safe twice."""
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
            self._receive()  # a refusal says more than a broken pipe
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
                    return  # all there was: to ask again costs an exception
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
