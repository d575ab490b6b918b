"""Comparators: functions that measure the distance of a distribution from its reference."""

from nilometer.compare.bins import (
    CommonBins,
    common_bins,
    exact_reference_column,
    reference_column,
)
from nilometer.compare.comparator import Comparator, Counted, Fewest, Interval, Sides, of_counts
from nilometer.compare.comparison import (
    Comparison,
    NoDistance,
    NotCompared,
    compare,
    compare_by,
)
from nilometer.compare.ks import KS
from nilometer.compare.psi import PSI
from nilometer.compare.registry import COMPARATORS, comparator_named
from nilometer.compare.shortfalls import shortfalls

__all__ = [
    "COMPARATORS",
    "KS",
    "PSI",
    "CommonBins",
    "Comparator",
    "Comparison",
    "Counted",
    "Fewest",
    "Interval",
    "NoDistance",
    "NotCompared",
    "Sides",
    "common_bins",
    "comparator_named",
    "compare",
    "compare_by",
    "exact_reference_column",
    "of_counts",
    "reference_column",
    "shortfalls",
]
