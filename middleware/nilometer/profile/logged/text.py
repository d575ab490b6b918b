"""A text that a user logs, such as the version in use. The newest text replaces older ones."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from nilometer.profile.content import DataType, TypeCounts
from nilometer.profile.logged.amounts import NO_STAMP, Stamp

MAX_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Text:
    """One text.

    Attributes:
        value: The text.
        count: Number of samples; 0 without a text.
        stamp: Stamp of the newest sample.
    """

    kind: ClassVar[str] = "string"

    value: str = ""
    count: int = 0
    stamp: Stamp = NO_STAMP

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """Return the newest text. The order and grouping of *contents* do not matter."""
        parts = [content for content in contents if content.count]
        if not parts:
            return cls()
        newest = max(parts, key=lambda part: (part.stamp, part.value))
        return replace(newest, count=sum(part.count for part in parts))

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """``count``: the number of samples."""
        return {"count": lambda content: float(content.count)}

    @property
    def cells(self) -> int:
        """Number of samples."""
        return self.count

    @property
    def type_counts(self) -> TypeCounts:
        """Number of samples, because each sample is a text."""
        return TypeCounts(categories=self.count)

    @property
    def data_type(self) -> DataType:
        """``category``, or ``empty`` without samples."""
        return self.type_counts.data_type

    def scaled(self, factor: float) -> Self:
        """Return itself."""
        del factor
        return self

    def suppressed(self, fewest: int) -> Self:
        """Return itself, because a user has chosen to log it."""
        del fewest
        return self
