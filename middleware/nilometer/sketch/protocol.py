"""What every sketch promises; `tests/support/laws.py` holds each of them to it."""

from typing import Protocol, Self


class Sketch(Protocol):
    """A commutative monoid over observations.

    Merging the sketches of the parts of a stream is as accurate as sketching the whole.
    """

    @property
    def count(self) -> int:
        """Observations, of whatever value."""
        ...

    def merge(self, other: Self) -> Self:
        """A new sketch of both streams; neither operand changes."""
        ...
