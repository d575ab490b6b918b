"""Histogram bins that all windows of one response share."""

import numpy as np
import pytest

from nilometer.profile import FeatureProfile
from nilometer_collector.contents.bins import common_bins_of
from nilometer_collector.testing import feature_sample


@pytest.mark.parametrize(
    "edges", [(), (1.0,), (0.0,), (2.0, 3.0), (-5.0, -4.0), (100.0, 200.0), (1.0, 1.5, 3.0)]
)
@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [1.0, 1.0], [5e-324], [1e308, -1e308]])
def test_bins_have_a_width_and_hold_everything(
    values: list[float], edges: tuple[float, ...]
) -> None:
    feature = feature_sample(values).content
    assert isinstance(feature, FeatureProfile)
    bins = common_bins_of([feature], edges)
    if bins is not None:
        assert (np.diff(bins.outer) > 0).all()
        assert bins.outer[0] <= min(values)
        assert bins.outer[-1] >= max(values)
        assert len(bins.outer) == len(bins.inner) + 2
