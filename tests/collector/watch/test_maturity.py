"""A window is mature when its share of labels is not unusually small for its age."""

from nilometer_collector.watch.maturity import (
    AGES_NS,
    LEAST_COVERAGE,
    LEAST_SEEN,
    PerformanceMemory,
    Share,
    needed_share,
)

HOUR, DAY = AGES_NS[2], AGES_NS[6]


def shares_of(*shares: float) -> Share:
    found = Share()
    for share in shares:
        found = found.after(share)
    return found


def test_half_of_the_labels_are_enough_while_nothing_is_known() -> None:
    assert needed_share({}, DAY) == LEAST_COVERAGE
    few = PerformanceMemory.begun(0, 0).recorded(6, 0.99)
    assert needed_share(few.usual, DAY) == LEAST_COVERAGE


def test_mean_and_spread_are_those_of_the_shares() -> None:
    found = shares_of(*[0.9, 0.98] * 10)
    assert abs(found.mean - 0.94) < 1e-9
    assert abs(found.variance - 0.04**2) < 1e-9
    assert abs(found.least - (0.94 - 3 * 0.04)) < 1e-9


def test_an_old_window_needs_more_than_a_young_one() -> None:
    usual = {2: shares_of(*[0.2] * LEAST_SEEN), 6: shares_of(*[0.97, 0.99] * LEAST_SEEN)}
    assert needed_share(usual, HOUR) == LEAST_COVERAGE
    assert needed_share(usual, DAY - 1) == LEAST_COVERAGE
    assert abs(needed_share(usual, DAY) - 0.95) < 1e-9


def test_shares_follow_a_change() -> None:
    found = shares_of(*[0.9] * 1000, *[0.6] * 2000)
    assert abs(found.mean - 0.6) < 0.01
