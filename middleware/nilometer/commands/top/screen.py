"""The terminal: sets its modes, handles signals, and restores it at the end.

It uses only plain ECMA-48, which practically every terminal supports. After an error or a signal
inside `Screen`, the modes are restored first. Text that others write to stderr during that time is
kept, and printed afterwards.

Source: ECMA-48, "Control functions for coded character sets"; xterm, "Control sequences".
"""

import contextlib
import fcntl
import os
import select
import signal
import struct
import sys
import tempfile
import termios
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Self

from nilometer.commands.top.keys import Keys
from nilometer.commands.top.pieces import Line, Style
from nilometer.commands.top.text import to_ascii, width

# Alternate screen, hidden cursor, no line wrap; then the same in reverse order.
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
# Synchronised updates: some terminals then draw the whole frame at once, others ignore this.
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
ESCAPE_SECONDS = 0.05  # time after which an escape counts as a key, not as the start of a sequence
FALLBACK = (80, 24)

_COLOURED = {
    Style.PLAIN: "",
    Style.BOLD: "\x1b[1m",
    Style.DIM: "\x1b[2m",
    Style.BAD: "\x1b[1;31m",
    Style.WARNING: "\x1b[35m",  # yellow is unreadable on white
    Style.GOOD: "\x1b[32m",
    Style.HEAD: "\x1b[7m",
    Style.SELECTED: "\x1b[1;7m",
}
_UNCOLOURED = {**_COLOURED, Style.BAD: "\x1b[1m", Style.WARNING: "\x1b[1m", Style.GOOD: ""}

# Signals that end the view, and those that stop and continue it.
_HANDLED = (
    signal.SIGWINCH,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
)


