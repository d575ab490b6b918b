"""The stream to the agent: batches out, acknowledgements in, everything unacknowledged kept."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from queue import SimpleQueue

import grpc

from nilometer.handoff.budget import Cost
from nilometer.handoff.settings import AUTO, CaptureSettings
from nilometer.handoff.spawn import AgentSpawner, answers
from nilometer.values.errors import ConfigError
from nilometer.values.reasons import DropReason
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    CaptureAcknowledgement,
    CaptureBatch,
    CaptureCost,
    agent_stub,
)

FINISH_POLL_SECONDS = 0.005
STALL_SECONDS = 10.0  # without an answer to what was sent: the agent hangs, or the link does
MAX_MESSAGE_BYTES = (4 << 20) - 1024  # what the agent takes, less room for the message's frame
RETRY_SECONDS = (0.1, 0.2, 0.4, 1.0)  # between attempts; the last one repeats

log = logging.getLogger("nilometer.capture")


class _Stream:
    """One open gRPC stream. The reader thread only writes `acknowledged` and `broken`."""

    def __init__(self, address: str) -> None:
        self.acknowledged = 0
        self.broken = False
        self._send_seconds = self._read_seconds = 0.0  # of processor time
        self.reason = ""  # why it broke
        self.refused = False  # by the agent, for what was sent: it would be again
        self._outgoing: SimpleQueue[CaptureBatch | None] = SimpleQueue()
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._call = agent_stub(self._channel).Capture(self._sending())
        self._reader = threading.Thread(target=self._read, name="nilometer-ack", daemon=True)
        self._reader.start()

    def send(self, batch: CaptureBatch) -> None:
        self._outgoing.put(batch)

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the two threads that send and read."""
        return self._send_seconds + self._read_seconds

    def _sending(self) -> Iterator[CaptureBatch]:
        # gRPC takes the batches from a thread of this stream's own.
        while (batch := self._outgoing.get()) is not None:
            yield batch
            self._send_seconds = time.thread_time()

    def _read(self) -> None:
        answers_of: Iterator[CaptureAcknowledgement] = self._call
        try:
            for answer in answers_of:
                # First: who sees the last acknowledgement closes, and takes what stands here.
                self._read_seconds = time.thread_time()
                self.acknowledged = max(self.acknowledged, answer.sequence)
        except grpc.RpcError as error:
            self.reason = str(error.details())
            self.refused = error.code() is grpc.StatusCode.INVALID_ARGUMENT
        finally:
            self.broken = True

    def half_close(self) -> None:
        """Say that nothing more comes; the agent commits and acknowledges."""
        self._outgoing.put(None)

    def close(self) -> None:
        self._outgoing.put(None)
        self._call.cancel()
        self._channel.close()


