"""Gives names to rows that arrive over HTTP, so that the store keeps each row only once."""

import secrets
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

EPOCH_BYTES = 16


class OwnSource:
    """Names rows of senders that give no names. Any thread may call."""

    def __init__(self) -> None:
        self._epoch = secrets.token_bytes(EPOCH_BYTES)
        self._next = 1
        self._lock = threading.Lock()

    def name(self, rows: int, ship: Callable[[bytes, int], T]) -> T:
        """Call *ship* with the epoch and the first sequence of *rows* rows, one call at a time.

        The store assumes that it has all rows below the first sequence of a shipment. So a later
        shipment must not overtake an earlier one.
        """
        with self._lock:
            first, self._next = self._next, self._next + rows
            return ship(self._epoch, first)
