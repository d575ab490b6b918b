"""A loopback proxy that is as bad as a network: it needs no privileges."""

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

CHUNK = 16 << 10


class Proxy:
    """Listens on a port of its own and passes bytes on, as told by `mode`.

    Modes: ``pass``; ``delay`` waits before each piece; ``dribble`` passes a byte at a time for a
    while; ``reset`` cuts what is open and refuses; ``half_close`` lets one side think that the
    other is done; ``lose_answers`` passes what goes there and swallows what comes back, so that
    what was stored is never acknowledged.
    """

    MODES = ("pass", "delay", "dribble", "reset", "half_close", "lose_answers")

    def __init__(self, port: Callable[[], int], seed: int = 0) -> None:
        self.mode = "pass"
        self.swallowed = 0  # bytes
        self._port = port
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._start(self._accept)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def tell(self, mode: str) -> None:
        """Change the mode; what is open is cut where the mode says so, or where it says no more."""
        before, self.mode = self.mode, mode
        if mode == "reset" or before == "lose_answers":
            self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self.cut()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=run, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.mode == "reset":
                    raise ConnectionRefusedError
                theirs = socket.create_connection(("127.0.0.1", self._port()), 1.0)
            except (OSError, ValueError):
                ours.close()
                continue
            theirs.settimeout(None)
            with self._lock:
                self._open |= {ours, theirs}
            self._start(self._pump, ours, theirs)
            self._start(self._answer, theirs, ours)

    def _answer(self, source: socket.socket, sink: socket.socket) -> None:
        self._pump(source, sink, answers=True)

    def _pump(self, source: socket.socket, sink: socket.socket, *, answers: bool = False) -> None:
        try:
            while piece := source.recv(CHUNK):
                match self.mode:
                    case "delay":
                        time.sleep(self._random.uniform(0.0, 0.05))
                    case "dribble":
                        for byte in piece[:200]:
                            sink.sendall(bytes([byte]))
                            time.sleep(0.0002)
                        piece = piece[200:]
                    case "half_close" if self._random.random() < 0.2:
                        sink.sendall(piece)
                        sink.shutdown(socket.SHUT_WR)
                        continue
                    case "lose_answers" if answers:
                        self.swallowed += len(piece)
                        continue
                    case _:
                        pass
                sink.sendall(piece)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                with suppress(OSError):
                    end.close()
            with self._lock:
                self._open -= {source, sink}
