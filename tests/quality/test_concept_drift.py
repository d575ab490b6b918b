"""A short, seeded form of the table in `quality.concept_drift`."""

from quality.concept_drift import CHANGE, alarms


def test_a_worse_model_is_found_within_a_thousand_rows_and_nothing_before() -> None:
    assert alarms(1, 500, tolerance=0.01) == [CHANGE + 1000]
