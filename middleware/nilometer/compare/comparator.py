"""The protocol of comparators: a distance between two distributions on common bins."""

from collections.abc import Sequence
from typing import Protocol


class Comparator(Protocol):
    """A distance that an alerter may name."""

    @property
    def name(self) -> str:
        """The name in alerters, on the wire and in the API."""

    @property
    def unit(self) -> str:
        """The unit of the distance; empty for a share."""

    @property
    def needs_order(self) -> bool:
        """Whether the distance exists only if the bins have an order."""

    def distance(self, reference: Sequence[float], current: Sequence[float]) -> float:
        """Return the distance of *current* from *reference*, counts in *k* bins, shape (k,)."""
