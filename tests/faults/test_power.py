"""Power loss at a hundred points of a recorded run: what was acknowledged is there."""

import random
import shutil
from pathlib import Path

import pytest
from faults import outcomes, power
from faults.zygote import Zygote

POINTS = 100


def power_loss(zygote: Zygote, directory: Path, *, seed: int, points: int) -> str:
    """Crash at *points* places of runs of the outbox; a line for the table."""
    if zygote.shim:
        pytest.skip(f"power loss: {zygote.shim}")
    draw = random.Random(seed)
    torn = replayed = held = 0
    for number in range(max(points // 100, 1)):
        home, trace = directory / f"d{number}", directory / f"t{number}"
        home.mkdir(mode=0o700)
        assert not zygote.run(
            "outboxes.outbox",
            directory=str(home),
            acknowledged=str(directory / f"n{number}"),
            seed=seed + number,
            rounds=60,
            record=str(trace),
        ), zygote.log()[-2000:]
        calls = power.read_trace(trace)
        disk, done = power.Disk(), 0
        for point in power.crash_points(calls, min(points, 100), draw):
            for call in calls[done:point]:
                disk.apply(call)
            done = point
            said = [
                chr(call.at >> 48) + str(call.at & (1 << 48) - 1)
                for call in calls[:point]
                if call.kind == "N"
            ]
            known = outcomes.notes(said)
            found = directory / "found"
            disk.crash(found, draw)
            outcome = outcomes.opened(found, known, max_bytes=4 << 20)
            assert outcome.clean, (seed, number, point, outcome)
            torn += any(disk.loose.values())
            replayed += len(outcome.held & known["S"])
            held += len(outcome.held)
            shutil.rmtree(found)
    assert torn > 0, "no crash point had anything unsynced"
    assert held > 0
    assert replayed > 0, "no crash point had anything to ship again"
    return f"{points} points, {torn} with unsynced bytes, 0 acknowledged lost, 0 doubled"


def test_a_power_loss_loses_nothing_that_was_acknowledged(zygote: Zygote, tmp_path: Path) -> None:
    power_loss(zygote, tmp_path, seed=1, points=POINTS)
