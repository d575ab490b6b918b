"""Limits the memory of frames that are being received. Small frames never wait for large ones."""

MAX_FRAMES_BYTES = 16 << 20  # memory of all frames
MAX_LARGE_BYTES = 12 << 20  # memory of frames over LARGE_BYTES; the rest is for small frames
LARGE_BYTES = 256 << 10  # twice the size of a busy worker's batch


class FrameMemory:
    """Grants each connection the bytes of one frame. Used by one thread.

    Large frames get memory in the order of their requests, so that none waits forever.

    Args:
        most: Bytes of all frames at once.
        most_large: Bytes of large frames at once.

    Attributes:
        held: Bytes that are granted now.
    """

    def __init__(self, most: int = MAX_FRAMES_BYTES, most_large: int = MAX_LARGE_BYTES) -> None:
        self._most = most
        self._most_large = most_large
        self.held = 0
        self._held_by_large = 0
        self._granted: dict[object, int] = {}
        self._queue: dict[object, None] = {}  # connections whose large frames wait, in order

    def take(self, who: object, size: int) -> bool:
        """Return whether *who* may hold *size* bytes now; if not, the caller asks again later."""
        if size > LARGE_BYTES:
            self._queue.setdefault(who)
            if next(iter(self._queue)) is not who or self._held_by_large + size > self._most_large:
                return False
        if self.held + size > self._most:
            return False
        self._queue.pop(who, None)
        self._granted[who] = size
        self.held += size
        self._held_by_large += size if size > LARGE_BYTES else 0
        return True

    def give_back(self, who: object) -> None:
        """Release the memory of *who*, and forget its request. May be called twice."""
        self._queue.pop(who, None)
        size = self._granted.pop(who, 0)
        self.held -= size
        self._held_by_large -= size if size > LARGE_BYTES else 0
