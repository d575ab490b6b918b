"""Warns about files of tokens and private keys that others can read.

This is a warning, not an error: a mode that nobody chose must not stop a service.
"""

import logging
import stat
from collections.abc import Iterable
from pathlib import Path

# A group may read, because an orchestrator gives a secret to a non-root process that way.
OTHERS = stat.S_IWGRP | stat.S_IRWXO


def mode_for_others(path: str) -> int | None:
    """Return the mode of *path* if others may read it or a group may change it, else None.

    Raises:
        OSError: If there is no such file.
    """
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    return mode if mode & OTHERS else None


def warn(log: logging.Logger, paths: Iterable[str]) -> None:
    """Log a warning for each of *paths* that others can read; missing files are skipped."""
    for path in filter(None, paths):
        try:
            mode = mode_for_others(path)
        except OSError:
            continue  # the code that opens the file reports the error
        if mode is not None:
            log.warning(
                "a secret can be read by others: restrict its mode",
                extra={"path": path, "mode": f"{mode:04o}", "remedy": f"chmod 0600 {path}"},
            )
