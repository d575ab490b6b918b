"""Gives names to rows that arrive over HTTP, so that the store keeps each row only once."""

import secrets
from collections import deque
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

EPOCH_BYTES = 16


class OwnSource:
    """Names rows of senders that give no names. Any thread may call.

    The store assumes that it has all rows of an epoch below the first sequence of a shipment. So only
    one shipment at a time uses an epoch. There are as many epochs as shipments at the same time.
    """

    def __init__(self) -> None:
        self._idle: deque[tuple[bytes, int]] = deque()  # epochs, each with its next sequence

    def name(self, rows: int, ship: Callable[[bytes, int], T]) -> T:
        """Return the result of *ship*, called with an epoch and the first sequence of *rows* rows."""
        try:
            epoch, first = self._idle.pop()
        except IndexError:
            epoch, first = secrets.token_bytes(EPOCH_BYTES), 1
        try:
            return ship(epoch, first)
        finally:
            self._idle.append((epoch, first + rows))
