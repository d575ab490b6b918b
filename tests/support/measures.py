"""Measures of time that depend little on other programs on the machine."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ATTEMPTS = 5
_PRESSURES = [Path("/proc/pressure") / kind for kind in ("cpu", "io")]


def effort(work: Callable[[], object], enough: float) -> float:
    """Return the CPU time of *work* as a multiple of the time of a reference calculation.

    The smallest of a few attempts counts, because a busy machine only adds time. It stops after the
    first attempt of at most *enough*.
    """
    least = float("inf")
    for _ in range(ATTEMPTS):
        least = min(least, _cpu_seconds(work) / _cpu_seconds(_yardstick))
        if least <= enough:
            break
    return least


def calm_seconds() -> float:
    """Return monotonic seconds without the time in which some thread waited for a CPU or a disk.

    On an idle machine, the difference of two readings is the elapsed time. Without the kernel's
    pressure files, this is always so.
    """
    return time.monotonic() - sum(_stalled(path) for path in _PRESSURES)


def _stalled(path: Path) -> float:
    with suppress(OSError):
        return int(path.read_text().split("\n")[0].rpartition("total=")[2]) / 1e6
    return 0.0


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _yardstick() -> None:
    """Use about 6 ms of CPU time on a machine of 2024."""
    for _ in range(4):
        len({str(number): number for number in range(12_000)})
