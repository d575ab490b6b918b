"""One worker's connection: frames in, acknowledgements out. Only the loop's thread may call."""

import socket
from collections.abc import Callable

from nilometer.wire.frames import (
    HEAD_BYTES,
    LENGTH_BYTES,
    Acknowledged,
    BadFrame,
    Batch,
    Body,
    Hello,
    Refused,
    Welcome,
    Why,
    body_of,
    common_version,
    frame_of,
    length_in,
)
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.intake import wrong

READ_BYTES = 1 << 20  # of one connection, before the others have their turn
MAX_REASON = 200  # characters of what a worker is told


class Connection:
    """A worker that speaks plain frames.

    Its end has two steps: nothing more is read, and it is closed when everything that was read is
    committed and acknowledged.

    Args:
        accepted: The connection; non-blocking. The peer has been checked.
        engine: Takes the batches.
        reserve: Asks for bytes of memory for a frame; false where it has to wait.
        acknowledged: Called from the engine's thread with this connection when there is
            something to acknowledge.
        now: Monotonic seconds.

    Attributes:
        worker: Its name; empty before it said hello.
        reserved: Bytes of memory that the frame under way holds.
        waiting: Whether it waits for memory; `resume` goes on.
        ending: Whether nothing more is read.
        since: When the step under way began: connecting, a frame, or the end.
        refused: Why it was refused; empty where it was not.
        gone: Whether the other side is gone, so that nothing can be sent.
    """

    def __init__(
        self,
        accepted: socket.socket,
        engine: Engine,
        reserve: Callable[[int], bool],
        acknowledged: Callable[["Connection"], None],
        now: float,
    ) -> None:
        self.socket = accepted
        self.worker = b""
        self.reserved = 0
        self.waiting = self.ending = self.gone = False
        self.since = now
        self.refused = ""
        self._engine = engine
        self._reserve = reserve
        self._on_acknowledged = acknowledged
        self.acknowledge = self._acknowledge  # one object: the engine tells connections apart by it
        self._head = bytearray(HEAD_BYTES)
        self._buffer = memoryview(self._head)
        self._at = 0
        self._in_body = False
        self._last_received = 0
        self._committed = 0  # written by the engine's thread
        self._told = 0
        self._out = bytearray()
        self._refusal: Refused | None = None  # not sent yet

    @property
    def between_frames(self) -> bool:
        """Whether no frame has begun."""
        return not self._in_body and self._at == 0

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits until the worker reads."""
        return bool(self._out) and not self.gone

    @property
    def over(self) -> bool:
        """Whether it can be closed."""
        settled = self._told >= self._last_received
        return self.gone or (self.ending and settled and not self._out)

    def read(self, now: float) -> None:
        """Take what came, and hand whole batches to the engine; refuse what breaks the contract.

        Args:
            now: Monotonic seconds.

        Raises:
            OSError: If the connection is broken.
        """
        try:
            self._read(now)
        except BadFrame as error:
            self.refuse(Why.CONTRACT, str(error), now)

    def _read(self, now: float) -> None:
        allowance = READ_BYTES
        while allowance > 0 and not self.ending and not self.waiting:
            try:
                came = self.socket.recv_into(self._buffer[self._at :])
            except BlockingIOError:
                return
            if not came:
                self.end(now)
                return
            if self.between_frames:
                self.since = now
            allowance -= came
            self._at += came
            if self._at == len(self._buffer):
                self._next(now)

    def resume(self, now: float) -> None:
        """Ask again for the memory that it waits for."""
        self.waiting = False
        self.since = now
        self._begin_body()

    def end(self, now: float) -> None:
        """Read nothing more; what was read is committed at once."""
        if self.ending:
            return
        self.ending = True
        self.since = now
        if self._committed < self._last_received:
            self._engine.offer(Arrival(None, self.acknowledge))

    def refuse(self, why: Why, reason: str, now: float) -> None:
        """Say why nothing more is taken, after what was taken is acknowledged."""
        self.refused = reason[:MAX_REASON]
        self._refusal = Refused(why, self.refused)
        self.end(now)
        self.write()

    def write(self) -> None:
        """Send what waits; acknowledgements are summed up while the worker does not read."""
        try:
            while not self.gone:
                if not self._out and not self._fill():
                    return
                sent = self.socket.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            return
        except OSError:
            self.gone = True

    def close(self) -> None:
        """Give the connection back."""
        self.gone = True
        self.socket.close()

    def _fill(self) -> bool:
        """Whether there is more to say."""
        committed = self._committed
        if committed > self._told:
            self._told = committed
            self._out += frame_of(Acknowledged(committed))
            return True
        if self._refusal is not None and self._told >= self._last_received:
            self._out += frame_of(self._refusal)
            self._refusal = None
            return True
        return False

    def _acknowledge(self, sequence: int) -> None:
        """Called from the engine's thread."""
        if sequence > self._committed:
            self._committed = sequence
            self._on_acknowledged(self)

    def _next(self, now: float) -> None:
        """A head or a body is whole."""
        if not self._in_body:
            self._begin_body()
            return
        kind, content = self._head[LENGTH_BYTES], self._buffer
        self._in_body = False
        self._buffer, self._at = memoryview(self._head), 0
        try:
            self._take(body_of(kind, content), now)
        finally:
            self.reserved = 0

    def _begin_body(self) -> None:
        size = length_in(self._head) - 1  # the kind is read already
        if not self._reserve(size):
            self.waiting = True
            return
        self.reserved = size
        self._in_body = True
        self._buffer, self._at = memoryview(bytearray(size)), 0

    def _take(self, body: Body, now: float) -> None:
        match body:
            case Batch() if self.worker:
                if body.worker != self.worker:
                    raise BadFrame("a batch of another worker than the one that said hello")
                reason = wrong(body)
                if reason:
                    raise BadFrame(f"batch {body.sequence}: {reason}")
                self._last_received = max(self._last_received, body.sequence)
                self._engine.offer(Arrival(body, self.acknowledge))
            case Hello() if not self.worker:
                self.worker = body.worker
                version = common_version(body)
                if version is None:
                    spoken = f"versions {body.oldest} to {body.newest}"
                    reason = (
                        f"{spoken} of the frames are not spoken by this agent: update the older"
                    )
                    self.refuse(Why.VERSION, reason, now)
                    return
                self._out += frame_of(Welcome(version))
                self.write()
            case _:
                raise BadFrame(f"a {type(body).__name__.lower()} frame was not expected")
