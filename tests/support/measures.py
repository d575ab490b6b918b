"""Measures of time that depend little on other programs on the machine."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ATTEMPTS = 5
_PRESSURES = [Path("/proc/pressure") / kind for kind in ("cpu", "io", "memory")]
_STOLEN = 8  # place of the stolen time in the line of all CPUs, after the word "cpu"


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
    """Return monotonic seconds without the time in which the machine held something up.

    That is the time in which some thread waited for a CPU, a disk or memory, and the time in which
    a virtual machine did not run because its host was busy. On an idle machine, the difference of
    two readings is the elapsed time. Without the files of the kernel, this is always so.

    The kernel does not say whose waits they are. So this also leaves out those of the program that
    is measured, and a bound of it finds waits for locks, sleeps and timeouts, but not slow work on
    a disk. For that, compare elapsed time with a floor that was measured in the same run.
    """
    return time.monotonic() - sum(_stalled(path) for path in _PRESSURES) - _stolen()


def _stalled(path: Path) -> float:
    with suppress(OSError):
        return int(path.read_text().split("\n")[0].rpartition("total=")[2]) / 1e6
    return 0.0


def _stolen() -> float:
    """Return the seconds that the host of a virtual machine took from all its CPUs."""
    with suppress(OSError, IndexError):
        ticks = Path("/proc/stat").read_text().split("\n")[0].split()[_STOLEN]
        return int(ticks) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _yardstick() -> None:
    """Use about 6 ms of CPU time on a machine of 2024."""
    for _ in range(4):
        len({str(number): number for number in range(12_000)})
