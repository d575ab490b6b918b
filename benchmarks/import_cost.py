"""CPU time of importing the capture path and the client, in addition to a bare interpreter.

The capture path is measured in addition to Starlette, too.
"""

import os
import resource
import statistics
import subprocess
import sys
from typing import NamedTuple

ROUNDS = 20  # fresh processes for each figure
MOST_MILLISECONDS = 150.0
MOST_CLIENT_MILLISECONDS = 100.0  # of the whole process
PROGRAMS = {
    "bare": "pass",
    "starlette": "import starlette.applications",
    "capture": "from nilometer import NilometerMiddleware",
    "both": "import starlette.applications; from nilometer import NilometerMiddleware",
    "client": "import nilometer; nilometer.Client",
}


class Cost(NamedTuple):
    """Milliseconds of CPU time of a whole process, with the start of the interpreter."""

    best: float
    median: float

    def over(self, other: "Cost") -> str:
        """Return the best and the median difference, as text."""
        return f"{self.best - other.best:.0f} ms (median {self.median - other.median:.0f})"


def milliseconds(program: str) -> float:
    """Return the CPU time of a process that runs *program*."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env=kept)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def costs() -> dict[str, Cost]:
    """Return the cost of each program. The programs take turns, so that a noisy time hits all."""
    figures: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for program in PROGRAMS.values():
        milliseconds(program)  # writes the bytecode
    for _ in range(ROUNDS):
        for name, program in PROGRAMS.items():
            figures[name].append(milliseconds(program))
    return {name: Cost(min(found), statistics.median(found)) for name, found in figures.items()}


def main() -> int:
    found = costs()
    capture = found["capture"].median - found["bare"].median
    client = found["client"].median
    print(f"bare interpreter: {found['bare'].best:.0f} ms CPU (median {found['bare'].median:.0f})")
    print(
        f"import of the capture path: {found['capture'].over(found['bare'])} CPU more than that, "
        f"at most {MOST_MILLISECONDS:.0f}"
    )
    print(
        f"  over starlette: {found['both'].over(found['starlette'])}; "
        f"starlette itself: {found['starlette'].over(found['bare'])}"
    )
    print(
        f"process that imports the client: {found['client'].best:.0f} ms CPU (median {client:.0f}), "
        f"at most {MOST_CLIENT_MILLISECONDS:.0f}; the import: {found['client'].over(found['bare'])}"
    )
    return 0 if capture <= MOST_MILLISECONDS and client <= MOST_CLIENT_MILLISECONDS else 1
