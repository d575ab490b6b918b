"""Checks of a feature before it is stored."""

from collections.abc import Mapping

import numpy as np

from nilometer.profile import DictionaryCounts, FeatureProfile
from nilometer.profile.bin_sums import MAX_VALUE_CHARACTERS, BinSums, SumKey
from nilometer.profile.category import DICTIONARY_NAMES
from nilometer.profile.derived.vector_sums import Basis, VectorSums
from nilometer.profile.derived.vectors import LARGEST_UNITS
from nilometer.sketch.distinct import DEFAULT_PRECISION
from nilometer.sketch.frequent import DEFAULT_CAPACITY, Frequent
from nilometer.sketch.tdigest import DEFAULT_COMPRESSION
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import (
    MAX_NAME_BYTES,
    check_characters,
    check_counts,
    check_histogram,
    check_kinds,
    check_numbers,
)

MAX_CATEGORY_BYTES = 256
MAX_BASES = 8  # most references whose components a feature has moments in
MAX_SUMS = 64  # most sums of a feature: of 4 outputs with 3 classes, for some versions of the bins


def check_feature(feature: FeatureProfile) -> None:
    """Refuse a feature that could not be merged or shown."""
    check_without_digest(feature)
    digest = feature.numbers.digest
    if digest.count != feature.numbers.moments.count:
        raise Refused("moments and t-digest must have the same count")
    if digest.compression != DEFAULT_COMPRESSION:
        raise Refused(f"a t-digest must have compression {DEFAULT_COMPRESSION:g}")
    means, weights, _ = digest.centroids()
    if weights.size and not (
        np.isfinite(means).all() and (np.diff(means) >= 0).all() and (weights >= 1).all()
    ):
        raise Refused("the centroids of a t-digest must be finite, ascending and not empty")


def check_without_digest(feature: FeatureProfile) -> None:
    """Refuse a feature as `check_feature` does; its t-digest was checked or is absent."""
    counts = (feature.missing, feature.non_finite, feature.cells, feature.suppressed_numbers)
    check_counts("feature", counts)
    check_kinds("types", feature.types)
    moments = feature.numbers.moments
    check_counts("moments", (moments.count,))
    check_numbers("the mean", moments.mean)
    histogram = feature.numbers.histogram
    if histogram is not None:
        if histogram.count != moments.count:
            raise Refused("moments and histogram must have the same count")
        check_histogram(histogram)
    if feature.numbers.binned is not None:
        check_counts("binned", feature.numbers.binned.counts)
        if feature.numbers.binned.count != moments.count:
            raise Refused("the counts between edges must add up to the count of numbers")
    if feature.categories.dictionary is not None:
        _check_dictionary_counts(feature.categories.dictionary)
    _check_frequent(feature.categories.frequent)
    if feature.sums:
        _check_sums(feature.sums)
    _check_vectors(feature.vectors)
    if feature.distinct is not None and feature.distinct.precision != DEFAULT_PRECISION:
        raise Refused(f"a distinct count must have precision {DEFAULT_PRECISION}")


def _check_sums(sums: Mapping[SumKey, BinSums]) -> None:
    if len(sums) > MAX_SUMS:
        raise Refused(f"a feature must have at most {MAX_SUMS} sums by bin")
    for key, found in sums.items():
        check_characters("the value of sums by bin", key.value, MAX_VALUE_CHARACTERS)
        check_counts("sums by bin", (*found.counts, found.left_out, found.unmatched))


def _check_vectors(vectors: Mapping[Basis, VectorSums]) -> None:
    if len(vectors) > MAX_BASES:
        raise Refused(f"a feature must have moments of vectors of at most {MAX_BASES} bases")
    for found in vectors.values():
        check_counts("vectors", (found.count,))
        most = found.count * LARGEST_UNITS
        squares = [found.products[at * (at + 3) // 2] for at in range(len(found.sums))]
        if min(squares) < 0 or max(map(abs, found.sums)) > most:
            raise Refused("the moments of vectors contradict their count")
        if max(map(abs, found.products)) > max(squares):
            raise Refused("the moments of vectors contradict each other")


def _check_frequent(categories: Frequent) -> None:
    check_counts("categories", (categories.total, *categories.counts.values()))
    check_counts("categories", categories.errors.values())
    if categories.capacity != DEFAULT_CAPACITY or len(categories.counts) > DEFAULT_CAPACITY:
        raise Refused(f"heavy hitters must have capacity {DEFAULT_CAPACITY}")
    if any(
        len(value.encode("utf-8", "replace")) > MAX_CATEGORY_BYTES for value in categories.counts
    ):
        raise Refused(f"a category's name must be at most {MAX_CATEGORY_BYTES} bytes")


def _check_dictionary_counts(counts: DictionaryCounts) -> None:
    check_counts("dictionary", (*counts.counts, counts.other, counts.unseen))
    if len(counts.counts) > DICTIONARY_NAMES or len(counts.id) > MAX_NAME_BYTES:
        raise Refused(f"a dictionary must have at most {DICTIONARY_NAMES} names")
