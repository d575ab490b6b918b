"""A short, seeded form of the table in `quality.causes`."""

import numpy as np
from quality.causes import (
    DRIFTS,
    SHIFTS,
    columns,
    is_feature_first,
    is_segment_first,
    is_stage_first,
    shift_named,
)

ONSET_ERRORS = np.array([-1, 0, 0, 0, 0, 1])  # windows


def test_the_simulated_cause_is_named_first() -> None:
    """`make quality` prints the rates of 200 episodes of each kind."""
    known = columns(1)
    for name in ("mean + .5 sd", "5 % missing"):
        assert is_feature_first(known, DRIFTS[name], 60_000), name
    segments = [is_segment_first(70_000 + seed, skewed=seed % 2 > 0) for seed in range(40)]
    assert sum(segments) >= 37
    assert all(is_stage_first(80_000 + seed, ONSET_ERRORS) for seed in range(40))


def test_the_kind_of_a_simulated_shift_is_told() -> None:
    known = columns(1)
    for cause in ("selection", "intercept"):
        assert shift_named(known, cause, 90_000) == SHIFTS[cause], cause
