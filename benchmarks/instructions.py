"""Instructions per request under callgrind, by thread; and the bytecodes that a request runs.

The figure is the difference between a long and a short run, so that it excludes the start. glibc
copies with ``rep movsb``. This is one instruction, but callgrind counts it once per byte, so it is
turned off. Everything runs about 50 times slower under callgrind. Intervals are 50 times longer as
well, so that batches and deltas have the same size as at full speed, and as few requests are timed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.in_process import SLOWED

LENGTHS = (1024, 1024 + 6144)  # numbers of requests in the two runs
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000",
    "OPENBLAS_NUM_THREADS": "1",  # more threads would spin while they wait for work
    "NILOMETER_FLUSH_SECONDS": "2.5",
    SLOWED: "50",
}
MAIN = 1  # callgrind's number of the main thread


@dataclass(frozen=True, slots=True)
class Threads:
    """Thousands of instructions, per request or in one run.

    Attributes:
        main: Event loop, with the application and nilometer's part of a request.
        worker: Capture thread.
        others: All other threads.
    """

    main: float
    worker: float
    others: float

    @property
    def total(self) -> float:
        """Sum of all threads."""
        return self.main + self.worker + self.others


def instructions(variant: str, environment: dict[str, str], directory: Path) -> Threads:
    """Return thousands of instructions per request of *variant*."""
    short, long = (counted(variant, length, environment, directory) for length in LENGTHS)
    requests = 1000 * (LENGTHS[1] - LENGTHS[0])
    return Threads(
        (long.main - short.main) / requests,
        (long.worker - short.worker) / requests,
        (long.others - short.others) / requests,
    )


def counted(variant: str, length: int, environment: dict[str, str], directory: Path) -> Threads:
    """Return the instructions of a whole run.

    Raises:
        RuntimeError: If the run failed; the text contains its output.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise RuntimeError("valgrind is not installed")
    for old in directory.glob("out*"):
        old.unlink()
    finished = subprocess.run(
        [
            *(valgrind, "--tool=callgrind", "--separate-threads=yes"),
            f"--callgrind-out-file={directory}/out",
            *(sys.executable, "-m", "benchmarks.in_process", variant, str(length)),
        ],
        env={**os.environ, **environment, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"{variant}: {finished.stderr[-1500:]}")
    worker = json.loads(finished.stdout.splitlines()[-1])["worker"]
    main = of_worker = others = 0
    for out in directory.glob("out-*"):
        thread = int(out.name.rpartition("-")[2])
        found = re.search(r"^totals: (\d+)", out.read_text(), re.MULTILINE)
        count = int(found[1]) if found else 0
        if thread == MAIN:
            main += count
        elif thread == worker:
            of_worker += count
        else:
            others += count
    return Threads(main, of_worker, others)


def bytecodes(variant: str, environment: dict[str, str]) -> dict[str, int]:
    """Return the number of nilometer's bytecodes that one request runs, by function."""
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.in_process", variant, "1", "bytecodes"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads(finished.stdout.splitlines()[-1])
    return found
