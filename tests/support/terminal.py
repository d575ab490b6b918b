"""A real terminal for a command: a pseudo-terminal, read by an emulator."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import pyte

SECONDS = 60.0
BEGIN, END = b"\x1b[?2026h", b"\x1b[?2026l"  # marks of a frame

# A session leader's first terminal becomes the terminal of the session.
_LAUNCH = "import os, sys; os.open(os.ttyname(0), os.O_RDWR); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A command in a terminal of *columns* x *lines*.

    Attributes:
        sent: All bytes that the command wrote.
        screen: Content of the screen.
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        lines: int = 24,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._master, self._slave = pty.openpty()
        self._set_size(columns, lines)
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.modes = termios.tcgetattr(self._slave)
        inherited = {key: text for key, text in os.environ.items() if key != "NO_COLOR"}
        inherited.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            # If the tests run in the background, SIGINT is ignored in all child processes.
            ["env", "--default-signal=INT", sys.executable, "-c", _LAUNCH, *command],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            env={**inherited, "TERM": "xterm-256color", **(environment or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        os.close(self._master)
        os.close(self._slave)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal, like a user who resizes the window."""
        self.screen.resize(lines, columns)
        self._set_size(columns, lines)  # the kernel then signals the foreground process

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Type *keys*."""
        os.write(self._master, keys.encode())

    def read(self, seconds: float) -> None:
        """Read what arrives within *seconds*; return after the first piece."""
        ready, _, _ = select.select([self._master], [], [], seconds)
        if ready:
            data = os.read(self._master, 1 << 16)
            self.sent += data
            self._stream.feed(data)

    @property
    def lines(self) -> list[str]:
        """The lines of the screen."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.lines)

    def until(self, condition: Callable[[], Any]) -> None:
        """Read until *condition* is true for a complete frame."""
        self._read_until(lambda: self.sent.count(BEGIN) == self.sent.count(END) and condition())

    def shows(self, text: str) -> None:
        """Read until *text* is visible."""
        self.until(lambda: text in self.text)

    def ended(self) -> int:
        """Read until the command ends; return its exit code."""
        self._read_until(lambda: self.process.poll() is not None)
        while select.select([self._master], [], [], 0)[0]:
            self.read(0)
        return self.process.returncode

    def _read_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {SECONDS:g} s:\n{self.text}")
            self.read(0.1)

    def is_clean(self) -> bool:
        """Whether modes, cursor, margin and the first screen are restored."""
        wraps = (7 << 5) in self.screen.mode
        left = self.sent.count(b"\x1b[?1049l") == self.sent.count(b"\x1b[?1049h")
        modes = termios.tcgetattr(self._slave) == self.modes
        return modes and wraps and left and not self.screen.cursor.hidden

    def signal(self, number: signal.Signals) -> None:
        """Send the command *number*."""
        self.process.send_signal(number)
