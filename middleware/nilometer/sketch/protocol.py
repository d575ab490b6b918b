"""The protocol of all sketches; `tests/support/laws.py` tests its laws for each of them."""

from typing import Protocol, Self


class Sketch(Protocol):
    """A commutative monoid over observations.

    Merging the sketches of the parts of a stream is as accurate as sketching the whole.
    """

    @property
    def count(self) -> int:
        """Number of observations, of any value."""
        ...

    def merge(self, other: Self) -> Self:
        """Return a new sketch of both streams; neither operand changes."""
        ...
