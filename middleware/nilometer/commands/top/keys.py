"""Converts bytes of a keyboard to names of keys.

Source: ECMA-48, "Control functions for coded character sets"; xterm, "Control sequences".
"""

_SEQUENCES = {
    **dict.fromkeys((b"\x1b[A", b"\x1bOA"), "up"),
    **dict.fromkeys((b"\x1b[B", b"\x1bOB"), "down"),
    **dict.fromkeys((b"\x1b[C", b"\x1bOC"), "right"),
    **dict.fromkeys((b"\x1b[D", b"\x1bOD"), "left"),
    **dict.fromkeys((b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~"), "home"),
    **dict.fromkeys((b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~"), "end"),
    b"\x1b[5~": "page_up",
    b"\x1b[6~": "page_down",
    **dict.fromkeys((b"\x1bOP", b"\x1b[11~"), "f1"),
}
_CONTROLS = {
    0x0A: "enter",
    0x0D: "enter",
    0x08: "backspace",
    0x7F: "backspace",
    0x15: "clear",
    0x0C: "redraw",
    0x02: "page_up",
    0x06: "page_down",
}
_LENGTHS = ((1, 0xC0), (2, 0xE0), (3, 0xF0), (4, 0xF8))  # length of a UTF-8 character by first byte
_LONGEST_SEQUENCE = 16  # a longer sequence is not a key


class Keys:
    """Converts bytes to names of keys; a sequence may arrive in parts."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def waiting(self) -> bool:
        """Whether a key is incomplete."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that are complete after *data*."""
        self._held += data
        keys = []
        while self._held:
            taken, key = self._first()
            if not taken:
                break
            self._held = self._held[taken:]
            if key:
                keys.append(key)
        return keys

    def flush(self) -> list[str]:
        """Return the pending key: after a pause, a single escape is the key itself."""
        held, self._held = self._held, b""
        return ["esc"] if held.startswith(b"\x1b") else []

    def _first(self) -> tuple[int, str]:
        """Return length and name of the first key; 0 if it is incomplete, empty if unknown."""
        held = self._held
        if held[0] == 0x1B:
            return self._sequence()
        if held[0] < 0x20 or held[0] == 0x7F:
            return 1, _CONTROLS.get(held[0], "")
        size = next((more for more, end in _LENGTHS if held[0] < end), 1)
        if any(byte & 0xC0 != 0x80 for byte in held[1:size]):
            return 1, ""
        if len(held) < size:
            return 0, ""
        try:
            return size, held[:size].decode()
        except UnicodeDecodeError:
            return 1, ""

    def _sequence(self) -> tuple[int, str]:
        held = self._held
        if len(held) == 1:
            return 0, ""
        if held[1] not in b"[O":
            return 1, "esc"  # an escape key, followed by another key
        for at in range(2, min(len(held), _LONGEST_SEQUENCE)):
            if 0x40 <= held[at] <= 0x7E:
                return at + 1, _SEQUENCES.get(held[: at + 1], "")
        return (1, "esc") if len(held) >= _LONGEST_SEQUENCE else (0, "")
