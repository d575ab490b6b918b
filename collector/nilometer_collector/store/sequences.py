"""The stored sequences of one outbox: a high-water mark, and the sequences above it."""

from collections.abc import Iterable


class Sequences:
    """Decides which rows of an outbox are new. A store loads and saves it in a transaction.

    A row is stored once, even if the agent ships it repeatedly or out of order. All sequences up to
    the mark are complete. Sequences above the mark are kept one by one until the mark reaches them.

    Args:
        mark: Stored mark; 0 for a new outbox.
        settled: Largest sequence that the agent no longer held; 0 for a new outbox.
        ahead: Stored sequences above the mark.

    Attributes:
        mark: Current mark.
        settled: Largest sequence that the agent no longer holds. Up to here, a row may have been refused.
    """

    def __init__(self, mark: int, settled: int, ahead: Iterable[int]) -> None:
        self.mark, self.settled = mark, settled
        self._stored_ahead = frozenset(ahead)
        self._ahead = set(self._stored_ahead)

    def take(self, sequence: int) -> bool:
        """Add *sequence*; return whether it is new."""
        if sequence <= self.mark or sequence in self._ahead:
            return False
        self._ahead.add(sequence)
        return True

    def refuse(self, sequence: int) -> None:
        """Forget a *sequence* that was taken, because its row is not stored."""
        self._ahead.discard(sequence)

    def settle(self, oldest_held: int) -> None:
        """Advance the mark; the agent no longer ships sequences below *oldest_held*."""
        self.settled = max(self.settled, oldest_held - 1)
        self.mark = max(self.mark, self.settled)
        while self.mark + 1 in self._ahead:
            self.mark += 1
        self._ahead = {sequence for sequence in self._ahead if sequence > self.mark}

    @property
    def passed(self) -> list[int]:
        """Stored sequences that the mark has reached since they were loaded."""
        return sorted(self._stored_ahead - self._ahead)

    @property
    def added(self) -> list[int]:
        """Sequences above the mark that are not stored yet."""
        return sorted(self._ahead - self._stored_ahead)
