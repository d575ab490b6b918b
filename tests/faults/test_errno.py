"""A disk that refuses the k-th write or sync, once, for a while or every so often, with each errno.

Two ways of refusing, because each could be wrong in its own: the shim answers in the place of libc and
needs no privileges; strace changes what the kernel answers, and counts what it changed.
"""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
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
LENGTHS = (1, 3, 40, 1_000_000)  # calls, from the first that fails to the last that may
STEPS = (1, 1, 2, 7)  # of these calls every which fails
AT_ONCE = 2
CALLS = {WRITES: 750, SYNCS: 90}  # that a run of so many rounds makes, about


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
        step = draw.choice(STEPS)
        first = 1 + draw.randrange(CALLS[kind])
        told.append({"kind": kind, "errno": code, "first": first, "length": length, "step": step})

    def started(number: int) -> int:
        one = told[number]
        (directory / f"d{number}").mkdir(mode=0o700)
        return zygote.start(
            "outboxes.outbox",
            directory=str(directory / f"d{number}"),
            acknowledged=str(directory / f"n{number}"),
            seed=seed + number,
            rounds=ROUNDS,
            refuse=tuple(one[name] for name in ("kind", "first", "length", "step", "errno")),
        )

    processes = [started(number) for number in range(min(AT_ONCE, runs))]
    for number in range(runs):
        ended = os.waitstatus_to_exitcode(zygote.wait(processes[number]))
        if len(processes) < runs:
            processes.append(started(len(processes)))
        assert ended == 0, (told[number], zygote.log()[-2000:])
        counts.update(judged(directory, number, told[number]))
    assert counts["disk_faults"] > runs // 2, counts
    assert counts["reopened"] > 0, counts
    assert counts["memory_spells"] > 0, counts
    assert counts["memory_spells"] == counts["returns_to_disk"], counts
    return (
        f"{runs} runs, {counts['disk_faults']} transactions refused, {counts['reopened']} times "
        f"opened again, {counts['memory_spells']} times in memory and back, "
        f"{counts['rows_dropped_for_space']} rows dropped and counted, 0 lost otherwise, 0 doubled"
    )


def judged(directory: Path, number: int, told: object) -> dict[str, int]:
    """What a run has counted, once nothing of it is lost that it did not count."""
    home, notes = directory / f"d{number}", directory / f"n{number}"
    counted: dict[str, int] = json.loads(Path(f"{notes}.counts").read_text())
    known = outcomes.notes(notes.read_text().split("\n"))
    outcome = outcomes.opened(home, known, max_bytes=4 << 20)
    dropped = counted["rows_dropped_for_space"]
    assert not outcome.doubled, (told, outcome)
    assert not outcome.invented, (told, outcome)
    assert not outcome.disordered, (told, outcome)
    assert len(outcome.lost) == dropped, (told, dropped, outcome)
    shutil.rmtree(home)
    return counted


def without_strace() -> str:
    """Why calls cannot be changed in the kernel; empty where they can."""
    strace = shutil.which("strace")
    if strace is None:
        return "needs strace"
    tried = subprocess.run(
        [*(strace, "-f", "-qq", "--seccomp-bpf", "-e", "trace=fsync"), sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"strace may not trace: {tried.stderr.strip()[-200:]}"


def every_kth(directory: Path, *, seed: int, runs: int) -> str:
    """*runs* of the outbox whose every k-th write or sync the kernel refuses; a line for the table.

    From the k-th call of the run on, until so many calls later: then the disk is sound again, and
    the outbox goes back to it.
    """
    if reason := without_strace():
        pytest.skip(f"calls refused in the kernel: {reason}; the shim refuses them in its place")
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    refused = 0
    for number in range(runs):
        kind, code = FAULTS[number % len(FAULTS)]
        calls = "pwrite64,ftruncate" if kind == WRITES else "fsync,fdatasync"
        # As often as not within the first opening, whose writes are the most in a row.
        k = 1 + int(CALLS[kind] ** draw.random()) % (CALLS[kind] // 2)
        last = CALLS[kind] // draw.choice((1, 2, 4))
        told = f"{errno.errorcode[code]} of {calls} {k}..{max(last, k)}+{k}, seed {seed + number}"
        home, trace = directory / f"d{number}", directory / f"t{number}"
        home.mkdir(mode=0o700)
        run = (
            f"outboxes.outbox({str(home)!r}, {str(directory / f'n{number}')!r}, "
            f"seed={seed + number}, rounds={ROUNDS}, refused_outside=True)"
        )
        watched = [f"--trace-path={home / name}" for name in ("agent.db", "agent.db-wal")]
        ended = subprocess.run(
            [
                *("strace", "-f", "-qq", "--seccomp-bpf", "-o", str(trace), *watched),
                *("-e", f"trace={calls}"),
                *(
                    "-e",
                    f"inject={calls}:error={errno.errorcode[code]}:when={k}..{max(last, k)}+{k}",
                ),
                *(sys.executable, "-c", f"from faults import outboxes; {run}"),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, (told, ended.stderr[-2000:])
        injected = trace.read_text("utf-8", "replace").count("(INJECTED)")
        assert injected > 0, f"{told}: no call was refused"
        refused += injected
        counted = judged(directory, number, told)
        counts.update(counted, runs_met=int(counted["disk_faults"] + counted["memory_spells"] > 0))
    # A refused checkpoint, or a log that is not grown, is made good by the next one.
    assert counts["runs_met"] >= runs * 0.8, counts
    assert counts["reopened"] > 0, counts
    assert counts["memory_spells"] > 0, counts
    assert counts["memory_spells"] == counts["returns_to_disk"], counts
    return (
        f"{runs} runs, {refused} calls refused by the kernel, {counts['reopened']} times opened "
        f"again, {counts['memory_spells']} times in memory and back, "
        f"{counts['rows_dropped_for_space']} rows dropped and counted, 0 lost otherwise, 0 doubled"
    )


def test_a_disk_that_refuses_loses_nothing_that_is_not_counted(
    zygote: Zygote, tmp_path: Path
) -> None:
    print(refusals(zygote, tmp_path, seed=1, runs=56))


def test_a_kernel_that_refuses_every_kth_call_loses_nothing_that_is_not_counted(
    tmp_path: Path,
) -> None:
    print(every_kth(tmp_path, seed=2, runs=7))  # a seed whose few runs meet every way out
