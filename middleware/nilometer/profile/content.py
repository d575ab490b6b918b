"""The protocol of content types, the kinds of content that a summary sample may hold.

A content type is a class with this protocol, such as a feature's column, requests, scores, or a
type of an extension. An extension has all parts of its type in one `nilometer.kinds.ContentKind`.
The parts of the built-in types are in one table per room, by kind:

- `nilometer.profile.registered.CONTENTS`: the types, whose statistics alerters may name
- `nilometer.wire.contents.registered.CODECS`: the codecs
- `nilometer_agent.measure.contents.CONTENT_SERIES`: the series that the agent exports
- `nilometer_collector.limits.contents.CHECKS`: the checks before they are stored
- `nilometer_collector.contents.registered.SHOWN`: the form in the API
"""

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Literal, NamedTuple, Protocol, Self, TypeAlias

DataType: TypeAlias = Literal["number", "category", "mixed", "empty", "service"]


class TypeCounts(NamedTuple):
    """The number of values of a content by type.

    Attributes:
        numbers: Number of finite numbers.
        categories: Number of strings and booleans.
    """

    numbers: int = 0
    categories: int = 0

    @property
    def data_type(self) -> DataType:
        """The type of most values; ``mixed`` if the rarer type has over a tenth."""
        numbers, categories = self
        if not numbers and not categories:
            return "empty"
        if numbers and categories and min(numbers, categories) * 10 > max(numbers, categories):
            return "mixed"
        return "number" if numbers >= categories else "category"


class Content(Protocol):
    """The measurements of one summary, label set and window.

    Attributes:
        kind: Name of the type, unique among all types: ``[a-z][a-z0-9_]*``.
    """

    kind: ClassVar[str]

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """Return one content made from all; the result is bit-identical for every order."""
        ...

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """Functions by the name of the statistic that alerters may use; a function may return None.

        A statistic has the same meaning and unit in every type that has it.
        """
        ...

    @property
    def count(self) -> int:
        """Number of observations in the content."""
        ...

    @property
    def cells(self) -> int:
        """Number of observations, including those without a value; at least `count`."""
        ...

    @property
    def type_counts(self) -> TypeCounts:
        """Number of values by type."""
        ...

    @property
    def data_type(self) -> DataType:
        """The type of most values."""
        ...

    def scaled(self, factor: float) -> Self:
        """Return the content with each observation counted *factor* times, for a sampled stream.

        A type that is never sampled returns itself.
        """
        ...

    def suppressed(self, fewest: int) -> Self:
        """Return the content without names of fewer than *fewest* observations; may return itself.

        A type of an extension also removes numbers of fewer observations. This is called before
        anything is stored if numbers are disclosed only in groups (docs/privacy.md).
        """
        ...
