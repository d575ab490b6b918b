"""An agent that keeps received observations, unpacked; each (worker, sequence) counts once."""

import socket
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

from nilometer.handoff.settings import frame_socket
from nilometer.profiling.observation import Observation, unpack
from nilometer.wire.frames import (
    HEAD_BYTES,
    LENGTH_BYTES,
    NEWEST_VERSION,
    Acknowledged,
    Batch,
    Body,
    Hello,
    Refused,
    Welcome,
    Why,
    body_of,
    frame_of,
    length_in,
)


class FakeAgent:
    """Acknowledges each batch immediately, with one thread per worker."""

    def __init__(self, socket_path: Path, refuses: str = "") -> None:
        self.observations: list[Observation] = []
        self.by_entity: list[tuple[str, Observation]] = []
        self._refuses = refuses  # reason why every worker is refused; empty to accept all
        self.dropped: Counter[str] = Counter()
        self.partials = 0  # number of observations in deltas of workers that profile themselves
        self.workers: dict[bytes, int] = {}  # number of observations by worker
        self.connections: list[socket.socket] = []
        self._seen: set[tuple[bytes, int]] = set()
        self._lock = threading.Lock()
        self.address = f"unix:{socket_path}"
        self.path = frame_socket(socket_path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(256)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for connection in self.connections:
            close(connection)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while (body := read_body(connection)) is not None:
                if isinstance(body, Hello) and self._refuses:
                    connection.sendall(frame_of(Refused(Why.FULL, self._refuses)))
                    return
                if isinstance(body, Hello):
                    connection.sendall(frame_of(Welcome(NEWEST_VERSION)))
                elif isinstance(body, Batch):
                    self._take(body)
                    connection.sendall(frame_of(Acknowledged(body.sequence)))
        except OSError:
            pass
        finally:
            close(connection)

    def _take(self, batch: Batch) -> None:
        with self._lock:
            if (batch.worker, batch.sequence) in self._seen:
                return
            self._seen.add((batch.worker, batch.sequence))
            if batch.observations:
                came = unpack(batch.observations)
                self.observations += came
                self.by_entity += [(batch.entity, one) for one in came]
            if batch.partials:
                self.partials += batch.count
            self.dropped.update(batch.dropped)
            before = self.workers.get(batch.worker, 0)
            self.workers[batch.worker] = before + batch.count


def read_body(connection: socket.socket) -> Body | None:
    """Return the body of the next frame; None at the end."""
    head = read_exactly(connection, HEAD_BYTES)
    if head is None:
        return None
    content = read_exactly(connection, length_in(head) - 1)
    return None if content is None else body_of(head[LENGTH_BYTES], content)


def read_exactly(connection: socket.socket, size: int) -> bytes | None:
    """Return exactly *count* bytes; None if the other side ends earlier."""
    found = b""
    while len(found) < size:
        came = connection.recv(size - len(found))
        if not came:
            return None
        found += came
    return found


def close(connection: socket.socket) -> None:
    """Close the socket, which also wakes a reader."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
