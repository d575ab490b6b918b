"""Kills, hangs, bad wires and jumping clocks at once; the oracle finds everything, once."""

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


@pytest.mark.timeout(300)
def test_a_storm_loses_nothing_and_counts_nothing_twice(
    zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    print(
        storm(zygote, tmp_path_factory.mktemp("s"), seed=1, seconds=SECONDS, faults=0, kills=KILLS)
    )
