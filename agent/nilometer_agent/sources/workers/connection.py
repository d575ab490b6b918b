"""The connection of one worker: receives frames, sends acknowledgements. Used only by the loop."""

import socket
from collections.abc import Callable
from enum import Enum, auto

from nilometer.wire.frames import (
    HEAD_BYTES,
    LENGTH_BYTES,
    Acknowledged,
    BadFrame,
    Batch,
    Body,
    Hello,
    Kind,
    Refused,
    Welcome,
    Why,
    account_of,
    body_of,
    common_version,
    frame_of,
    length_in,
)
from nilometer_agent.engine.engine import Arrival, Engine
from nilometer_agent.engine.parse_batch import problem_of
from nilometer_agent.sources.workers.memory import FrameMemory

READ_BYTES = 1 << 20  # bytes read from one connection before the next one is read
MAX_REASON = 200  # characters of a reason
MAX_UNREAD_BYTES = 64 << 10  # bytes of refusals that a worker has not read


class Step(Enum):
    """The state of a connection: `READING` alternates with `NEEDS_...`, and `ENDING` is last."""

    READING = auto()  # reads frames
    NEEDS_MEMORY = auto()  # the next frame needs memory that is not available yet
    NEEDS_ENGINE = auto()  # holds a batch that the engine has no room for yet
    ENDING = auto()  # reads nothing more; closes when all its batches are acknowledged


