"""The connection to the agent: sends batches, and keeps them until they are acknowledged."""

import errno
import os
import time
from collections import deque

from nilometer.handoff.peer import ForeignPeer
from nilometer.handoff.settings import AUTO, CaptureSettings, frame_socket
from nilometer.handoff.spawn import AgentSpawner, answers
from nilometer.handoff.stream import Stream
from nilometer.values.errors import ConfigError
from nilometer.values.limited_log import LimitedLog
from nilometer.values.reasons import DropReason
from nilometer.wire.frames import (
    HEAD_BYTES,
    BadFrame,
    Batch,
    Cost,
    Refused,
    Why,
    account_of,
    frame_of,
)

FINISH_POLL_SECONDS = 0.005
STALL_SECONDS = 10.0  # time without an acknowledgement after which the agent counts as hung
REFUSALS = 3  # consecutive connections that ended at one batch, after which that batch is dropped
RETRY_SECONDS = (0.1, 0.2, 0.4, 1.0)  # waits between attempts; the last value repeats

# Errors when connecting that mean that no agent runs.
_NOBODY = {errno.ENOENT, errno.ECONNREFUSED}


class AgentLink:
    """Keeps a connection to the agent open. Used by one thread.

    Args:
        settings: Capture settings: the agent's socket, and the size of unacknowledged batches.
        worker: Name of this process, 16 random bytes.

    Attributes:
        reconnects: Number of lost connections.
        cost: Cost of observing since the last batch; sent with the next one.
        trouble: Reason why the agent is not reachable, and what to do; empty if it is reachable.
    """

    def __init__(self, settings: CaptureSettings, worker: bytes) -> None:
        self.settings = settings
        self.worker = worker
        self.reconnects = 0
        self.cost = Cost()
        self.trouble = ""
        self._sent_cost = Cost()  # value of `cost` when all of it was sent
        self._stream: Stream | None = None
        self._kept: deque[tuple[int, bytearray, int]] = deque()  # sequence, frame, observations
        self._kept_bytes = 0
        self._sequence = 0
        self._refusals = 0  # consecutive connections that ended at their first batch
        self._accounts: set[int] = set()  # batches that only count the observations of refused ones
        self._failures = 0
        self._retry_at = 0.0
        self._heard_at = 0.0  # time of the last acknowledgement, or of an empty queue
        self._ending = False
        self._log = LimitedLog()
        self._path = frame_socket(settings.socket_path)
        self._spawner: AgentSpawner | None = None
        if settings.agent == AUTO:
            try:
                self._spawner = AgentSpawner(settings.home, settings.allowed_uids)
            except ConfigError as error:
                self._warn(f"no agent can be started: {error}")

    @property
    def can_reach_agent(self) -> bool:
        """Whether an agent may become reachable; false only if none can be started."""
        return self._stream is not None or self.settings.agent != AUTO or self._spawner is not None

    def has_room(self) -> bool:
        """Return whether another batch may be kept."""
        return self._kept_bytes < self.settings.max_unacknowledged_bytes

    @property
    def unacknowledged(self) -> int:
        """Number of observations that the agent has not acknowledged."""
        return sum(observations for _, _, observations in self._kept)

    @property
    def unacknowledged_batches(self) -> int:
        """Number of batches that the agent has not acknowledged."""
        return len(self._kept)

    def send(self, batch: Batch, observations: int) -> None:
        """Number *batch*, keep it until it is acknowledged, and send it if there is a connection.

        A batch that is too large for a frame is counted as lost, because the agent would always
        refuse it.

        Args:
            batch: Batch without `worker`, `sequence` and `cost`, which are filled in here.
            observations: Number of observations that the batch accounts for.
        """
        if not self._kept:
            self._heard_at = time.monotonic()
        self._sequence += 1
        batch.worker = self.worker
        batch.sequence = self._sequence
        if self.cost != self._sent_cost:
            batch.cost = self.cost
            reported = Cost(p99_seconds=self.cost.p99_seconds, share=self.cost.share)
            self.cost, self._sent_cost = (
                reported,
                Cost(p99_seconds=reported.p99_seconds, share=reported.share),
            )
        try:
            frame = frame_of(batch)
        except BadFrame:
            frame = frame_of(_without_content(batch))
        self._kept.append((self._sequence, frame, observations))
        self._kept_bytes += len(frame)
        if self._stream is not None:
            self._stream.send(frame)

    def poll(self) -> None:
        """Forget acknowledged batches; if needed, connect and send the others again."""
        stream = self._stream
        if stream is not None:
            stream.poll()
            self._drop_refused(stream)
            self._forget_until(stream.acknowledged)
            stalls = self._kept and time.monotonic() - self._heard_at >= STALL_SECONDS
            if not stream.broken and not stalls:
                return
            self._let_go(stream)
        if time.monotonic() >= self._retry_at:
            self._connect()

    def finish(self, deadline: float) -> int:
        """Wait for acknowledgements until *deadline*; return the number of observations left.

        The method does not wait for an agent that is down. It does wait for an agent that this
        process has just started.
        """
        try:
            self._finish(deadline)
        finally:
            if self._stream is not None:
                self._stream.close()
                self._stream = None
        return self.unacknowledged

    def _finish(self, deadline: float) -> None:
        self._ending = True
        self.poll()
        closing: Stream | None = None
        refused = False
        while self._kept and time.monotonic() < deadline:
            stream = self._stream
            if stream is not None:
                if closing is not stream:
                    stream.half_close()
                    closing = stream
                self.poll()
                refused = stream.refused is not None
            elif self._spawner is not None and self._spawner.starting:
                self.poll()
            elif refused or not self._connect():  # after a fork, a connection may break immediately
                break
            time.sleep(FINISH_POLL_SECONDS)

    def _connect(self) -> bool:
        """Connect and send every kept batch again; return whether that succeeded."""
        try:
            stream = self._stream = Stream(self._path, self.worker, self.settings.allowed_uids)
        except OSError as error:
            self._wait()
            if error.errno == errno.ENOENT and answers(self.settings.socket_path):
                self._warn(_older(self.settings))
            elif self._spawner is None or error.errno not in _NOBODY:
                self._warn(_why(error, self.settings))
            else:
                self._spawner.start_if_needed()
                self.trouble = self._spawner.trouble or _why(error, self.settings)
            return False
        self._heard_at = time.monotonic()
        for _, frame, _ in self._kept:
            stream.send(frame)
        return True

    def _let_go(self, stream: Stream) -> None:
        at = self.settings.socket_path
        stream.close()
        self._stream = None
        self.reconnects += 1
        if stream.acknowledged:
            self._failures = 0
        else:  # wait before the next attempt, because the listener did not accept this worker
            self._wait()
        if stream.refused is not None:
            self._warn(f"the agent at {at} refused this process: {stream.reason}")
            self._suspect_first(stream, stream.refused)
        elif self._kept or not self._ending:  # at the end, the agent closes the connection
            why = stream.reason or f"no answer for {STALL_SECONDS:g} s"
            self._warn(f"the agent at {at} is gone: {why}: see the agent's log")

    def _suspect_first(self, stream: Stream, refused: Refused) -> None:
        """Drop the first batch if it ended several connections without an answer from the agent.

        All earlier batches are acknowledged at that time, so the first batch is the cause.
        """
        if refused.why != Why.CONTRACT or not stream.welcome or not self._kept:
            return
        self._refusals += 1
        if self._refusals >= REFUSALS:
            self._drop(self._kept[0][0], refused.reason)

    def _drop_refused(self, stream: Stream) -> None:
        """Drop the batches that the agent refused, before a later batch is acknowledged."""
        while stream.refused_batches:
            refused = stream.refused_batches.pop(0)
            self._drop(refused.sequence, refused.reason)

    def _drop(self, sequence: int, reason: str) -> None:
        """Drop a batch that breaks the contract, and report its observations as lost."""
        at = next((at for at, kept in enumerate(self._kept) if kept[0] == sequence), None)
        if at is None:
            return
        _, frame, observations = self._kept[at]
        del self._kept[at]
        self._kept_bytes -= len(frame)
        self._refusals = 0
        self._heard_at = time.monotonic()
        self._warn(
            f"observations dropped: the agent at {self.settings.socket_path} refused their batch: "
            f"{reason}: install one version in both, and check entity and labels"
        )
        if sequence in self._accounts:
            self._accounts.discard(sequence)
            return
        lost = _lost_with(frame, observations)
        if lost:
            account = Batch(entity=self.settings.entity, dropped=lost)
            account.dropped_unix_nano = time.time_ns()
            self._accounts.add(self._sequence + 1)
            self.send(account, observations)

    def _wait(self) -> None:
        """Set the time of the next attempt."""
        wait = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._retry_at = time.monotonic() + wait
        self._failures += 1

    def _warn(self, trouble: str) -> None:
        self.trouble = trouble
        self._log.warning(trouble)

    def _forget_until(self, sequence: int) -> None:
        while self._kept and self._kept[0][0] <= sequence:
            done, frame, _ = self._kept.popleft()
            self._kept_bytes -= len(frame)
            self._accounts.discard(done)
            self._refusals = 0
            self.trouble = ""
            self._heard_at = time.monotonic()


