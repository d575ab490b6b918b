"""Limits the memory for decoded data that is not sent yet, over all entities of a process.

A client can multiply rows, columns, windows, label sets and entities. Each uses memory in three
places: waiting cells, recorders of columns, and open profiles. All memory is charged to the budget
before it is allocated. Data that does not fit is dropped and counted as ``too_large``.
"""

from nilometer.profile.recorder import MISSING_BYTES, RECORDER_BYTES
from nilometer.profiling.observation import Observation
from nilometer.values.labels import Labels, text_bytes

MAX_HELD_BYTES = 32 << 20
WAITING_SHARE = 0.25  # share of the budget for cells that wait to be profiled together
DUE_SHARE = 0.5  # share above which all profiles are sent, so that the next batch has room
MAX_VALUES_BYTES = 256 << 10  # most MessagePack values that the application may log per observation
PROFILE_BYTES = 6144  # memory of an open profile, including its service profile and coverage
SERVED_BYTES = 256  # memory per request besides its columns: its time and sizes

_VALUES_WEIGHT = 64  # largest ratio of Python objects to MessagePack, in bytes per byte
_TEXT_COPIES = 3  # of the labels: in the sample's message, its bytes, and the delta
_KEPT_BYTES, _NAME_BYTES, _SET_BYTES = 8192, 160, 64  # memory per idle profiling, name, label set


class Budget:
    """A memory limit and the memory in use. Profilings of one thread may share it.

    Args:
        most: Limit in bytes.

    Attributes:
        held: Memory in use, in bytes; an upper estimate.
        expected: Memory that the waiting observations will need for known columns, in bytes.
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
        """Whether the profiles should be sent now to free memory."""
        return self.held + self.expected >= self._due

    @property
    def is_over(self) -> bool:
        """Whether the used memory exceeds the limit."""
        return self.held > self.most

    def take(self, size: int) -> bool:
        """Charge *size* bytes if they fit; return whether they fit."""
        if self.held + size > self.most:
            return False
        self.held += size
        return True

    def clear(self) -> None:
        """Reset the used memory to zero, after everything was sent."""
        self.held = self.expected = 0


class Weight:
    """The memory that one profiling has charged for waiting observations. Not thread-safe.

    Args:
        budget: Budget that is charged.
    """

    __slots__ = ("_budget", "_expected", "_held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = self._expected = 0

    @property
    def is_enough(self) -> bool:
        """Whether the waiting observations should be profiled now to free memory."""
        return self._held >= self._budget.most_waiting

    def add(self, size: int) -> None:
        """Charge *size* bytes."""
        self._held += size
        self._budget.held += size

    def expect(self, size: int) -> None:
        """Reserve *size* bytes that the profiling of a waiting observation will need."""
        self._expected += size
        self._budget.expected += size

    def give_back(self) -> None:
        """Release all charges, after the last waiting observation."""
        self._budget.held -= self._held
        self._budget.expected -= self._expected
        self._held = self._expected = 0


def served_bytes(observation: Observation) -> int:
    """Return the memory of one waiting observation besides the columns of its bodies, in bytes."""
    values = _VALUES_WEIGHT * len(observation.values)
    return SERVED_BYTES + len(observation.chunk_gaps) + values


def kept_bytes(names: int, label_sets: int) -> int:
    """Return the memory of an empty profiling with *names* and *label_sets*, in bytes."""
    return _KEPT_BYTES + _NAME_BYTES * names + _SET_BYTES * label_sets


def recorders_bytes(present: int, absent: int, labels: Labels) -> int:
    """Return the memory of new recorders for *present* and *absent* columns, in bytes.

    The sample of each column carries the text of its *labels*.
    """
    text = _TEXT_COPIES * text_bytes(labels)
    return (RECORDER_BYTES + text) * present + (MISSING_BYTES + text) * absent
