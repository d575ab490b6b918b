"""Reads gRPC messages from the DATA frames of one side of a call."""

from collections.abc import Callable
from typing import Final

from nilometer.capture.grpc.messages import Messages

PREFIX: Final = 5  # header of a message: whether it is compressed, and its length


class MessageReader:
    """Reads the messages of one side of a call from its DATA frames.

    Args:
        messages: Object that counts the messages and keeps them up to the cap.
        note: Function that gets each message that is kept.
    """

    def __init__(self, messages: Messages, note: Callable[[bytes, bool], None]) -> None:
        self._messages = messages
        self._note = note
        self._prefix = b""
        self._left = 0
        self._size = 0
        self._parts: list[bytes] | None = []

    def read(self, data: bytes) -> None:
        """Read the content of a DATA frame."""
        position = 0
        while position < len(data):
            if len(self._prefix) < PREFIX:
                taken = data[position : position + PREFIX - len(self._prefix)]
                self._prefix += taken
                position += len(taken)
                if len(self._prefix) < PREFIX:
                    return
                self._size = self._left = int.from_bytes(self._prefix[1:], "big")
                self._parts = [] if self._messages.has_room(self._size) else None
            taken = data[position : position + self._left]
            position += len(taken)
            self._left -= len(taken)
            if self._parts is not None:
                self._parts.append(taken)
            if not self._left:
                compressed = bool(self._prefix[0] & 1)
                self._prefix = b""
                self._over(compressed=compressed)

    def _over(self, *, compressed: bool) -> None:
        if self._parts is None:
            self._messages.skip(self._size)
        else:
            parts, self._parts = self._parts, []
            self._note(parts[0] if len(parts) == 1 else b"".join(parts), compressed)
