"""The agent's side of a frame socket, controlled step by step by a test."""

import socket
from pathlib import Path
from typing import Self

from support.fake_agent import read_body, read_exactly

from nilometer.wire.frames import NEWEST_VERSION, Body, Hello, Welcome, frame_of


class Listener:
    """Listens, and accepts a connection when asked; waits for at most a minute."""

    def __init__(self, path: Path, backlog: int = 64) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60.0)
        self.socket.bind(str(path))
        self.socket.listen(backlog)
        self.taken: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        for one in (self.socket, *self.taken):
            one.close()

    def take(self) -> socket.socket:
        taken, _ = self.socket.accept()
        taken.settimeout(60.0)
        self.taken.append(taken)
        return taken

    def welcome(self) -> socket.socket:
        """Accept a connection that sends hello, and welcome it."""
        taken = self.take()
        assert isinstance(read_body(taken), Hello)
        say(taken, Welcome(NEWEST_VERSION))
        return taken


def say(connection: socket.socket, *bodies: Body) -> None:
    connection.sendall(b"".join(frame_of(body) for body in bodies))


def is_at_its_end(connection: socket.socket) -> bool:
    return read_exactly(connection, 1) is None
