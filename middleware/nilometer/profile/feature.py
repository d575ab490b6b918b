"""The profile of one column, whose cells may have any types.

Numbers go to moments, a t-digest and counts. Strings and booleans go to a dictionary, heavy hitters
and a distinct count. Everything else has its own counter: null, NaN, infinities, lists, objects.
``sum(types) + missing`` is the number of cells.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from nilometer.profile.bin_sums import BinSums, SumKey, Summed, merged_sums
from nilometer.profile.category import CategoryProfile, Dictionary
from nilometer.profile.content import DataType, TypeCounts
from nilometer.profile.coverage import Counts, added
from nilometer.profile.derived.vector_sums import Basis, VectorSums, merged_vectors
from nilometer.profile.derived.vectors import Embedding
from nilometer.profile.numeric import Bounds, NumericProfile
from nilometer.sketch.distinct import Distinct

Cell = object  # one value of a column, as the decoder returned it

NUMBER, STRING, BOOLEAN = "number", "string", "boolean"
QUANTILES = {"p01": 0.01, "p05": 0.05, "p50": 0.5, "p95": 0.95, "p99": 0.99}  # by statistic
LOWEST, HIGHEST = "min", "max"  # statistics that are read from the t-digest, as the quantiles are


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """The settings of a feature's profile, which are known before its first value.

    Attributes:
        bounds: Frozen bin edges and range of the reference's numbers; None without a reference.
        dictionary: Categories of the reference; None without a reference.
        expected: Expected type of the cells, such as ``number``; empty if there is none.
        score: Decision thresholds of an output of probabilities; None for any other column.
        embedding: Embedding of the reference's vectors; None without a reference of vectors.
        readable: Whether every category name is kept; if not, unpublished names get pseudonyms.
        key: Key of the pseudonyms; without one, unpublished names are not kept.
        distinct: Whether to count distinct strings.
        categories: Whether strings are counted by name; if not, only their number is kept.
        distinct_numbers: Whether to count distinct numbers as well. Only columns of identifiers
            need this, because a digest shows whether a column has few values.
        summed: How an output is summed by bin of each input; None if it is not summed.
    """

    bounds: Bounds | None = None
    dictionary: Dictionary | None = None
    expected: str = ""
    embedding: Embedding | None = None
    score: tuple[float, ...] | None = None
    readable: bool = False
    key: bytes = field(default=b"", repr=False)
    distinct: bool = True
    categories: bool = True
    distinct_numbers: bool = False
    summed: Summed | None = None


@dataclass(slots=True)
class FeatureProfile:
    """All sketches of one column; merging parts gives the same bits in any order.

    Attributes:
        missing: Number of cells that are absent or null.
        null_like: Number of strings that mean a missing value, such as ``"n/a"``; they are strings
            in `types`, but not categories.
        types: Number of present cells by type: number, string, boolean, timestamp, bytes, list,
            object.
        expected: Type from the reference or a declaration; empty without one.
        numbers: Profile of the numbers.
        categories: Profile of the strings and booleans.
        distinct: Distinct strings (and numbers, if requested); None if not counted.
        suppressed_numbers: Number of finite numbers that are counted in `types` but are in no
            sketch, because they were too few to be disclosed.
        sums: Sums of predictions by bin, for an input of a model; empty if they are not kept.
        vectors: First and second moments of vectors by basis; empty without a reference of vectors.
    """

    kind: ClassVar[str] = "feature"

    missing: int = 0
    null_like: int = 0
    types: Counts = field(default_factory=dict)
    expected: str = ""
    numbers: NumericProfile = field(default_factory=NumericProfile)
    categories: CategoryProfile = field(default_factory=CategoryProfile)
    distinct: Distinct | None = None
    suppressed_numbers: int = 0
    sums: dict[SumKey, BinSums] = field(default_factory=dict)
    vectors: dict[Basis, VectorSums] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of finite numbers and categories, the values of the distribution."""
        return self.numbers.count + self.categories.total

    @property
    def cells(self) -> int:
        """Number of all cells, including missing ones."""
        return sum(self.types.values()) + self.missing

    @property
    def non_finite(self) -> int:
        """Number of NaN and infinite cells."""
        return self.numbers.non_finite

    @property
    def type_errors(self) -> dict[str, int]:
        """Number of cells of an unexpected type, by type; empty without an expected type."""
        if not self.expected:
            return {}
        return {kind: count for kind, count in self.types.items() if kind != self.expected}

    @property
    def type_counts(self) -> TypeCounts:
        """Numbers of finite numbers and of categories."""
        return TypeCounts(self.numbers.count, self.categories.total)

    @property
    def data_type(self) -> DataType:
        """``number``, ``category``, ``mixed`` or ``empty``: the type of most cells."""
        return self.type_counts.data_type

    @classmethod
    def statistics(cls) -> Mapping[str, Callable[[Self], float | None]]:
        """The statistics; their unit is that of the feature, except for ratios (0 to 1)."""
        return _STATISTICS

    def merge(self, other: Self) -> Self:
        """Return the profile of both columns; bins are kept only if both have the same edges."""
        return self.merge_all((self, other))

    @classmethod
    def merge_all(cls, profiles: Iterable[Self]) -> Self:
        """Return one profile of all columns, bit-identical for every order of *profiles*."""
        parts = list(profiles)
        merged = cls(
            missing=sum(part.missing for part in parts),
            null_like=sum(part.null_like for part in parts),
            numbers=NumericProfile.merge_all(part.numbers for part in parts),
            categories=CategoryProfile.merge_all(part.categories for part in parts),
            suppressed_numbers=sum(part.suppressed_numbers for part in parts),
            sums=merged_sums(part.sums for part in parts),
            vectors=merged_vectors(part.vectors for part in parts),
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
        """Return the profile without pseudonyms of fewer than *fewest* observations.

        All totals are kept.
        """
        categories = self.categories.suppressed(fewest)
        if categories is self.categories:
            return self
        return dataclasses.replace(self, categories=categories)

    def coarsened(self, fewest: int) -> Self:
        """Return the profile in which every number represents at least *fewest* cells.

        Numbers are replaced as in `NumericProfile.coarsened`. Distinct values are not counted,
        because the hash of a single value sets a register of that sketch, and the hash has no key.
        Sums by bin are coarsened as in `BinSums.coarsened`. They are left out if some numbers are
        left out, because their counts would show the bins of these numbers. Moments of vectors are left
        out: less the groups of their coordinates, they would show the numbers outside any group.
        """
        numbers = self.numbers.coarsened(fewest)
        withheld = self.numbers.count - numbers.count
        sums = {} if withheld else self.sums
        coarse = {key: found.coarsened(fewest) for key, found in sums.items()}
        return dataclasses.replace(
            self,
            numbers=numbers,
            distinct=None,
            suppressed_numbers=self.suppressed_numbers + withheld,
            sums={key: found for key, found in coarse.items() if found is not None},
            vectors={},
        )

    def masked(self, published: Collection[str], key: bytes) -> Self:
        """Return the profile with pseudonyms for names that are not *published*."""
        return dataclasses.replace(self, categories=self.categories.masked(published, key))

    def scaled(self, factor: float) -> Self:
        """Return the counts times *factor*, rounded, for a stream that was sampled."""
        return type(self)(
            missing=round(self.missing * factor),
            null_like=round(self.null_like * factor),
            types={kind: round(count * factor) for kind, count in self.types.items()},
            expected=self.expected,
            numbers=self.numbers.scaled(factor),
            categories=self.categories.scaled(factor),
            distinct=self.distinct,
            suppressed_numbers=round(self.suppressed_numbers * factor),
            sums={key: sums.scaled(factor) for key, sums in self.sums.items()},
            vectors={basis: sums.scaled(factor) for basis, sums in self.vectors.items()},
        )

    def describe(self) -> str:
        """Return tables as text: cells by type, then numbers, then categories."""
        rows = [("cells", self.cells), ("missing", self.missing), ("null-like", self.null_like)]
        rows += [(f"{kind}s", count) for kind, count in sorted(self.types.items())]
        rows += [(f"not {self.expected}", sum(self.type_errors.values()))] if self.expected else []
        if self.suppressed_numbers:
            rows.append(("suppressed", self.suppressed_numbers))
        if self.distinct is not None:
            rows.append(("distinct", round(self.distinct.estimate)))
        tables = ["\n".join(f"{name:<14} {count:>10}" for name, count in rows)]
        if self.numbers.count or self.non_finite:
            tables.append(self.numbers.describe())
        if self.categories.total:
            tables.append(self.categories.describe())
        return "\n\n".join(tables)


def _quantile(q: float) -> Callable[[FeatureProfile], float | None]:
    def quantile(feature: FeatureProfile) -> float | None:
        return float(feature.numbers.digest.quantile(q)) if feature.numbers.count else None

    return quantile


def _mean(feature: FeatureProfile) -> float | None:
    return feature.numbers.moments.mean if feature.numbers.count else None


def _type_error_ratio(feature: FeatureProfile) -> float | None:
    errors = sum(feature.type_errors.values())
    return _of_cells(feature, errors) if feature.expected else None


def _outside_reference_ratio(feature: FeatureProfile) -> float | None:
    numbers = feature.numbers
    outside = numbers.below_reference + numbers.above_reference
    return outside / numbers.count if numbers.count else None


def _unseen_ratio(feature: FeatureProfile) -> float | None:
    known = feature.categories.dictionary
    return None if known is None else known.unseen / max(feature.categories.total, 1)


def _of_cells(feature: FeatureProfile, part: int) -> float | None:
    return part / feature.cells if feature.cells else None


_STATISTICS: Mapping[str, Callable[[FeatureProfile], float | None]] = {
    "count": lambda feature: float(feature.count),
    "mean": _mean,
    LOWEST: lambda feature: feature.numbers.digest.min,
    HIGHEST: lambda feature: feature.numbers.digest.max,
    **{name: _quantile(q) for name, q in QUANTILES.items()},
    "missing_ratio": lambda feature: _of_cells(feature, feature.missing),
    "non_finite_ratio": lambda feature: _of_cells(feature, feature.non_finite),
    "null_like_ratio": lambda feature: _of_cells(feature, feature.null_like),
    "type_error_ratio": _type_error_ratio,
    "outside_reference_ratio": _outside_reference_ratio,
    "unseen_ratio": _unseen_ratio,
}