class Connection:
    """A worker that speaks plain frames.

    Args:
        accepted: Non-blocking socket of the connection. Its peer has been checked.
        engine: Engine that gets the batches.
        memory: Memory for frames.
        on_acknowledged: Function that the engine's thread calls with this connection when there is
            something to acknowledge.
        now: Current time, monotonic seconds.

    Attributes:
        worker: Name of the worker; empty before its hello.
        step: Current state of the connection.
        since: Start of the connection, of the frame in progress, or of the end; monotonic seconds.
        refused: Refusal that the worker gets; None if it is not refused.
        refused_batches: Refusals of batches that are not counted yet.
        gone: Whether the worker has disconnected, so that nothing can be sent.
    """

    def __init__(
        self,
        accepted: socket.socket,
        engine: Engine,
        memory: FrameMemory,
        on_acknowledged: Callable[["Connection"], None],
        now: float,
    ) -> None:
        self.socket = accepted
        self.worker = b""
        self.step = Step.READING
        self.since = now
        self.refused: Refused | None = None
        self.refused_batches: list[Refused] = []
        self.gone = False
        self._engine = engine
        self._memory = memory
        self._on_acknowledged = on_acknowledged
        self._acknowledge = (
            self._note_committed
        )  # always the same object, because the engine identifies connections by it
        self._head = bytearray(HEAD_BYTES)
        self._in_body = False
        self._target = memoryview(self._head)  # position of the next bytes
        self._filled = 0
        self._held: Batch | None = None  # waits until the engine has room
        self._last_taken = 0
        self._committed = 0  # written by the engine's thread
        self._acknowledged = 0
        self._refusal_waits = False
        self._out = bytearray()

    @property
    def between_frames(self) -> bool:
        """Whether no frame is incomplete."""
        return not self._in_body and self._filled == 0

    @property
    def has_needs(self) -> bool:
        """Whether the connection waits for `resume`."""
        return self.step is Step.NEEDS_MEMORY or self.step is Step.NEEDS_ENGINE

    @property
    def wants_to_write(self) -> bool:
        """Whether data waits to be sent."""
        return bool(self._out) and not self.gone

    @property
    def over(self) -> bool:
        """Whether the connection can be closed."""
        all_said = self._acknowledged >= self._last_taken and not self._out
        return self.gone or (self.step is Step.ENDING and all_said)

    def read(self, now: float) -> None:
        """Read available bytes, pass complete batches to the engine, refuse invalid frames.

        Args:
            now: Current time, monotonic seconds.

        Raises:
            OSError: If the connection is broken.
        """
        try:
            self._read(now)
        except BadFrame as error:
            self.refuse(Why.CONTRACT, str(error), now)

    def resume(self, now: float) -> None:
        """Ask again for the memory or the room that the connection needs."""
        if self.step is Step.NEEDS_MEMORY:
            self._begin_body(now)
        elif self._held is not None:
            self._offer(self._held)

    def refuse(self, why: Why, reason: str, now: float) -> None:
        """Stop reading; send the reason after all accepted batches are acknowledged."""
        self.refused = Refused(why, reason[:MAX_REASON])
        self._refusal_waits = True
        self.end(now)
        self.write()

    def end(self, now: float) -> None:
        """Stop reading, and request a commit of the accepted batches."""
        if self.step is Step.ENDING:
            return
        self.step = Step.ENDING
        self.since = now
        self._held = None  # not accepted: the worker will send it again
        self._begin_head()
        self._memory.give_back(self)
        if self._committed < self._last_taken:
            # If the engine has no room for this request, it commits soon anyway.
            self._engine.offer_now(Arrival(None, self._acknowledge))

    def write(self) -> None:
        """Send waiting data; if the worker reads slowly, only the newest acknowledgement is sent."""
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
        """Close the connection and release its memory."""
        self.gone = True
        self._memory.give_back(self)
        self.socket.close()

    def _read(self, now: float) -> None:
        allowance = READ_BYTES
        while allowance > 0 and self.step is Step.READING:
            try:
                came = self.socket.recv_into(self._target[self._filled :])
            except BlockingIOError:
                return
            if not came:
                self.end(now)
                return
            if self.between_frames and self.worker:
                self.since = now
            allowance -= came
            self._filled += came
            if self._filled < len(self._target):
                continue
            if self._in_body:
                self._end_body(now)
            else:
                self._begin_body(now)

    def _begin_head(self) -> None:
        self._in_body = False
        self._target, self._filled = memoryview(self._head), 0

    def _begin_body(self, now: float) -> None:
        size = length_in(self._head) - 1  # the byte with the kind was read with the head
        if not self._memory.take(self, size):
            self.step = Step.NEEDS_MEMORY
            return
        if self.step is Step.NEEDS_MEMORY:
            self.step = Step.READING
            self.since = now  # restart the time limit: the worker did not cause the wait
        self._in_body = True
        self._target, self._filled = memoryview(bytearray(size)), 0

    def _end_body(self, now: float) -> None:
        kind, content = self._head[LENGTH_BYTES], self._target
        self._begin_head()
        try:
            body = body_of(kind, content)
        except BadFrame as error:
            account = account_of(content) if kind == Kind.BATCH else None
            if account is None or not self.worker or account.worker != self.worker:
                raise
            self._refuse_batch(account.sequence, str(error))
        else:
            self._take(body, now)
        if self._held is None:
            self._memory.give_back(self)

    def _take(self, body: Body, now: float) -> None:
        match body:
            case Batch() if self.worker:
                if body.worker != self.worker:
                    raise BadFrame("the batch names another worker than the hello")
                reason = problem_of(body)
                if reason:
                    self._refuse_batch(body.sequence, reason)
                else:
                    self._offer(body)
            case Hello() if not self.worker:
                self._greet(body, now)
            case _:
                raise BadFrame(f"a {type(body).__name__.lower()} frame was not expected")

    def _refuse_batch(self, sequence: int, reason: str) -> None:
        """Tell the worker why a batch is refused; its other batches are not affected."""
        refused = Refused(Why.CONTRACT, reason[:MAX_REASON], sequence)
        self.refused_batches.append(refused)
        self._out += frame_of(
            refused
        )  # before the acknowledgement of a later batch, which covers this one too
        if len(self._out) > MAX_UNREAD_BYTES:
            self.write()
        if len(self._out) > MAX_UNREAD_BYTES:
            raise BadFrame("the worker does not read its refusals")

    def _greet(self, hello: Hello, now: float) -> None:
        self.worker = hello.worker
        version = common_version(hello)
        if version is None:
            offered = f"versions {hello.oldest} to {hello.newest}"
            reason = f"this agent does not support frame {offered}: update the older side"
            self.refuse(Why.VERSION, reason, now)
            return
        self._out += frame_of(Welcome(version))
        self.write()

    def _offer(self, batch: Batch) -> None:
        if not self._engine.offer_now(Arrival(batch, self._acknowledge)):
            self._held = batch
            self.step = Step.NEEDS_ENGINE
            return
        self._last_taken = max(self._last_taken, batch.sequence)
        if self._held is not None:
            self._held = None
            self._memory.give_back(self)
            self.step = Step.READING

    def _fill(self) -> bool:
        """Add the next acknowledgement or refusal to the output; return whether there was one."""
        committed = self._committed
        if committed > self._acknowledged:
            self._acknowledged = committed
            self._out += frame_of(Acknowledged(committed))
            return True
        if self._refusal_waits and self.refused is not None and committed >= self._last_taken:
            self._refusal_waits = False
            self._out += frame_of(self.refused)
            return True
        return False

    def _note_committed(self, sequence: int) -> None:
        """Note a committed batch. Called from the engine's thread."""
        if sequence > self._committed:
            self._committed = sequence
            self._on_acknowledged(self)
