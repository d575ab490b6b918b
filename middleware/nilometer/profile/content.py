"""What a summary sample may hold: the law of every content type.

A content type is a class with this protocol: a feature's column, requests, scores, or a type from
outside this project. One from outside has all of its parts in one `nilometer.kinds.ContentKind`.
Those of this project are in one table a room, by kind:

- `nilometer.profile.registered.CONTENTS`: the types, whose statistics alerters may name
- `nilometer.wire.contents.registered.CODECS`: how they travel
- `nilometer_agent.measure.contents.CONTENT_SERIES`: which series the agent exports
- `nilometer_collector.limits.contents.CHECKS`: what is checked before they are stored
- `nilometer_collector.contents.registered.SHOWN`: how the API shows them
"""

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Literal, NamedTuple, Protocol, Self, TypeAlias

DataType: TypeAlias = Literal["number", "category", "mixed", "empty", "service"]


class TypeCounts(NamedTuple):
    """Values of a content by what they are.

    Attributes:
        numbers: Finite numbers.
        categories: Strings and booleans.
    """

    numbers: int = 0
    categories: int = 0

    @property
    def data_type(self) -> DataType:
        """What the values mostly are; ``mixed`` where the rarer type has over a tenth."""
        numbers, categories = self
        if not numbers and not categories:
            return "empty"
        if numbers and categories and min(numbers, categories) * 10 > max(numbers, categories):
            return "mixed"
        return "number" if numbers >= categories else "category"


class Content(Protocol):
    """What is measured in one summary, label set and window.

    Attributes:
        kind: Name of the type, unique among all types: ``[a-z][a-z0-9_]*``.
    """

    kind: ClassVar[str]

    @classmethod
    def merge_all(cls, contents: Iterable[Self]) -> Self:
        """One content of all, the same bits for every order of *contents*."""
        ...

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """What alerters may name; a function gives None where its value does not exist.

        A statistic of the same name has the same meaning and unit in every type.
        """
        ...

    @property
    def count(self) -> int:
        """Observations behind the content."""
        ...

    @property
    def cells(self) -> int:
        """Observations with those that gave no value; `count` where there are none such."""
        ...

    @property
    def type_counts(self) -> TypeCounts:
        """The values by what they are."""
        ...

    @property
    def data_type(self) -> DataType:
        """What the values mostly are."""
        ...

    def scaled(self, factor: float) -> Self:
        """Each observation *factor* times, for a stream of which a share was profiled.

        A type that is never thinned returns itself.
        """
        ...

    def suppressed(self, fewest: int) -> Self:
        """Without names of fewer than *fewest* observations; itself where nothing changes.

        Of a type from outside this project also without numbers of fewer: it is called before
        anything is stored where numbers are told in groups only (docs/privacy.md).
        """
        ...
