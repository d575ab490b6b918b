"""Comparators: distances of a distribution from its reference."""

from nilometer.compare.bins import (
    CommonBins,
    common_bins,
    exact_reference_column,
    reference_column,
)
from nilometer.compare.comparator import Comparator
from nilometer.compare.comparison import Comparison, compare, distances
from nilometer.compare.ks import KS, kolmogorov_smirnov
from nilometer.compare.psi import PSI, debiased_psi, population_stability_index
from nilometer.compare.registry import COMPARATORS, comparator_named

__all__ = [
    "COMPARATORS",
    "KS",
    "PSI",
    "CommonBins",
    "Comparator",
    "Comparison",
    "common_bins",
    "comparator_named",
    "compare",
    "debiased_psi",
    "distances",
    "exact_reference_column",
    "kolmogorov_smirnov",
    "population_stability_index",
    "reference_column",
]
