"""The profile of one column, whatever its cells hold.

Numbers go to moments, a t-digest and histograms; strings and booleans to heavy hitters and a
distinct count; everything else - null, NaN, infinities, lists, objects - to a counter of its own.
Nothing raises and nothing is lost without a count: ``sum(types) + missing`` is the number of cells.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.coverage import Counts, added
from nilometer.profile.numeric import NumericProfile
from nilometer.sketch.distinct import Distinct
from nilometer.sketch.frequent import Frequent

MAX_NAME_CHARACTERS = 64  # of a category; a longer string is text and is always masked
MASK_PREFIX = "~"  # marks a category whose name was replaced by a hash

Cell = object  # one value of a column, as a decoder gave it


def masked(value: str) -> str:
    """A fixed pseudonym of a category: equal values stay equal, the name does not travel."""
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=6)
    return MASK_PREFIX + digest.hexdigest()


def pseudonym(name: str) -> str:
    """The masked form of a category's name, whether it is masked already or not."""
    return name if name.startswith(MASK_PREFIX) else masked(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """What a profile is told about a feature before it sees a value.

    Attributes:
        edges: Frozen bin edges, ascending; None until a reference gives some.
        known: Category names that a reference has published already: kept readable.
        readable: Keep every category name; else names that are not known are masked.
        distinct: Whether to count different values.
    """

    edges: tuple[float, ...] | None = None
    known: frozenset[str] = frozenset()
    readable: bool = False
    distinct: bool = True


@dataclass(slots=True)
class FeatureProfile:
    """All sketches of one column. One owner observes; anyone may merge a copy.

    Attributes:
        missing: Cells that are absent or null.
        nan: Cells that are not a number.
        positive_infinity: Infinite cells, and integers beyond float64.
        negative_infinity: The same below zero.
        types: Cells that are not missing, by type: number, string, boolean, list, object.
        numbers: Finite numbers.
        categories: Strings and booleans.
        distinct: Different numbers and categories; None when not counted.
    """

    spec: FeatureSpec = field(default_factory=FeatureSpec)
    missing: int = 0
    nan: int = 0
    positive_infinity: int = 0
    negative_infinity: int = 0
    types: Counts = field(default_factory=dict)
    numbers: NumericProfile = field(default_factory=NumericProfile)
    categories: Frequent = field(default_factory=Frequent)
    distinct: Distinct | None = None

    @property
    def count(self) -> int:
        """Finite numbers and categories: what a distribution is made of."""
        return self.numbers.count + self.categories.total

    @property
    def cells(self) -> int:
        """Every cell that was seen, missing ones too."""
        return sum(self.types.values()) + self.missing

    @property
    def non_finite(self) -> int:
        """NaN and infinite cells."""
        return self.nan + self.positive_infinity + self.negative_infinity

    @property
    def data_type(self) -> str:
        """``number``, ``category``, ``mixed`` or ``empty``: what the cells mostly are."""
        numbers, categories = self.numbers.count, self.categories.total
        if not numbers and not categories:
            return "empty"
        if numbers and categories and min(numbers, categories) * 10 > max(numbers, categories):
            return "mixed"
        return "number" if numbers >= categories else "category"

    def observe(self, cells: Sequence[Cell]) -> None:
        """Add *cells* of any type; None means missing."""
        kinds = set(map(type, cells))
        if kinds <= _PLAIN_NUMBERS:
            try:
                self.observe_numbers(np.array(cells, dtype=np.float64))
            except OverflowError:  # an integer beyond float64
                pass
            else:
                return
        elif kinds == {str}:
            self.observe_categories(Counter(_strings(cells)))
            return
        self._observe_mixed(cells)

    def observe_numbers(self, numbers: NDArray[np.float64]) -> None:
        """Add *numbers*, shape (n,), any float64."""
        if numbers.size == 0:
            return
        self._add_type("number", int(numbers.size))
        finite = np.isfinite(numbers)
        if not finite.all():
            self.nan += int(np.isnan(numbers).sum())
            self.positive_infinity += int(np.isposinf(numbers).sum())
            self.negative_infinity += int(np.isneginf(numbers).sum())
            numbers = numbers[finite]
            if numbers.size == 0:
                return
        self.numbers.observe(numbers, self.spec.edges)
        if self.spec.distinct:
            self._distinct().observe_numbers(numbers)

    def observe_categories(self, counted: Mapping[str, int], kind: str = "string") -> None:
        """Add strings (or booleans by name) that are counted already."""
        if not counted:
            return
        self._add_type(kind, sum(counted.values()))
        if self.spec.distinct:
            self._distinct().observe_strings(counted)
        shown: dict[str, int] = {}
        for value, count in counted.items():
            name = value if kind == "boolean" else self._name(value)
            shown[name] = shown.get(name, 0) + count
        self.categories = self.categories.merge(Frequent.of(shown, self.categories.capacity))

    def observe_missing(self, cells: int) -> None:
        """Add *cells* that are absent."""
        self.missing += cells

    def merge(self, other: Self) -> Self:
        """The profile of both columns; bins survive only where both have the same edges."""
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """One profile of all columns; every order of *profiles* gives the same digest."""
        parts = list(profiles)
        merged = cls(spec=parts[0].spec) if parts else cls()
        merged.numbers = NumericProfile.merge_all(part.numbers for part in parts)
        merged.categories = Frequent.merge_all(part.categories for part in parts)
        for part in parts:
            merged.missing += part.missing
            merged.nan += part.nan
            merged.positive_infinity += part.positive_infinity
            merged.negative_infinity += part.negative_infinity
            merged.types = added(merged.types, part.types)
            if part.distinct is not None:
                both = merged.distinct
                merged.distinct = part.distinct if both is None else both.merge(part.distinct)
        return merged

    def _observe_mixed(self, cells: Sequence[Cell]) -> None:
        numbers: list[float] = []
        strings: list[str] = []
        booleans: list[str] = []
        others: Counter[str] = Counter()
        for cell in cells:
            match _scalar(cell):
                case None:
                    self.missing += 1
                case bool() as truth:
                    booleans.append("true" if truth else "false")
                case int() | float() as number:
                    numbers.append(_float(number))
                case str() as text:
                    strings.append(text)
                case other:
                    others["object" if isinstance(other, Mapping) else _other(other)] += 1
        self.observe_numbers(np.array(numbers, dtype=np.float64))
        self.observe_categories(Counter(strings))
        self.observe_categories(Counter(booleans), "boolean")
        for kind, count in others.items():
            self._add_type(kind, count)

    def _add_type(self, kind: str, count: int) -> None:
        self.types = added(self.types, {kind: count})

    def _distinct(self) -> Distinct:
        if self.distinct is None:
            self.distinct = Distinct()
        return self.distinct

    def _name(self, value: str) -> str:
        if value in self.spec.known:
            return value
        if self.spec.readable and len(value) <= MAX_NAME_CHARACTERS:
            return value
        return masked(value)


_PLAIN_NUMBERS = {float, int}


def _strings(cells: Sequence[Cell]) -> Iterable[str]:
    return (cell for cell in cells if isinstance(cell, str))


def _scalar(cell: Cell) -> Cell:
    """Plain Python for numpy scalars and decimals."""
    if isinstance(cell, np.generic):
        plain = cell.item()
        # Extended precision has no plain twin: item() hands back the same type.
        return float(cell) if isinstance(plain, np.floating) else plain
    if isinstance(cell, Decimal):
        return math.nan if cell.is_nan() else float(cell)  # a signalling NaN would raise
    return cell


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _other(cell: Cell) -> str:
    return "list" if isinstance(cell, Sequence | np.ndarray) else "object"
