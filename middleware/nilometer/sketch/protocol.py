"""The protocol of all sketches; `tests/support/laws.py` tests it for each sketch."""

from typing import Protocol, Self


class Sketch(Protocol):
    """A commutative monoid over observations.

    Merging the sketches of the parts of a stream is as accurate as sketching the whole.
    """

    @property
    def count(self) -> int:
        """Number of observations."""
        ...

    def merge(self, other: Self) -> Self:
        """Return a new sketch of both streams; neither operand changes."""
        ...
