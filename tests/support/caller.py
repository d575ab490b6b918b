"""A worker that speaks the wire format, and an engine that a test controls."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Self

from support.fake_agent import read_body

from nilometer.wire.frames import (
    NEWEST_VERSION,
    OLDEST_VERSION,
    Acknowledged,
    Batch,
    Body,
    Hello,
    Refused,
    Welcome,
    frame_of,
)
from nilometer_agent.engine.engine import Arrival, Engine

WORKER = b"w" * 16


def batch(sequence: int, worker: bytes = WORKER, size: int = 0, entity: str = "tested") -> Batch:
    return Batch(worker=worker, sequence=sequence, entity=entity, observations=bytes(size))


def hello(worker: bytes = WORKER) -> Hello:
    return Hello(OLDEST_VERSION, NEWEST_VERSION, worker)


class Caller:
    """Speaks plain frames to a socket, and blocks for at most a minute."""

    def __init__(self, path: Path, worker: bytes = WORKER) -> None:
        self.worker = worker
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # waits if many other callers connect
        self.socket.settimeout(60.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def say(self, *bodies: Body) -> Self:
        self.say_bytes(b"".join(frame_of(body) for body in bodies))
        return self

    def say_bytes(self, content: bytes) -> None:
        self.socket.sendall(content)

    def hear(self) -> Body | None:
        return read_body(self.socket)

    def greet(self) -> Self:
        assert self.say(hello(self.worker)).hear() == Welcome(NEWEST_VERSION)
        return self

    def hear_acknowledged(self, sequence: int) -> None:
        """Read acknowledgements until the one for *sequence*."""
        heard: list[Body | None] = []
        while not heard or heard[-1] != Acknowledged(sequence):
            heard.append(self.hear())
            assert isinstance(heard[-1], Acknowledged), heard

    def hear_refused(self) -> Refused:
        """Read the reason of a refusal, and the end of the connection."""
        refused = self.hear()
        assert isinstance(refused, Refused), refused
        assert self.hears_the_end()
        return refused

    def hears_the_end(self) -> bool:
        try:
            return self.hear() is None
        except ConnectionResetError:  # the peer closed with unread bytes
            return True


class HeldEngine(Engine):
    """Keeps at most *room* offered batches, until the test lets it commit."""

    def __init__(self, room: int = 1000, *, commits_at_once: bool = False) -> None:
        self.room = room
        self.commits_at_once = commits_at_once
        self.taken: list[Batch] = []
        self.wishes = 0  # requests for an immediate commit
        self.refusals = 0
        self._waiting: list[tuple[Callable[[int], None], int]] = []

    def offer_now(self, arrival: Arrival) -> bool:
        if arrival.batch is None:
            self.wishes += 1
            return True
        if len(self._waiting) >= self.room:
            return False
        self.taken.append(arrival.batch)
        self._waiting.append((arrival.acknowledge, arrival.batch.sequence))
        if self.commits_at_once:
            self.commit()
        return True

    def refuse(self) -> None:
        self.refusals += 1

    def commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        for acknowledge, sequence in waiting:
            acknowledge(sequence)

    @property
    def sequences(self) -> list[int]:
        return [one.sequence for one in self.taken]
