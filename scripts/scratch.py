"""Prints the folder for the temporary files of the tests: in memory where that has room."""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  # each test makes a folder of its own there
LEAST_BYTES = 4 << 30


def scratch() -> str:
    """Return a folder in memory with `LEAST_BYTES` left that can hold programs, or the usual one."""
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        holds_programs = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        if holds_programs and shutil.disk_usage(MEMORY).free >= LEAST_BYTES:
            return str(MEMORY)
    return tempfile.gettempdir()


if __name__ == "__main__":
    print(scratch())
