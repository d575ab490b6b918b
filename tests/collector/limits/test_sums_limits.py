"""Sums by bin of a feature are refused if they could not be stored, merged or shown."""

import dataclasses

import numpy as np
import pytest

from nilometer.profile import FeatureProfile
from nilometer.profile.bin_sums import BinSums, Rounded, SumKey
from nilometer.profile.cell_bins import CellBins
from nilometer_collector.contents.feature import feature_view
from nilometer_collector.errors import Refused
from nilometer_collector.limits.bounds import MAX_COUNT
from nilometer_collector.limits.feature import MAX_SUMS, check_feature

CELLS = CellBins((0.0, 1.0), None)
SUMS = BinSums.of(
    CELLS.bins, CELLS.places([-1.0, 0.5, 0.5, None]), Rounded.of(np.array([1.0, 0.0, 0.5, 3.0]), 4)
)


def feature_of(*sums: tuple[str, BinSums]) -> FeatureProfile:
    return FeatureProfile(sums={SumKey(value, one.bins): one for value, one in sums})


def test_sums_that_can_be_stored_are_taken() -> None:
    check_feature(feature_of(("output.score", SUMS), ("output.label=yes", SUMS)))


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        (feature_of(*((f"output.{at}", SUMS) for at in range(MAX_SUMS + 1))), "at most"),
        (feature_of(("output.\n", SUMS)), "control characters"),
        (feature_of(("o", dataclasses.replace(SUMS, left_out=MAX_COUNT + 1))), "a count"),
    ],
)
def test_other_sums_are_refused(feature: FeatureProfile, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check_feature(feature)


def test_the_api_shows_rows_and_means() -> None:
    (shown,) = feature_view(feature_of(("output.score", SUMS)), None).sums
    assert (shown.value, shown.numbers, shown.categories) == ("output.score", 3, 0)
    assert shown.counts == [1, 2, 0, 1, 0, 0]
    assert shown.means == [1.0, 0.25, None, 3.0, None, None]
