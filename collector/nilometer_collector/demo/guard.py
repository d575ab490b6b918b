"""Ends the processes of a killed demo: `python -m nilometer_collector.demo.guard`.

The demo writes the id of each process group that it starts to the guard's stdin, one per line. When
the demo ends in any way, the pipe is closed.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

END_SECONDS = 15.0  # time for an orderly end before they are killed


def main() -> None:
    """Wait until the demo has ended, and end the remaining process groups."""
    groups = [int(line) for line in sys.stdin][::-1]  # the last one started ends first
    deadline = time.monotonic() + END_SECONDS
    left = _signalled(groups, signal.SIGTERM)
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = _signalled(left, 0)
    _signalled(left, signal.SIGKILL)


def _signalled(groups: Iterable[int], number: int) -> list[int]:
    """Send a signal to *groups*; return the groups that exist."""
    found = []
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)
            found.append(group)
    return found


if __name__ == "__main__":
    main()
