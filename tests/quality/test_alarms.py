"""A short, seeded form of the tables in `quality.alarms`; `make quality` prints them whole."""

import pytest
from quality.alarms import delays, false_episodes, world_of_fifty
from support.judged_windows import World


@pytest.fixture(scope="module")
def world() -> World:
    return world_of_fifty()


@pytest.mark.parametrize("kind", ["both", "clustered rows"])
def test_two_days_without_drift_are_quiet(world: World, kind: str) -> None:
    assert false_episodes(world, kind, 500, days=2, seed=1) == 0


@pytest.mark.parametrize(
    ("drift", "both", "median", "ninth"),
    [
        ("mean + .25 sd", False, 5, 8),
        ("mean + .5 sd", True, 3, 5),
        ("share 5 to 8 %", False, 14, 22),
    ],
)
def test_drifts_are_found_in_time(
    world: World,
    drift: str,
    both: bool,  # noqa: FBT001
    median: float,
    ninth: float,
) -> None:
    found = delays(world, drift, 500, both=both)
    assert found.found == 1.0
    assert found.median <= median
    assert found.ninth <= ninth
