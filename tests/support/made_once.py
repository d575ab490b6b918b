"""Data that takes long to make and that all processes of a test run share."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the directory *name* of this test run, which the first process fills by *make*.

    The others wait for it. They may read and copy the files, and must not change them.
    """
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made, making = shared / name, shared / f"{name}.making"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, or its process ends
        if not made.exists():
            shutil.rmtree(making, ignore_errors=True)  # of a process that was killed
            making.mkdir(mode=0o700)
            make(making)
            making.rename(made)
    return made
