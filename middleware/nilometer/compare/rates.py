"""Changes of rates, such as missing cells, cells of another type, and unseen names."""

from collections.abc import Callable

from nilometer.compare.bins import CommonBins, expected_unseen
from nilometer.compare.comparator import Comparator, Counted, Fewest, of_counts
from nilometer.compare.total_variation import total_variation, variation_noise
from nilometer.profile.feature import FeatureProfile
from nilometer.profile.reference import ReferenceColumn

Count = Callable[[FeatureProfile], float]
# Counts of the reference and of the current side; None if a side lacks them.
Parts = Callable[[ReferenceColumn, FeatureProfile], tuple[float, float] | None]


def _each(count: Count) -> Parts:
    return lambda reference, current: (count(reference.feature), count(current))


def _type_errors(reference: ReferenceColumn, current: FeatureProfile) -> tuple[float, float] | None:
    expected = reference.expected
    if not expected:
        return None
    before, now = (
        sum(count for kind, count in side.types.items() if kind != expected)
        for side in (reference.feature, current)
    )
    return before, now


def _unseen(reference: ReferenceColumn, current: FeatureProfile) -> tuple[float, float] | None:
    past, now = reference.feature.categories.dictionary, current.categories.dictionary
    if reference.dictionary is None or past is None or now is None:
        return None
    if not past.id == now.id == reference.dictionary.id:
        return None
    return past.unseen + expected_unseen(reference, past.other), now.unseen


def _cells(feature: FeatureProfile) -> float:
    return feature.cells


def _numbers(feature: FeatureProfile) -> float:
    return feature.numbers.count


def _categories(feature: FeatureProfile) -> float:
    return feature.categories.total


def _outside(feature: FeatureProfile) -> float:
    return feature.numbers.below_reference + feature.numbers.above_reference


def _rate(name: str, about: str, parts: Parts, whole: Count) -> Comparator:
    """Return the comparator for the share of *parts* in *whole*."""

    def bins(reference: ReferenceColumn, current: FeatureProfile) -> CommonBins | None:
        before, now = whole(reference.feature), whole(current)
        held = parts(reference, current)
        if held is None or not before or not now:
            return None
        return CommonBins(
            reference=[held[0], before - held[0]],
            current=[held[1], now - held[1]],
            names=[name.replace("_", " "), f"not {name.replace('_', ' ')}"],
            ordered=True,
            descending=True,
        )

    return Comparator(
        name=f"{name}_change",
        distance=of_counts(total_variation),
        noise=of_counts(variation_noise),
        about=f"absolute change of the share of {about}",
        highest=1.0,
        bias="about .8 sqrt(p (1 - p) (1/n + 1/N)), where p is the share",
        source="difference of two proportions",
        fewest=Fewest(reference=30, current=30),
        bins=bins,
        counted=Counted.CELLS if whole is _cells else Counted.VALUES,
    )


RATES = (
    _rate("missing", "missing cells", _each(lambda one: one.missing), _cells),
    _rate("null_like", "cells such as n/a", _each(lambda one: one.null_like), _cells),
    _rate("non_finite", "NaN and infinite cells", _each(lambda one: one.non_finite), _cells),
    _rate("type_error", "cells of another type than most", _type_errors, _cells),
    _rate("zero", "numbers that are 0", _each(lambda one: one.numbers.zero), _numbers),
    _rate("outside", "numbers outside the reference's range", _each(_outside), _numbers),
    _rate("unseen", "names that the reference does not have", _unseen, _categories),
)
