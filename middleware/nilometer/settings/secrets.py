"""Warns of files with tokens and private keys that other users can read.

This is a warning and not an error, because a file's mode may not be the user's choice.
"""

import logging
import stat
from collections.abc import Iterable
from pathlib import Path

# The group may read, because orchestrators give secrets to non-root processes in this way.
OTHERS = stat.S_IWGRP | stat.S_IRWXO


def mode_for_others(path: str) -> int | None:
    """Return the mode of *path* if others may read it or a group may change it; otherwise None.

    Raises:
        OSError: If the file does not exist.
    """
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    return mode if mode & OTHERS else None


def warn(log: logging.Logger, paths: Iterable[str]) -> None:
    """Log a warning for each of *paths* that others can read; skip missing files."""
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
