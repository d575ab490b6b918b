"""Records cells of any type into the profile of a column.

Recording never raises because of a cell, and counts every cell.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from nilometer.profile.bin_sums import BinSums, SumKey
from nilometer.profile.category import CategoryRecorder
from nilometer.profile.derived.vector_sums import Basis, VectorSums, merged_vectors
from nilometer.profile.feature import BOOLEAN, NUMBER, STRING, Cell, FeatureProfile, FeatureSpec
from nilometer.profile.numeric import NumericRecorder
from nilometer.sketch.distinct import Distinct
from nilometer.sketch.hashing import hash_numbers
from nilometer.values.steps import Steps, finished, parts_of

RECORDER_BYTES = 4096  # fixed memory of one recorder, including its profile and sample
SUMS_BYTES = 4096  # memory of the sums of one value by bin
VECTOR_BYTES = 8192  # memory of the moments of vectors of one basis
MISSING_BYTES = 2048  # memory of a recorder that has only seen missing cells
MIXED_AT_ONCE = 128  # cells of a column with mixed types that one step records


class FeatureRecorder:
    """Records the cells of one column and builds its `FeatureProfile`. Not thread-safe.

    Args:
        spec: Settings of the profile; None uses the defaults.
    """

    __slots__ = (
        "_categories",
        "_distinct",
        "_missing",
        "_numbers",
        "_spec",
        "_sums",
        "_types",
        "_vectors",
    )

    def __init__(self, spec: FeatureSpec | None = None) -> None:
        self._spec = spec or FeatureSpec()
        self._missing = 0
        self._types: dict[str, int] = {}
        self._numbers: NumericRecorder | None = None
        self._categories: CategoryRecorder | None = None
        self._distinct: Distinct | None = None
        self._sums: dict[SumKey, BinSums] = {}
        self._vectors: dict[Basis, VectorSums] = {}

    def profile(self) -> FeatureProfile:
        """Return the profile of all cells so far; the recorder must not be used afterwards."""
        return finished(self.profile_in_steps())

    def profile_in_steps(self) -> Steps[FeatureProfile]:
        """Like `profile`, but in steps."""
        profile = FeatureProfile(
            missing=self._missing, types=self._types, expected=self._spec.expected
        )
        if self._numbers is not None:
            profile.numbers = yield from self._numbers.profile()
        if self._categories is not None:
            profile.categories = yield from self._categories.profile()
            profile.null_like = self._categories.null_like
        profile.distinct = self._distinct
        profile.sums = self._sums
        profile.vectors = self._vectors
        return profile

    @property
    def held_bytes(self) -> int:
        """Approximate memory in addition to `RECORDER_BYTES`, in bytes."""
        numbers = self._numbers.held_bytes if self._numbers is not None else 0
        names = self._categories.held_bytes if self._categories is not None else 0
        kept = SUMS_BYTES * len(self._sums) + VECTOR_BYTES * len(self._vectors)
        return numbers + names + kept

    def observe_vectors(self, sums: Mapping[Basis, VectorSums]) -> None:
        """Add moments of vectors by basis; their cells are counted by `observe`."""
        self._vectors = merged_vectors((self._vectors, sums))

    def fold_in_steps(self) -> Steps[None]:
        """Move waiting cells into the sketches in steps, and free their memory."""
        if self._numbers is not None:
            yield from self._numbers.fold()
        if self._categories is not None:
            yield from self._categories.fold()

    def observe(self, cells: Sequence[Cell] | NDArray[np.generic]) -> None:
        """Add n *cells* of any type; None means missing.

        An array of floats or integers, shape (n,), is the fastest form.
        """
        finished(self.observe_in_steps(cells))

    def observe_in_steps(self, cells: Sequence[Cell] | NDArray[np.generic]) -> Steps[None]:
        """Like `observe`, but in steps."""
        numbers = as_numbers(cells)
        if numbers is not None:
            yield from self._observe_numbers(numbers)
            return
        if isinstance(cells, np.ndarray):
            if cells.ndim > 1:
                self.observe_others("list", len(cells))
                return
            cells = list(cells)
        if set(map(type, cells)) == {str}:
            for part in parts_of(cells):  # type: ignore[arg-type]  # all are strings
                yield from self._observe_categories(Counter(part), STRING)
                yield
            return
        yield from self._observe_mixed(cells)

    def observe_numbers(self, numbers: NDArray[np.float64]) -> None:
        """Add *numbers*, shape (n,); NaN and infinities are allowed."""
        finished(self._observe_numbers(numbers))

    def _observe_numbers(self, numbers: NDArray[np.float64]) -> Steps[None]:
        if numbers.size == 0:
            return
        self._add_type(NUMBER, int(numbers.size))
        if self._numbers is None:
            self._numbers = NumericRecorder(self._spec.bounds)
        yield from self._numbers.observe(numbers)
        if self._spec.distinct_numbers:
            self._counting().observe_hashes(hash_numbers(numbers[np.isfinite(numbers)]))

    def observe_categories(self, counted: Mapping[str, int], kind: str = STRING) -> None:
        """Add strings with their counts, or booleans under their names with their counts."""
        finished(self._observe_categories(counted, kind))

    def _observe_categories(self, counted: Mapping[str, int], kind: str) -> Steps[None]:
        if counted:
            self._add_type(kind, sum(counted.values()))
            if self._spec.categories or kind != STRING:
                yield from self._names().observe(counted)

    def observe_hashed(
        self,
        hashes: NDArray[np.uint64],
        counts: NDArray[np.int64],
        name_of: Callable[[int], str],
    ) -> None:
        """Add distinct strings that another library, such as Arrow, has counted.

        Args:
            hashes: Hashes of the strings by `nilometer.sketch.hashing`, shape (n,).
            counts: Number of cells with each string, shape (n,).
            name_of: Function that returns the string at an index; called for few strings.
        """
        if counts.size:
            self._add_type(STRING, int(counts.sum()))
            if self._spec.categories:
                self._names().observe_hashed(hashes, counts, name_of)

    def observe_missing(self, cells: int) -> None:
        """Add a number of missing *cells*."""
        self._missing += cells

    def observe_sums(self, value: str, sums: BinSums) -> None:
        """Add the *sums* of *value* by bin, for rows whose cells are observed separately."""
        key = SumKey(value, sums.bins)
        held = self._sums.get(key)
        self._sums[key] = sums if held is None else held.merge(sums)

    def observe_others(self, kind: str, cells: int) -> None:
        """Add a number of *cells* of a type without a distribution, such as ``list``."""
        if cells:
            self._add_type(kind, cells)

    def _observe_mixed(self, cells: Sequence[Cell]) -> Steps[None]:
        numbers: list[float] = []
        strings: list[str] = []
        booleans: list[str] = []
        others: Counter[str] = Counter()
        for at, cell in enumerate(cells, 1):
            if not at % MIXED_AT_ONCE:
                yield
            match scalar(cell):
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
        yield from self._observe_numbers(np.array(numbers, dtype=np.float64))
        for part in parts_of(strings):
            yield from self._observe_categories(Counter(part), STRING)
            yield
        yield from self._observe_categories(Counter(booleans), BOOLEAN)
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


def as_numbers(cells: Sequence[Cell] | NDArray[np.generic]) -> NDArray[np.float64] | None:
    """Return n *cells* as an array, shape (n,), if all are plain numbers; otherwise None.

    An integer beyond float64 is not a plain number.
    """
    if isinstance(cells, np.ndarray):
        if cells.ndim == 1 and cells.dtype.kind in "fiu" and cells.dtype.itemsize <= 8:
            return cells.astype(np.float64, copy=False)
        return None
    if len(cells) and type(cells[0]) not in _PLAIN_NUMBERS:
        return None  # the usual case of strings, decided by one cell
    if set(map(type, cells)) <= _PLAIN_NUMBERS:
        try:
            return np.array(cells, dtype=np.float64)
        except OverflowError:  # an integer too large for float64
            return None
    return None


def count_types(cells: Sequence[Cell] | NDArray[np.generic]) -> Counter[str]:
    """Count the cells of a column by profile type; None counts as ``missing``."""
    if isinstance(cells, np.ndarray):
        if cells.ndim > 1 or cells.dtype.kind in "fiu":
            return Counter({NUMBER if cells.ndim == 1 else "list": len(cells)})
        cells = list(cells)
    return Counter(map(_type, cells))


def _type(cell: Cell) -> str:
    match scalar(cell):
        case None:
            return "missing"
        case bool():
            return BOOLEAN
        case int() | float():
            return NUMBER
        case str():
            return STRING
        case other:
            return _other(other)


_PLAIN_NUMBERS = {float, int}


def scalar(cell: Cell) -> Cell:
    """Convert numpy scalars, decimals and enumerations to plain Python; missing becomes None."""
    if isinstance(cell, np.generic):
        if cell.dtype.kind in "mM":
            return None if np.isnat(cell) else cell
        plain = cell.item()
        # Extended precision has no plain Python type: item() returns the same type again.
        return float(cell) if isinstance(plain, np.floating) else plain
    if isinstance(cell, Decimal):
        return math.nan if cell.is_nan() else float(cell)  # float() of a signalling NaN would raise
    if isinstance(cell, Enum):
        return scalar(cell.value)
    if isinstance(cell, UUID):
        return str(cell)
    if type(cell).__name__ in _MISSING_TYPES:
        return None
    return cell


_MISSING_TYPES = frozenset({"NAType", "NaTType"})  # pandas' types; pandas may be missing


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _other(cell: Cell) -> str:
    """Return the type of a cell that is not a scalar."""
    if isinstance(cell, datetime | date | time | timedelta | np.datetime64 | np.timedelta64):
        return "timestamp"
    if isinstance(cell, bytes | bytearray | memoryview):
        return "bytes"
    if isinstance(cell, Mapping):
        return "object"
    return "list" if isinstance(cell, Sequence | np.ndarray) else "object"
