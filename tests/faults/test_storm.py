"""Kills, hangs, bad wires and jumping clocks at once; the oracle finds everything, once."""

from concurrent.futures import Future
from pathlib import Path

import pytest
from faults import children, rig
from faults.proxy import Proxy
from faults.zygote import Zygote

SECONDS, KILLS = 60.0, 200
ALL_STEPS_FAULTS = 2000  # so many must have met each place between two steps


def storm(
    zygote: Zygote, directory: Path, *, seed: int, seconds: float, faults: int, kills: int
) -> str:
    """One storm; a line for the table."""
    report = rig.run(zygote, directory, seed, seconds=seconds, faults=faults, kills=kills)
    verdict = report.verdict
    assert verdict.clean, (str(report), verdict, zygote.log()[-3000:])
    # The hard paths ran, or this showed nothing.
    kinds = ["kill agent", "kill collector", "kill worker", "stop agent", "stop collector"]
    kinds += [f"{who} at a step" for who in ("kill agent", "kill collector")]
    kinds += [f"wire {mode}" for mode in Proxy.MODES[1:]]
    kinds += [] if zygote.shim else ["clock jump"]
    assert not [kind for kind in kinds if not report.faults[kind]], report
    if report.faults.total() >= ALL_STEPS_FAULTS:
        places = {f"{when} {step}" for when in ("before", "after") for step in children.STEPS}
        assert report.steps.keys() == places, report
    assert report.counts["batches_repeated"] > 0, report
    assert report.counts["rows_repeated"] > 0, report
    assert report.counts["observations_found"] > 0, report
    assert verdict.unacknowledged_stored > 0, report
    assert report.kills >= kills
    return str(report)


def a_minute_of_it(zygote: Zygote, directory: Path) -> str:
    """The short form."""
    return storm(zygote, directory, seed=1, seconds=SECONDS, faults=0, kills=KILLS)


@pytest.mark.timeout(300)
def test_a_storm_loses_nothing_and_counts_nothing_twice(storm: "Future[str]") -> None:
    print(storm.result())
