"""One worker's connection: frames in, acknowledgements out. Only the loop's thread may call."""

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
from nilometer_agent.engine.intake import wrong
from nilometer_agent.sources.workers.memory import FrameMemory

READ_BYTES = 1 << 20  # of one connection, before the others have their turn
MAX_REASON = 200  # characters of what a worker is told
MAX_UNREAD_BYTES = 64 << 10  # of refusals that a worker does not read


class Step(Enum):
    """What a connection does now. It goes from `READING` to a need and back, and ends once."""

    READING = auto()  # takes what comes
    NEEDS_MEMORY = auto()  # a frame was announced for which there is no memory yet
    NEEDS_ENGINE = auto()  # holds a batch for which the engine has no room yet
    ENDING = auto()  # reads nothing more; closed when all that was taken is acknowledged


class Connection:
    """A worker that speaks plain frames.

    Args:
        accepted: The connection; non-blocking. The peer has been checked.
        engine: Takes the batches.
        memory: Grants the bytes of a frame.
        on_acknowledged: Called from the engine's thread with this connection when there is
            something to acknowledge.
        now: Monotonic seconds.

    Attributes:
        worker: Its name; empty before it said hello.
        step: What it does now.
        since: When the connection, a later frame that is under way, or the end began.
        refused: What the worker was told when it was refused; None where it was not.
        refused_batches: What it was told of batches, until somebody counts them.
        gone: Whether the other side is gone, so that nothing can be sent.
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
        self._acknowledge = self._note_committed  # one object: the engine knows connections by it
        self._head = bytearray(HEAD_BYTES)
        self._in_body = False
        self._target = memoryview(self._head)  # where the next bytes go
        self._filled = 0
        self._held: Batch | None = None  # until the engine has room
        self._last_taken = 0
        self._committed = 0  # written by the engine's thread
        self._acknowledged = 0
        self._refusal_waits = False
        self._out = bytearray()

    @property
    def between_frames(self) -> bool:
        """Whether no frame has begun."""
        return not self._in_body and self._filled == 0

    @property
    def has_needs(self) -> bool:
        """Whether it waits for `resume`."""
        return self.step is Step.NEEDS_MEMORY or self.step is Step.NEEDS_ENGINE

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits until the worker reads."""
        return bool(self._out) and not self.gone

    @property
    def over(self) -> bool:
        """Whether it can be closed."""
        all_said = self._acknowledged >= self._last_taken and not self._out
        return self.gone or (self.step is Step.ENDING and all_said)

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

    def resume(self, now: float) -> None:
        """Ask again for what it needs."""
        if self.step is Step.NEEDS_MEMORY:
            self._begin_body(now)
        elif self._held is not None:
            self._offer(self._held)

    def refuse(self, why: Why, reason: str, now: float) -> None:
        """Say why nothing more is taken, after what was taken is acknowledged."""
        self.refused = Refused(why, reason[:MAX_REASON])
        self._refusal_waits = True
        self.end(now)
        self.write()

    def end(self, now: float) -> None:
        """Read nothing more, and have committed what was taken."""
        if self.step is Step.ENDING:
            return
        self.step = Step.ENDING
        self.since = now
        self._held = None  # not taken: the worker will send it again
        self._begin_head()
        self._memory.give_back(self)
        if self._committed < self._last_taken:
            # An engine that has no room for this commits soon without.
            self._engine.offer_now(Arrival(None, self._acknowledge))

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
        """Give the connection and its memory back."""
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
        size = length_in(self._head) - 1  # the kind is read already
        if not self._memory.take(self, size):
            self.step = Step.NEEDS_MEMORY
            return
        if self.step is Step.NEEDS_MEMORY:
            self.step = Step.READING
            self.since = now  # the wait was not the worker's
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
                    raise BadFrame("a batch of another worker than the one that said hello")
                reason = wrong(body)
                if reason:
                    self._refuse_batch(body.sequence, reason)
                else:
                    self._offer(body)
            case Hello() if not self.worker:
                self._greet(body, now)
            case _:
                raise BadFrame(f"a {type(body).__name__.lower()} frame was not expected")

    def _refuse_batch(self, sequence: int, reason: str) -> None:
        """Say why a batch is not taken. Its worker drops it; all others are taken as ever."""
        refused = Refused(Why.CONTRACT, reason[:MAX_REASON], sequence)
        self.refused_batches.append(refused)
        self._out += frame_of(refused)  # before a later batch is acknowledged, and this one with it
        if len(self._out) > MAX_UNREAD_BYTES:
            self.write()
        if len(self._out) > MAX_UNREAD_BYTES:
            raise BadFrame("the worker does not read what is refused")

    def _greet(self, hello: Hello, now: float) -> None:
        self.worker = hello.worker
        version = common_version(hello)
        if version is None:
            spoken = f"versions {hello.oldest} to {hello.newest}"
            reason = f"{spoken} of the frames are not spoken by this agent: update the older"
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
        """Whether there is more to say."""
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
        """Called from the engine's thread."""
        if sequence > self._committed:
            self._committed = sequence
            self._on_acknowledged(self)
