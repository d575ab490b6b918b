"""Observations that are decoded but not profiled, in parts that are profiled together."""

from collections import Counter
from typing import TypeAlias

from nilometer.profiling.admission import Names
from nilometer.profiling.budget import PROFILE_BYTES, Budget, Weight, recorders_bytes
from nilometer.profiling.deltas import Deltas, Key
from nilometer.profiling.gathered import Gathered, Sides
from nilometer.values.entity import Role
from nilometer.values.labels import Labels
from nilometer.values.steps import Steps
from nilometer.values.window import Window

FIRST_NAMES = 16  # expected columns of an entity without known columns

_PartKey: TypeAlias = tuple[Window, Labels, float, int]  # key of the deltas, and a group


class Waiting:
    """The waiting observations of one profiling. Not thread-safe.

    Args:
        deltas: Profiles that the observations are added to.
        names: Admitted names of the entity.
        budget: Memory budget to which the data is charged.
        most: Number of observations that are profiled together.

    Attributes:
        count: Number of waiting observations.
        weight: Memory of the waiting observations.
        booked_ns: Event time for drops that have no room for a window of their own, in Unix
            nanoseconds.
    """

    __slots__ = (
        "_budget",
        "_deltas",
        "_latest",
        "_most",
        "_names",
        "_parts",
        "booked_ns",
        "count",
        "weight",
    )

    def __init__(self, deltas: Deltas, names: Names, budget: Budget, most: int) -> None:
        self.count = 0
        self.booked_ns = 0
        self._names = names
        self.weight = Weight(budget)
        self._deltas = deltas
        self._budget = budget
        self._most = most
        self._parts: dict[_PartKey, Gathered] = {}
        self._latest: tuple[_PartKey, Gathered] | None = None

    @property
    def is_enough(self) -> bool:
        """Whether the observations should be profiled now."""
        return self.count >= self._most or self.weight.is_enough

    @property
    def accounted(self) -> int:
        """Number of observations in all parts."""
        return sum(part.accounted for part in self._parts.values())

    def part(self, window: Window, labels: Labels, share: float, group: int) -> Gathered | None:
        """Return the part that an observation is added to; None if the budget has no room.

        Args:
            window: Window of its event time.
            labels: Labels of the observation.
            share: Share of the observations that are profiled.
            group: Group of requests that usually have the same columns, see `places.Place`.
        """
        latest = self._latest
        if latest is not None:
            (at, its_labels, its_share, its_group), part = latest
            if at is window and its_labels is labels and its_share == share and its_group == group:
                return part  # avoids hashing and comparing the key
        key = (window, labels, share, group)
        found = self._parts.get(key)
        if found is None and self._budget.take(PROFILE_BYTES):
            found = self._parts[key] = Gathered()
            self.weight.expect(recorders_bytes(self._deltas.names or FIRST_NAMES, 0, labels))
            self.booked_ns = window.start_ns
        if found is not None:
            self._latest = key, found
        return found

    def sift(self, part: Gathered, sides: Sides, requests: int) -> Steps[None]:
        """Remove columns with names that are not admitted; charge the other columns.

        Args:
            part: Part to which the columns will be added.
            sides: Columns of one request, or of several with the same names; changed in place.
            requests: Number of requests.
        """
        weight = -sum(side.weight for side in sides)
        unnamed = Counter[str]()
        for role, side in zip((Role.INPUT, Role.OUTPUT), sides, strict=True):
            steps = self._names.sift_in_steps(role, side, requests)
            unnamed += yield from steps
        self.weight.add(weight + sum(side.weight for side in sides))
        part.refuse(unnamed, self._names.requests, sides)

    def settle_in_steps(self) -> Steps[None]:
        """Profile all observations, in steps."""
        self.count = 0
        self.weight.give_back()
        self._latest = None
        while self._parts:  # one by one, so that an error only affects one part
            key = next(iter(self._parts))
            window, labels, share, group = key
            into: Key = window, labels, share
            yield from self._deltas.add(into, group, self._parts.pop(key))
