"""The profile of one column, whatever its cells hold.

Numbers go to moments, a t-digest and counts; strings and booleans to a dictionary, heavy hitters
and a distinct count; everything else - null, NaN, infinities, lists, objects - to a counter of its
own. Nothing raises and nothing is lost without a count: ``sum(types) + missing`` is the number of
cells.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.category import CategoryProfile, CategoryRecorder, Dictionary
from nilometer.profile.coverage import Counts, added
from nilometer.profile.derived.vectors import Embedding
from nilometer.profile.numeric import Bounds, NumericProfile, NumericRecorder
from nilometer.sketch.distinct import Distinct
from nilometer.sketch.hashing import hash_numbers

Cell = object  # one value of a column, as a decoder gave it

NUMBER, STRING, BOOLEAN = "number", "string", "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """What a profile is told about a feature before it sees a value.

    Attributes:
        bounds: Frozen bin edges and range of the reference's numbers; None without a reference.
        dictionary: Categories of the reference; None without a reference.
        expected: Type of its cells, such as ``number``; empty where nobody said.
        score: Decision thresholds of an output of probabilities; None for any other column.
        embedding: Of the reference's vectors; None where there are none.
        readable: Keep every category name; else names that are not published get a pseudonym.
        key: Of pseudonyms; without one, names that are not published are not kept.
        distinct: Whether to count different strings.
        distinct_numbers: Whether to count different numbers, too: a digest shows already which
            few values a column has, so only columns of identifiers want it.
    """

    bounds: Bounds | None = None
    dictionary: Dictionary | None = None
    expected: str = ""
    embedding: Embedding | None = None
    score: tuple[float, ...] | None = None
    readable: bool = False
    key: bytes = field(default=b"", repr=False)
    distinct: bool = True
    distinct_numbers: bool = False


@dataclass(slots=True)
class FeatureProfile:
    """All sketches of one column; parts merge in any order to the same bits.

    Attributes:
        missing: Cells that are absent or null.
        null_like: Strings that stand for nothing, such as ``"n/a"``; they are strings in `types`
            and no categories.
        types: Cells that are not missing, by type: number, string, boolean, timestamp, bytes,
            list, object.
        expected: The type that the reference or a declaration gives the column; empty without.
        numbers: Numbers.
        categories: Strings and booleans.
        distinct: Different strings (and numbers, if asked for); None when not counted.
    """

    missing: int = 0
    null_like: int = 0
    types: Counts = field(default_factory=dict)
    expected: str = ""
    numbers: NumericProfile = field(default_factory=NumericProfile)
    categories: CategoryProfile = field(default_factory=CategoryProfile)
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
        return self.numbers.non_finite

    @property
    def type_errors(self) -> dict[str, int]:
        """Cells of another type than expected, by their type; empty where nothing is expected."""
        if not self.expected:
            return {}
        return {kind: count for kind, count in self.types.items() if kind != self.expected}

    @property
    def data_type(self) -> str:
        """``number``, ``category``, ``mixed`` or ``empty``: what the cells mostly are."""
        numbers, categories = self.numbers.count, self.categories.total
        if not numbers and not categories:
            return "empty"
        if numbers and categories and min(numbers, categories) * 10 > max(numbers, categories):
            return "mixed"
        return "number" if numbers >= categories else "category"

    def merge(self, other: Self) -> Self:
        """The profile of both columns; bins survive only where both have the same edges."""
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """One profile of all columns, the same bits for every order of *profiles*."""
        parts = list(profiles)
        merged = cls(
            missing=sum(part.missing for part in parts),
            null_like=sum(part.null_like for part in parts),
            numbers=NumericProfile.merge_all(part.numbers for part in parts),
            categories=CategoryProfile.merge_all(part.categories for part in parts),
        )
        expected = {part.expected for part in parts if part.cells}
        merged.expected = expected.pop() if len(expected) == 1 else ""
        for part in parts:
            merged.types = added(merged.types, part.types)
            if part.distinct is not None:
                both = merged.distinct
                merged.distinct = part.distinct if both is None else both.merge(part.distinct)
        return merged

    def suppressed(self, fewest: int) -> Self:
        """Without pseudonyms of fewer than *fewest* observations; every total stays."""
        categories = self.categories.suppressed(fewest)
        if categories is self.categories:
            return self
        return type(self)(
            missing=self.missing,
            null_like=self.null_like,
            types=self.types,
            expected=self.expected,
            numbers=self.numbers,
            categories=categories,
            distinct=self.distinct,
        )

    def scaled(self, factor: float) -> Self:
        """Each cell *factor* times, rounded, for a stream of which a share was profiled."""
        return type(self)(
            missing=round(self.missing * factor),
            null_like=round(self.null_like * factor),
            types={kind: round(count * factor) for kind, count in self.types.items()},
            expected=self.expected,
            numbers=self.numbers.scaled(factor),
            categories=self.categories.scaled(factor),
            distinct=self.distinct,
        )

    def describe(self) -> str:
        """Tables for a reader: cells by type, then numbers, then categories."""
        rows = [("cells", self.cells), ("missing", self.missing), ("null-like", self.null_like)]
        rows += [(f"{kind}s", count) for kind, count in sorted(self.types.items())]
        rows += [(f"not {self.expected}", sum(self.type_errors.values()))] if self.expected else []
        if self.distinct is not None:
            rows.append(("distinct", round(self.distinct.estimate)))
        tables = ["\n".join(f"{name:<14} {count:>10}" for name, count in rows)]
        if self.numbers.count or self.non_finite:
            tables.append(self.numbers.describe())
        if self.categories.total:
            tables.append(self.categories.describe())
        return "\n\n".join(tables)


class FeatureRecorder:
    """Cells on their way into a `FeatureProfile`. One owner.

    Args:
        spec: What is known of the feature.
    """

    __slots__ = ("_categories", "_distinct", "_missing", "_numbers", "_spec", "_types")

    def __init__(self, spec: FeatureSpec | None = None) -> None:
        self._spec = spec or FeatureSpec()
        self._missing = 0
        self._types: dict[str, int] = {}
        self._numbers: NumericRecorder | None = None
        self._categories: CategoryRecorder | None = None
        self._distinct: Distinct | None = None

    def profile(self) -> FeatureProfile:
        """Everything observed so far; the recorder is not used again."""
        profile = FeatureProfile(
            missing=self._missing, types=self._types, expected=self._spec.expected
        )
        if self._numbers is not None:
            profile.numbers = self._numbers.profile()
        if self._categories is not None:
            profile.categories = self._categories.profile()
            profile.null_like = self._categories.null_like
        profile.distinct = self._distinct
        return profile

    def observe(self, cells: Sequence[Cell] | NDArray[np.generic]) -> None:
        """Add *cells* of any type, n of them; None means missing.

        An array of floats or integers, shape (n,), is taken as it is.
        """
        if isinstance(cells, np.ndarray):
            if cells.ndim == 1 and cells.dtype.kind in "fiu" and cells.dtype.itemsize <= 8:
                self.observe_numbers(cells.astype(np.float64, copy=False))
                return
            if cells.ndim > 1:
                self.observe_others("list", len(cells))
                return
            cells = list(cells)
        kinds = set(map(type, cells))
        if kinds <= _PLAIN_NUMBERS:
            try:
                self.observe_numbers(np.array(cells, dtype=np.float64))
            except OverflowError:  # an integer beyond float64
                pass
            else:
                return
        elif kinds == {str}:
            self.observe_categories(Counter(cells))  # type: ignore[arg-type]  # all are strings
            return
        self._observe_mixed(cells)

    def observe_numbers(self, numbers: NDArray[np.float64]) -> None:
        """Add *numbers*, shape (n,), any float64."""
        if numbers.size == 0:
            return
        self._add_type(NUMBER, int(numbers.size))
        if self._numbers is None:
            self._numbers = NumericRecorder(self._spec.bounds)
        self._numbers.observe(numbers)
        if self._spec.distinct_numbers:
            self._counting().observe_hashes(hash_numbers(numbers[np.isfinite(numbers)]))

    def observe_categories(self, counted: Mapping[str, int], kind: str = STRING) -> None:
        """Add strings (or booleans by name) that are counted already."""
        if counted:
            self._add_type(kind, sum(counted.values()))
            self._names().observe(counted)

    def observe_hashed(
        self,
        hashes: NDArray[np.uint64],
        counts: NDArray[np.int64],
        name_of: Callable[[int], str],
    ) -> None:
        """Add different strings that were counted where they are, as in Arrow.

        Args:
            hashes: Of `nilometer.sketch.hashing`, shape (n,).
            counts: Cells of each, shape (n,).
            name_of: The string at an index; asked for few.
        """
        if counts.size:
            self._add_type(STRING, int(counts.sum()))
            self._names().observe_hashed(hashes, counts, name_of)

    def observe_missing(self, cells: int) -> None:
        """Add *cells* that are absent."""
        self._missing += cells

    def observe_others(self, kind: str, cells: int) -> None:
        """Add *cells* of a type that has no distribution, such as ``list``."""
        if cells:
            self._add_type(kind, cells)

    def _observe_mixed(self, cells: Sequence[Cell]) -> None:
        numbers: list[float] = []
        strings: list[str] = []
        booleans: list[str] = []
        others: Counter[str] = Counter()
        for cell in cells:
            match _scalar(cell):
                case None:
                    self._missing += 1
                case bool() as truth:
                    booleans.append("true" if truth else "false")
                case int() | float() as number:
                    numbers.append(_float(number))
                case str() as text:
                    strings.append(text)
                case other:
                    others[_other(other)] += 1
        self.observe_numbers(np.array(numbers, dtype=np.float64))
        self.observe_categories(Counter(strings))
        self.observe_categories(Counter(booleans), BOOLEAN)
        for kind, count in others.items():
            self._add_type(kind, count)

    def _add_type(self, kind: str, count: int) -> None:
        self._types[kind] = self._types.get(kind, 0) + count

    def _names(self) -> CategoryRecorder:
        if self._categories is None:
            spec = self._spec
            self._categories = CategoryRecorder(
                spec.dictionary,
                readable=spec.readable,
                key=spec.key,
                distinct=self._counting() if spec.distinct else None,
            )
        return self._categories

    def _counting(self) -> Distinct:
        if self._distinct is None:
            self._distinct = Distinct()
        return self._distinct


_PLAIN_NUMBERS = {float, int}


def _scalar(cell: Cell) -> Cell:
    """Plain Python for numpy scalars, decimals and enumerations; None for what means missing."""
    if isinstance(cell, np.generic):
        if cell.dtype.kind in "mM":
            return None if np.isnat(cell) else cell
        plain = cell.item()
        # Extended precision has no plain twin: item() hands back the same type.
        return float(cell) if isinstance(plain, np.floating) else plain
    if isinstance(cell, Decimal):
        return math.nan if cell.is_nan() else float(cell)  # a signalling NaN would raise
    if isinstance(cell, Enum):
        return _scalar(cell.value)
    if isinstance(cell, UUID):
        return str(cell)
    if type(cell).__name__ in _MISSING_TYPES:
        return None
    return cell


_MISSING_TYPES = frozenset({"NAType", "NaTType"})  # pandas, which need not be installed


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _other(cell: Cell) -> str:
    """The type of a cell that is no scalar."""
    if isinstance(cell, datetime | date | time | timedelta | np.datetime64 | np.timedelta64):
        return "timestamp"
    if isinstance(cell, bytes | bytearray | memoryview):
        return "bytes"
    if isinstance(cell, Mapping):
        return "object"
    return "list" if isinstance(cell, Sequence | np.ndarray) else "object"