class AgentLink:
    """Keeps a stream to the agent open. Used by one thread.

    Args:
        settings: Where the agent is and how much may wait for it.
        worker: 16 random bytes that name this process.
    """

    def __init__(self, settings: CaptureSettings, worker: bytes) -> None:
        self.settings = settings
        self.worker = worker
        self.reconnects = 0
        self.cost = Cost()  # not told yet
        self._told_cost = Cost()  # what `cost` is once all of it is told
        self._closed_seconds = 0.0  # processor time of streams that are closed
        self._stream: _Stream | None = None
        self._kept: OrderedDict[int, tuple[CaptureBatch, int, int]] = OrderedDict()
        self._kept_bytes = 0
        self._sequence = 0
        self._failures = 0
        self._retry_at = 0.0
        self._heard_at = 0.0  # when the agent last acknowledged something, or had nothing to
        self._spawner: AgentSpawner | None = None
        if settings.agent == AUTO:
            try:
                self._spawner = AgentSpawner(settings.home)
            except ConfigError as error:
                log.warning("no agent can be started", extra={"reason": str(error)})

    @property
    def can_reach_agent(self) -> bool:
        """Whether there is, or may come, an agent: false only where none can be started."""
        return self._stream is not None or self.settings.agent != AUTO or self._spawner is not None

    def has_room(self) -> bool:
        """Whether another batch may be kept."""
        return self._kept_bytes < self.settings.max_unacknowledged_bytes

    def cpu_seconds(self) -> float:
        """Processor time of the threads of its streams so far; gRPC's own in C are not in it."""
        return self._closed_seconds + (self._stream.cpu_seconds if self._stream else 0.0)

    @property
    def unacknowledged(self) -> int:
        """Observations the agent has not acknowledged."""
        return sum(observations for _, _, observations in self._kept.values())

    @property
    def unacknowledged_batches(self) -> int:
        """Batches the agent has not acknowledged."""
        return len(self._kept)

    def send(self, batch: CaptureBatch, observations: int) -> None:
        """Number *batch*, keep it until it is acknowledged, and send it if there is a stream.

        A message that the agent would refuse for its size is sent in parts: a stream that breaks
        on the same message for ever would hold up all others.
        """
        if batch.ByteSize() <= MAX_MESSAGE_BYTES:
            self._send(batch, observations)
            return
        for part in _parts(batch):
            self._send(part, observations)
            observations = 0

    def _send(self, batch: CaptureBatch, observations: int) -> None:
        if not self._kept:
            self._heard_at = time.monotonic()
        self._sequence += 1
        batch.worker = self.worker
        batch.sequence = self._sequence
        if self.cost != self._told_cost:
            cost = self.cost
            batch.cost.CopyFrom(
                CaptureCost(
                    cpu_seconds=cost.cpu_seconds,
                    requests=cost.requests,
                    exceeded_seconds=cost.exceeded_seconds,
                    p99_seconds=cost.p99_seconds,
                    share=cost.share,
                )
            )
            self.cost = Cost(p99_seconds=cost.p99_seconds, share=cost.share)
            self._told_cost = Cost(p99_seconds=cost.p99_seconds, share=cost.share)
        size = batch.ByteSize()
        self._kept[self._sequence] = (batch, size, observations)
        self._kept_bytes += size
        if self._stream is not None and not self._stream.broken:
            self._stream.send(batch)

    def tend(self) -> None:
        """Forget what is acknowledged; connect and send again where needed."""
        stream = self._stream
        if stream is not None:
            self._forget_until(stream.acknowledged)
            silent = time.monotonic() - self._heard_at
            if not stream.broken and (not self._kept or silent < STALL_SECONDS):
                return
            self._forget_until(stream.acknowledged)
            self._let_go(stream)
        if time.monotonic() >= self._retry_at:
            self._connect()

    def _close(self, stream: _Stream) -> None:
        self._closed_seconds += stream.cpu_seconds
        stream.close()
        self._stream = None

    def _let_go(self, stream: _Stream) -> None:
        self._close(stream)
        self.reconnects += 1
        if stream.acknowledged:
            self._failures = 0
        else:  # one that listens and takes nothing is not asked at once
            self._wait()
        log.warning(
            "agent is gone", extra={"unacknowledged": self.unacknowledged, "reason": stream.reason}
        )

    def _wait(self) -> None:
        """Before the next attempt."""
        wait = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._retry_at = time.monotonic() + wait
        self._failures += 1

    def finish(self, deadline: float) -> int:
        """Wait until everything is acknowledged or *deadline*; returns observations that are left.

        An agent that is down is not waited for; one that was just started from here is.
        """
        self.tend()
        closing = refused = False
        while self._kept and time.monotonic() < deadline:
            stream = self._stream
            if stream is None:
                if not refused and answers(self.settings.socket_path):
                    self._connect()  # just after a fork a stream may break at once
                elif self._spawner is not None and self._spawner.starting:
                    self.tend()
                else:
                    break
            else:
                if not closing:
                    stream.half_close()
                    closing = True
                broken = stream.broken  # read first: what was acknowledged before it counts
                self._forget_until(stream.acknowledged)
                if broken:
                    closing, refused = False, stream.refused
                    self.tend()
            time.sleep(FINISH_POLL_SECONDS)
        if self._stream is not None:
            self._close(self._stream)
        return self.unacknowledged

    def _connect(self) -> None:
        path = self.settings.socket_path
        if not answers(path):
            self._wait()
            if self._spawner is not None:
                self._spawner.tend()
            return
        self._heard_at = time.monotonic()
        self._stream = _Stream(f"unix:{path}")
        for batch, _, _ in self._kept.values():
            self._stream.send(batch)

    def _forget_until(self, sequence: int) -> None:
        while self._kept:
            first = next(iter(self._kept))
            if first > sequence:
                return
            _, size, _ = self._kept.popitem(last=False)[1]
            self._kept_bytes -= size
            self._heard_at = time.monotonic()


def _parts(batch: CaptureBatch) -> Iterator[CaptureBatch]:
    """*batch* in messages that the agent takes; what is too large by itself is lost, counted."""
    head = CaptureBatch()
    head.CopyFrom(batch)
    del head.partials[:]
    if head.ByteSize() > MAX_MESSAGE_BYTES:
        head.dropped[DropReason.TOO_LARGE.value] += head.count
        head.dropped_unix_nano = head.dropped_unix_nano or time.time_ns()
        head.observations, head.count = b"", 0
    size = head.ByteSize()
    for partial in batch.partials:
        more = partial.ByteSize() + 8  # and its key and length
        if more > MAX_MESSAGE_BYTES:
            log.error("a partial profile is too large", extra={"summary": partial.summary})
            continue
        if size + more > MAX_MESSAGE_BYTES:
            yield head
            head, size = CaptureBatch(entity=batch.entity, labels=batch.labels), 256
        head.partials.append(partial)
        size += more
    yield head
