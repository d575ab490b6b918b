"""Comparators: how far a distribution stands from its reference."""

from nilometer.compare.bins import (
    CommonBins,
    common_bins,
    exact_reference_column,
    reference_column,
)
from nilometer.compare.comparison import Comparator, Comparison, compare
from nilometer.compare.ks import kolmogorov_smirnov
from nilometer.compare.psi import debiased_psi, population_stability_index

__all__ = [
    "CommonBins",
    "Comparator",
    "Comparison",
    "common_bins",
    "compare",
    "debiased_psi",
    "exact_reference_column",
    "kolmogorov_smirnov",
    "population_stability_index",
    "reference_column",
]
