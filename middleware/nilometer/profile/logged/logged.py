"""The base of all content types of amounts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import ClassVar, Generic, Self, TypeAlias

from nilometer.profile.content import DataType, TypeCounts
from nilometer.profile.logged.amounts import Aggregation, Amounts, K

Shape: TypeAlias = tuple[tuple[str, str], ...]


class Logged(Generic[K]):
    """A content of amounts; *K* is the type of a key. Users log it, so it is never sampled.

    Attributes:
        kind: Name of the content type.
        amounts: Numbers by key.
    """

    kind: ClassVar[str]
    amounts: Amounts[K]

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """Merge contents. The order and grouping of *contents* change no bit of the result.

        Raises:
            ValueError: If they do not merge, such as matrices of different shapes.
        """
        parts = [content for content in contents if content.count]
        if not all(part.amounts.aggregation is Aggregation.LAST for part in parts):
            parts = cls.aligned(parts)
            return cls.of_parts(parts, Amounts.merge_all(part.amounts for part in parts))
        if len({part.amounts.unit for part in parts}) > 1:
            raise ValueError("samples of different units do not merge")
        if not parts:
            return cls.of_parts([], Amounts())
        stamp = max(part.amounts.stamp for part in parts)
        tied = [part for part in parts if part.amounts.stamp == stamp]
        newest = tied[0] if len(tied) == 1 else max(tied, key=Logged._order)
        count = sum(part.count for part in parts)
        return cls.of_parts([newest], replace(newest.amounts, count=count))

    @property
    def shape(self) -> Shape:
        """The properties that samples must share to merge, each with a name and a value."""
        return ()

    @classmethod
    def aligned(cls, parts: list[Self]) -> list[Self]:
        """Return *parts* with keys of one form.

        Raises:
            ValueError: If *parts* contradict each other.
        """
        return parts

    @property
    def header(self) -> tuple[object, ...]:
        """The properties of the content besides its amounts."""
        return ()

    def _order(self) -> str:
        """A fixed order for samples with equal stamps."""
        return repr((self.header, sorted(self.amounts.cells.items())))

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[K]) -> Self:
        """Return a content with merged *amounts*, and the other properties of *parts*.

        Raises:
            ValueError: If *parts* contradict each other.
        """
        raise NotImplementedError

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The statistics that alerters may name."""
        return {"count": _count}

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.amounts.count

    @property
    def cells(self) -> int:
        """Number of samples."""
        return self.amounts.count

    @property
    def type_counts(self) -> TypeCounts:
        """Number of samples, because each sample has numbers."""
        return TypeCounts(numbers=self.amounts.count)

    @property
    def data_type(self) -> DataType:
        """``number``, or ``empty`` without samples."""
        return self.type_counts.data_type

    def scaled(self, factor: float) -> Self:
        """Return itself."""
        del factor
        return self

    def suppressed(self, fewest: int) -> Self:
        """Return itself, because a user has chosen to log it."""
        del fewest
        return self


def _count(content: Logged[K]) -> float:
    return float(content.count)
