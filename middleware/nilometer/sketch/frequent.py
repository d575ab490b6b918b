"""Space saving: the most frequent values of a stream, with a known error.

At most *capacity* values are kept. A new value replaces the value with the smallest count. That
count is added to its own count, and becomes its error. So a kept count is never below the true
count, and exceeds it by at most ``total / capacity``.

Source: Metwally, Agrawal and El Abbadi, "Efficient computation of frequent and top-k elements in
data streams" (2005); merge after Agarwal et al., "Mergeable summaries" (2012).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from nilometer.values.errors import IncompatibleSketches

DEFAULT_CAPACITY = 64


@dataclass(frozen=True, slots=True)
class Frequent:
    """Counts of the heavy hitters of a stream of strings.

    Attributes:
        capacity: Largest number of kept values.
        total: Number of observations.
        counts: Upper bounds of the true counts by value.
        errors: Largest excess of each count over the true count; a missing value means 0.
    """

    capacity: int = DEFAULT_CAPACITY
    total: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counted: Mapping[str, int], capacity: int = DEFAULT_CAPACITY) -> Self:
        """Return a sketch of values with their counts."""
        return cls._kept(capacity, sum(counted.values()), dict(counted), {})

    @property
    def count(self) -> int:
        """Number of observations."""
        return self.total

    @property
    def other(self) -> int:
        """Number of observations of values that are not kept; at least 0."""
        return max(self.total - sum(self.counts.values()), 0)

    def top(self, k: int) -> list[tuple[str, int]]:
        """Return the *k* largest counts, largest first, ties by value."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:k]

    def merge(self, other: Self) -> Self:
        """Return a sketch of both streams.

        Raises:
            IncompatibleSketches: If the capacities differ.
        """
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, parts: Iterable[Self]) -> Self:
        """Return a sketch of all streams; the order of *parts* does not matter.

        Raises:
            IncompatibleSketches: If the capacities differ.
        """
        held = list(parts)
        capacity = held[0].capacity if held else DEFAULT_CAPACITY
        counts: dict[str, int] = {}
        errors: dict[str, int] = {}
        spare = 0  # largest possible count of a value in the parts that do not keep it
        for part in held:
            if part.capacity != capacity:
                raise IncompatibleSketches("capacity", capacity, part.capacity)
            floor = part._floor()
            spare += floor
            for value, count in part.counts.items():
                counts[value] = counts.get(value, 0) + count - floor
                errors[value] = errors.get(value, 0) + part.errors.get(value, 0) - floor
        upper = {value: count + spare for value, count in counts.items()}
        excess = {value: error + spare for value, error in errors.items()}
        return cls._kept(capacity, sum(part.total for part in held), upper, excess)

    def _floor(self) -> int:
        """Return the largest possible count of a value that is not kept."""
        return min(self.counts.values()) if len(self.counts) >= self.capacity else 0

    @classmethod
    def _kept(
        cls, capacity: int, total: int, counts: dict[str, int], errors: dict[str, int]
    ) -> Self:
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:capacity]
        kept = dict(ranked)
        return cls(capacity, total, kept, {v: errors[v] for v in kept if errors.get(v)})
