"""Levels of resolution at which the store keeps samples."""

from enum import Enum
from typing import Self

from nilometer.values.clock import NANOSECONDS
from nilometer.values.window import Window


class Level(Enum):
    """A level: samples as agents shipped them, or roll-ups, which merge the samples of a window.

    The value is the name in the database, in metrics and in responses.

    Attributes:
        length_ns: Length of the windows in nanoseconds; 0 for samples as shipped.
    """

    length_ns: int

    SHIPPED = "shipped", 0
    FIVE_MINUTES = "5m", 300 * NANOSECONDS
    HOUR = "1h", 3600 * NANOSECONDS
    DAY = "1d", 86_400 * NANOSECONDS

    def __new__(cls, name: str, length_ns: int) -> Self:
        """Make a member whose value is its *name*."""
        member = object.__new__(cls)
        member._value_ = name
        member.length_ns = length_ns
        return member

    def window_of(self, window: Window) -> Window:
        """Return the window of this level into which a sample over *window* is merged.

        Windows of roll-ups are aligned to the epoch, so that days are UTC days. A sample belongs to
        the window in which it starts. A sample that is at least as long as the level's windows
        keeps its own window.

        >>> Level.HOUR.window_of(Window(3600 * 10**9 + 5, 3660 * 10**9)).seconds
        3600.0
        """
        return Window(*self.bounds_of(window.start_ns, window.end_ns))

    def bounds_of(self, start_ns: int, end_ns: int) -> tuple[int, int]:
        """Return the result of `window_of` as numbers; this is faster, for every stored sample."""
        if end_ns - start_ns >= self.length_ns:
            return start_ns, end_ns
        first_ns = start_ns - start_ns % self.length_ns
        return first_ns, first_ns + self.length_ns

    @property
    def finer(self) -> "Level":
        """Level from which this level is merged; exists for every roll-up."""
        return LEVELS[LEVELS.index(self) - 1]

    @property
    def coarser(self) -> "Level | None":
        """Level that is merged from this level; None for the coarsest."""
        return next(iter(LEVELS[LEVELS.index(self) + 1 :]), None)


LEVELS = tuple(Level)  # finest first
ROLLED_UP = LEVELS[1:]
BY_LENGTH = {level.length_ns: level for level in LEVELS}
DAY_NS = Level.DAY.length_ns


def arrival_day(received_ns: int) -> int:
    """Return the day of an arrival in UTC, counted from 1970."""
    return received_ns // DAY_NS
