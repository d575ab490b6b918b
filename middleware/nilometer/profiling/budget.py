"""Memory for what is decoded and not handed on yet: bounded over all entities of a process.

Everything that a client can multiply - rows, columns, windows, label sets, entities - ends in one
of three things: cells that wait, recorders of columns, open profiles. Each is charged here before
it is made. What does not fit is counted as ``too_large`` and not made.
"""

from nilometer.profile.recorder import MISSING_BYTES, RECORDER_BYTES

MAX_HELD_BYTES = 32 << 20
WAITING_SHARE = 0.25  # of the budget, for cells that wait to be profiled at once
DUE_SHARE = 0.5  # from here on everything is handed on, so that a batch has the rest for itself
PROFILE_BYTES = 6144  # of an open profile: its service, its coverage, and what is gathered for it


class Budget:
    """What is held, against what may be. One owner, who may share it between profilings.

    Args:
        most: Bytes that may be held.

    Attributes:
        held: Bytes that are held, about: an estimate from above.
    """

    __slots__ = ("_due", "held", "most", "most_waiting")

    def __init__(self, most: int = MAX_HELD_BYTES) -> None:
        self.held = 0
        self.most = most
        self.most_waiting = int(WAITING_SHARE * most)
        self._due = int(DUE_SHARE * most)

    @property
    def is_due(self) -> bool:
        """Whether what is held should be handed on now."""
        return self.held >= self._due

    @property
    def is_over(self) -> bool:
        """Whether more is held than may be."""
        return self.held > self.most

    def take(self, size: int) -> bool:
        """Charge *size* bytes where they fit; whether they did."""
        if self.held + size > self.most:
            return False
        self.held += size
        return True

    def clear(self) -> None:
        """Everything was handed on."""
        self.held = 0


def recorders_bytes(present: int, absent: int) -> int:
    """What new recorders of *present* columns, and of *absent* ones that are only counted, take."""
    return RECORDER_BYTES * present + MISSING_BYTES * absent
