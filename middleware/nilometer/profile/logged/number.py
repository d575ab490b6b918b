"""A number that a user logs, such as an accuracy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeAlias

from nilometer.profile.logged.amounts import Amount, Amounts, Head
from nilometer.profile.logged.logged import Logged

NoKey: TypeAlias = tuple[()]


@dataclass(frozen=True, slots=True)
class Number(Logged[NoKey]):
    """One number."""

    kind: ClassVar[str] = "number"

    amounts: Amounts[NoKey] = field(default_factory=Amounts)

    @classmethod
    def of(cls, value: float, head: Head, weight: int = 1) -> Self:
        """Return the number of one sample; *head* has its other properties."""
        return cls(Amounts.of(head, {(): Amount.of(value, head.aggregation, weight)}))

    @property
    def value(self) -> float | None:
        """The number; None without samples."""
        return self.amounts.value(())

    @classmethod
    def of_parts(cls, parts: list[Self], amounts: Amounts[NoKey]) -> Self:
        """Return the merged number."""
        del parts
        return cls(amounts)

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """``count``, the number of samples, and ``value``."""
        return {**super(Number, cls).statistics(), "value": lambda content: content.value}
