"""Memory for frames that are under way: bounded, and small frames never wait for large ones."""

MAX_FRAMES_BYTES = 16 << 20  # of all frames that are under way
MAX_LARGE_BYTES = 12 << 20  # of those over LARGE_BYTES; the rest is left for the others
LARGE_BYTES = 256 << 10  # a batch of a busy worker has half of it


class FrameMemory:
    """Grants each connection the bytes of one frame. Used by one thread.

    Large frames are granted in the order in which they asked, so that none waits for ever.

    Args:
        most: Bytes of all at once.
        most_large: Bytes of large ones at once.

    Attributes:
        held: Bytes that are granted now.
    """

    def __init__(self, most: int = MAX_FRAMES_BYTES, most_large: int = MAX_LARGE_BYTES) -> None:
        self._most = most
        self._most_large = most_large
        self.held = 0
        self._held_by_large = 0
        self._granted: dict[object, int] = {}
        self._queue: dict[object, None] = {}  # whose large frames wait, in order

    def take(self, who: object, size: int) -> bool:
        """Whether *who* may hold *size* bytes now; ask again where not."""
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
        """Take back what *who* holds or waits for. Safe twice."""
        self._queue.pop(who, None)
        size = self._granted.pop(who, 0)
        self.held -= size
        self._held_by_large -= size if size > LARGE_BYTES else 0