def _without_content(batch: Batch) -> Batch:
    """Return *batch* with its observations counted as lost because of their size."""
    reason = DropReason.TOO_LARGE.value
    batch.dropped = {**batch.dropped, reason: batch.dropped.get(reason, 0) + batch.count}
    batch.dropped_unix_nano = batch.dropped_unix_nano or time.time_ns()
    batch.observations, batch.partials, batch.count = b"", (), 0
    return batch


def _lost_with(frame: bytearray, observations: int) -> dict[str, int]:
    """Return the lost observations of a refused batch by reason, including those it reported."""
    account = account_of(memoryview(frame)[HEAD_BYTES:])
    reported = account.dropped if account is not None else None
    lost = dict(reported) if isinstance(reported, dict) else {}
    count = account.count if account is not None else observations
    reason = DropReason.REFUSED.value
    if isinstance(count, int) and count:
        lost[reason] = lost.get(reason, 0) + count
    return lost


def _older(settings: CaptureSettings) -> str:
    """Return the reason to report if the agent is too old to accept frames."""
    at = settings.socket_path
    return f"no agent is reachable at {at}: it is older than this middleware: update the agent"


def _why(error: OSError, settings: CaptureSettings) -> str:
    """Return the reason why no agent was reached, and what to do."""
    at, directory = settings.socket_path, settings.socket_path.parent
    if isinstance(error, ForeignPeer):
        return f"the agent at {at} is not trusted: {error}: add that uid to allowed_uids if it is yours"
    none = f"no agent is reachable at {at}"
    if error.errno == errno.EACCES:
        return (
            f"{none}: uid {os.geteuid()} has no permission: let it into {directory}, or run the "
            "agent as the same user"
        )
    if error.errno not in _NOBODY:
        return f"{none}: {error}"
    if not directory.exists():
        return f"{none}: there is no such directory: share the agent's with this process"
    return f"{none}: nothing listens there: start `nilometer agent --socket {at}`"
