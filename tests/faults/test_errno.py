"""A disk that refuses the k-th write or sync, once or for a while, with each errno it has."""

import errno
import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from faults import outcomes
from faults.zygote import Zygote

WRITES, SYNCS = 1, 2
ROUNDS = 12
FAULTS = (
    (WRITES, errno.ENOSPC),
    (WRITES, errno.EDQUOT),
    (WRITES, errno.EIO),
    (WRITES, errno.EROFS),
    (WRITES, errno.EFBIG),
    (SYNCS, errno.EIO),
    (SYNCS, errno.ENOSPC),
)
LENGTHS = (1, 3, 40, 1_000_000)  # calls that fail in a row
AT_ONCE = 2
CALLS = {WRITES: 500, SYNCS: 90}  # that a run of so many rounds makes, about


def refusals(zygote: Zygote, directory: Path, *, seed: int, runs: int) -> str:
    """*runs* of the outbox, each with a fault of its own; a line for the table."""
    if zygote.shim:
        pytest.skip(f"refused writes: {zygote.shim}")
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    told: list[dict[str, object]] = []
    for number in range(runs):
        kind, code = FAULTS[number % len(FAULTS)]
        length = LENGTHS[(number // len(FAULTS)) % len(LENGTHS)]
        first = 1 + draw.randrange(CALLS[kind])
        told.append({"kind": kind, "errno": code, "first": first, "length": length})

    def started(number: int) -> int:
        one = told[number]
        (directory / f"d{number}").mkdir(mode=0o700)
        return zygote.start(
            "outbox",
            directory=str(directory / f"d{number}"),
            acknowledged=str(directory / f"n{number}"),
            seed=seed + number,
            rounds=ROUNDS,
            refuse=(one["kind"], one["first"], one["length"], one["errno"]),
        )

    processes = [started(number) for number in range(min(AT_ONCE, runs))]
    for number in range(runs):
        ended = os.waitstatus_to_exitcode(zygote.wait(processes[number]))
        if len(processes) < runs:
            processes.append(started(len(processes)))
        home, notes = directory / f"d{number}", directory / f"n{number}"
        assert ended == 0, (told[number], zygote.log()[-2000:])
        counted = json.loads(Path(f"{notes}.counts").read_text())
        known = outcomes.notes(notes.read_text().split("\n"))
        outcome = outcomes.opened(home, known, max_bytes=4 << 20)
        dropped = counted["rows_dropped_for_space"]
        assert not outcome.doubled, (told[number], outcome)
        assert not outcome.invented, (told[number], outcome)
        assert not outcome.disordered, (told[number], outcome)
        assert len(outcome.lost) == dropped, (told[number], dropped, outcome)
        counts.update(counted)
        shutil.rmtree(home)
    assert counts["disk_faults"] > runs // 2, counts
    assert counts["reopened"] > 0, counts
    assert counts["memory_spells"] > 0, counts
    assert counts["memory_spells"] == counts["returns_to_disk"], counts
    return (
        f"{runs} runs, {counts['disk_faults']} transactions refused, {counts['reopened']} times "
        f"opened again, {counts['memory_spells']} times in memory and back, "
        f"{counts['rows_dropped_for_space']} rows dropped and counted, 0 lost otherwise, 0 doubled"
    )


def test_a_disk_that_refuses_loses_nothing_that_is_not_counted(
    zygote: Zygote, tmp_path: Path
) -> None:
    print(refusals(zygote, tmp_path, seed=1, runs=56))
