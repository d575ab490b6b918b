"""Kills, hangs, bad wires and jumping clocks at once; the oracle finds everything, once."""

from concurrent.futures import Future
from pathlib import Path

import pytest
from faults import rig
from faults.zygote import Zygote

SECONDS, KILLS = 60.0, 200


def storm(
    zygote: Zygote, directory: Path, *, seed: int, seconds: float, faults: int, kills: int
) -> str:
    """One storm; a line for the table."""
    report = rig.run(zygote, directory, seed, seconds=seconds, faults=faults, kills=kills)
    verdict = report.verdict
    assert verdict.clean, (str(report), verdict, zygote.log()[-3000:])
    # The hard paths ran, or this showed nothing.
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
