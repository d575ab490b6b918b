"""A short, seeded form of the tables in `quality.canary`; `make quality` prints them whole."""

import numpy as np
import pytest
from quality.alarms import world_of_fifty
from quality.canary import baselines_of, delays, run, verdict_of
from support.judged_windows import World

from nilometer.alert.calibrated.two_samples import Outcome


@pytest.fixture(scope="module")
def world() -> World:
    return world_of_fifty()


@pytest.mark.parametrize("kind", ["independent", "both"])
@pytest.mark.parametrize("sides", [(500, 500), (100, 900)])
def test_equal_sides_never_fail(world: World, kind: str, sides: tuple[int, int]) -> None:
    outcomes = {verdict_of(run(world, kind, sides, seed)) for seed in range(2)}
    assert Outcome.FAIL not in outcomes


def test_the_noise_of_clustered_rows_is_learned(world: World) -> None:
    known = baselines_of(world, "clustered rows", 500)
    found = run(world, "clustered rows", (500, 500), 0, baselines=known)
    assert verdict_of(found) is Outcome.HOLD
    assert verdict_of(run(world, "clustered rows", (500, 500), 0)) is Outcome.FAIL


def test_equal_sides_pass(world: World) -> None:
    assert verdict_of(run(world, "independent", (500, 500), 0)) is Outcome.PASS


def test_half_a_deviation_fails_within_four_windows(world: World) -> None:
    found = delays(world, "independent", (500, 500), range(1))
    assert np.quantile(found, 0.5) <= 4
    assert max(found) <= 8
