"""Memory for what is decoded and not handed on yet: bounded over all entities of a process.

Everything that a client can multiply - rows, columns, windows, label sets, entities - ends in one
of three things: cells that wait, recorders of columns, open profiles. Each is charged here before
it is made. What does not fit is counted as ``too_large`` and not made.
"""

from nilometer.profile.recorder import MISSING_BYTES, RECORDER_BYTES
from nilometer.profiling.observation import Observation

MAX_HELD_BYTES = 32 << 20
WAITING_SHARE = 0.25  # of the budget, for cells that wait to be profiled at once
DUE_SHARE = 0.5  # from here on everything is handed on, so that a batch has the rest for itself
MAX_VALUES_BYTES = 256 << 10  # of MessagePack that the model's own code gave for one observation
PROFILE_BYTES = 6144  # of an open profile: its service, its coverage, and what is gathered for it
SERVED_BYTES = 256  # of what is kept of one request beside its columns: its time and sizes

_VALUES_WEIGHT = 64  # bytes of Python objects that a byte of MessagePack becomes at most
_KEPT_BYTES, _NAME_BYTES, _SET_BYTES = 8192, 160, 64  # of an idle profiling, and what it knows


class Budget:
    """What is held, against what may be. One owner, who may share it between profilings.

    Args:
        most: Bytes that may be held.

    Attributes:
        held: Bytes that are held, about: an estimate from above.
        expected: Bytes that what waits will need for the columns that are known.
    """

    __slots__ = ("_due", "expected", "held", "most", "most_waiting")

    def __init__(self, most: int = MAX_HELD_BYTES) -> None:
        self.held = 0
        self.expected = 0
        self.most = most
        self.most_waiting = int(WAITING_SHARE * most)
        self._due = int(DUE_SHARE * most)

    @property
    def is_due(self) -> bool:
        """Whether what is held should be handed on now."""
        return self.held + self.expected >= self._due

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
        self.held = self.expected = 0


class Weight:
    """What one profiling has charged for what waits. One owner.

    Args:
        budget: Is charged.
    """

    __slots__ = ("_budget", "_expected", "_held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = self._expected = 0

    @property
    def is_enough(self) -> bool:
        """Whether so much waits that it should be profiled now."""
        return self._held >= self._budget.most_waiting

    def add(self, size: int) -> None:
        """Charge *size* bytes."""
        self._held += size
        self._budget.held += size

    def expect(self, size: int) -> None:
        """Note that *size* bytes will be needed once it is profiled."""
        self._expected += size
        self._budget.expected += size

    def give_back(self) -> None:
        """Nothing waits any more."""
        self._budget.held -= self._held
        self._budget.expected -= self._expected
        self._held = self._expected = 0


def served_bytes(observation: Observation) -> int:
    """What one observation takes while it waits, beside the columns of its bodies."""
    values = _VALUES_WEIGHT * len(observation.values)
    return SERVED_BYTES + len(observation.chunk_gaps) + values


def kept_bytes(names: int, label_sets: int) -> int:
    """What a profiling takes that holds nothing, and knows *names* and *label_sets*."""
    return _KEPT_BYTES + _NAME_BYTES * names + _SET_BYTES * label_sets


def recorders_bytes(present: int, absent: int) -> int:
    """What new recorders of *present* columns, and of *absent* ones that are only counted, take."""
    return RECORDER_BYTES * present + MISSING_BYTES * absent
