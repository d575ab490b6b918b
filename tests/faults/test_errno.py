"""A disk that refuses the k-th write or sync, once or for a while, with each errno it has."""

import errno
import json
import random
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
CALLS = {WRITES: 500, SYNCS: 90}  # that a run of so many rounds makes, about


def refusals(zygote: Zygote, directory: Path, *, seed: int, runs: int) -> str:
    """*runs* of the outbox, each with a fault of its own; a line for the table."""
    if zygote.shim:
        pytest.skip(f"refused writes: {zygote.shim}")
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    for number in range(runs):
        kind, code = FAULTS[number % len(FAULTS)]
        first = 1 + draw.randrange(CALLS[kind])
        length = LENGTHS[(number // len(FAULTS)) % len(LENGTHS)]
        home, notes = directory / f"d{number}", directory / f"n{number}"
        home.mkdir(mode=0o700)
        told = {"kind": kind, "errno": errno.errorcode[code], "first": first, "length": length}
        ended = zygote.run(
            "outbox",
            directory=str(home),
            acknowledged=str(notes),
            seed=seed + number,
            rounds=ROUNDS,
            refuse=(kind, first, length, code),
        )
        assert ended == 0, (told, zygote.log()[-2000:])
        counted = json.loads(Path(f"{notes}.counts").read_text())
        known = outcomes.notes(notes.read_text().split("\n"))
        outcome = outcomes.opened(home, known, max_bytes=4 << 20)
        dropped = counted["rows_dropped_for_space"]
        assert not outcome.doubled, (told, outcome)
        assert not outcome.invented, (told, outcome)
        assert len(outcome.lost) == dropped, (told, dropped, outcome)
        counts.update(counted)
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