class Screen:
    """Controls the terminal inside the `with` block. The main thread owns it.

    Args:
        environment: Environment variables, read for ``NO_COLOR``.
        encoding: Encoding of the terminal.

    Attributes:
        ended: Signal that asks to end; None without one.
    """

    def __init__(self, environment: Mapping[str, str], encoding: str) -> None:
        self._out = sys.__stdout__.fileno() if sys.__stdout__ is not None else 1
        stdin = sys.__stdin__
        self._in = stdin.fileno() if stdin is not None and stdin.isatty() else None
        self._styles = _UNCOLOURED if environment.get("NO_COLOR") else _COLOURED
        self._ascii = encoding.replace("-", "").lower() != "utf8"
        self._before: Sequence[str] | None = None
        self._keys = Keys()
        self._signals: list[int] = []
        self._kept: dict[int, Any] = {}
        self._modes: list[Any] | None = None
        self._stderr: tuple[int, Any] | None = None
        self._woken, self._wake = os.pipe()
        self._wake_lock = threading.Lock()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._old_wake = -1
        self.ended: int | None = None

    def __enter__(self) -> Self:
        self._hold_stderr()
        try:
            for number in _HANDLED:
                self._kept[number] = signal.signal(number, self._note)
            self._old_wake = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
            self._take()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def wake(self) -> None:
        """Make `wait` return. Any thread may call this, also after the end."""
        with self._wake_lock, contextlib.suppress(OSError):
            if self._wake >= 0:
                os.write(self._wake, b"\0")

    def size(self) -> tuple[int, int]:
        """Return the current numbers of columns and lines."""
        try:
            packed = fcntl.ioctl(self._out, termios.TIOCGWINSZ, b"\0" * 8)
            lines, columns = struct.unpack("HHHH", packed)[:2]
        except OSError:
            return FALLBACK
        return (columns, lines) if columns and lines else FALLBACK

    def wait(self, timeout: float) -> list[str]:
        """Return the keys pressed within *timeout* seconds.

        The result is empty if time, a signal or `wake` ends the wait.
        """
        watched = [self._woken] if self._in is None else [self._woken, self._in]
        limit = min(timeout, ESCAPE_SECONDS) if self._keys.waiting else timeout
        ready, _, _ = select.select(watched, [], [], max(limit, 0.0))
        if self._woken in ready:
            with contextlib.suppress(OSError):
                os.read(self._woken, 4096)
        keys: list[str] = []
        if self._in is not None and self._in in ready:
            try:
                data = os.read(self._in, 4096)
            except OSError:
                data = b""
            if not data:  # the terminal was closed
                self._in, self.ended = None, self.ended or signal.SIGHUP
            keys = self._keys.feed(data)
        elif self._keys.waiting and not ready:
            keys = self._keys.flush()
        self._heed()
        if "redraw" in keys:
            self._before = None
        return keys

    def draw(self, frame: Sequence[Line]) -> None:
        """Show *frame*, which fits `size`; only changed lines are sent."""
        lines = [self._encoded(line) for line in frame]
        changed = []
        if self._before is None:
            changed.append("\x1b[0m\x1b[2J")
        for at, line in enumerate(lines):
            if self._before is None or at >= len(self._before) or self._before[at] != line:
                # Erase first: after a full line the cursor is on its last character.
                changed.append(f"\x1b[{at + 1};1H\x1b[0m\x1b[K{line}")
        self._before = lines
        if changed:
            self._send(BEGIN + "".join(changed) + "\x1b[0m" + END)

    def _encoded(self, line: Line) -> str:
        parts = []
        column = 1
        for text, style in line:
            shown = to_ascii(text) if self._ascii else text
            look = self._styles[style]
            column += width(text)
            # Terminals differ in the width of some characters, so each piece sets its own position.
            place = "" if text.isascii() else f"\x1b[{column}G"
            parts.append(look + shown + ("\x1b[0m" if look else "") + place)
        return "".join(parts)

    def _send(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            try:
                data = data[os.write(self._out, data) :]
            except BlockingIOError:
                select.select([], [self._out], [], 1.0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signals.append(number)

    def _heed(self) -> None:
        """Handle pending signals."""
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGTSTP:
                self._sleep()
            elif number == signal.SIGWINCH:
                # Redraw even if the size is unchanged, because the terminal may have cut text
                # meanwhile.
                self._before = None
            else:
                self.ended = self.ended or number

    def _sleep(self) -> None:
        """Handle Ctrl-Z: restore the terminal, stop, and set its modes again when continued."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)
        self._take()

    def _take(self) -> None:
        if self._in is not None:
            self._modes = termios.tcgetattr(self._in)
            ours = termios.tcgetattr(self._in)
            ours[3] &= ~(termios.ECHO | termios.ICANON)  # keep the signals of Ctrl-C and Ctrl-Z
            ours[6][termios.VMIN], ours[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._in, termios.TCSADRAIN, ours)
        self._before = None
        self._send(ENTER)

    def _give_back(self) -> None:
        # If the terminal is closed, there is nothing to restore.
        with contextlib.suppress(OSError):
            self._send(LEAVE)
        if self._in is not None and self._modes is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._in, termios.TCSADRAIN, self._modes)

    def _restore(self) -> None:
        try:
            self._give_back()
        finally:
            signal.set_wakeup_fd(self._old_wake)
            for number, handler in self._kept.items():
                signal.signal(number, handler)
            self._tell_stderr()
            with self._wake_lock:
                os.close(self._woken)
                os.close(self._wake)
                self._wake = -1

    def _hold_stderr(self) -> None:
        """Redirect stderr to a file, so that it does not overwrite the screen."""
        if os.isatty(2):
            held = tempfile.TemporaryFile()  # noqa: SIM115  closed by the caller
            self._stderr = os.dup(2), held
            os.dup2(held.fileno(), 2)

    def _tell_stderr(self) -> None:
        if self._stderr is None:
            return
        (saved, held), self._stderr = self._stderr, None
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        with held, contextlib.suppress(OSError):
            held.seek(0)
            os.write(2, held.read(1 << 16))
