"""Files of tokens and private keys: who else can read them.

A warning, not an error: a volume whose modes nobody chose must not stop a service from observing.
"""

import logging
import stat
from collections.abc import Iterable
from pathlib import Path

# A group may read: that is how an orchestrator hands a secret to a process that is not root.
OTHERS = stat.S_IWGRP | stat.S_IRWXO


def mode_for_others(path: str) -> int | None:
    """The mode of *path* if others may read it or a group may change it, else None.

    Raises:
        OSError: If there is no such file.
    """
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    return mode if mode & OTHERS else None


def warn(log: logging.Logger, paths: Iterable[str]) -> None:
    """One line for each of *paths* that others can read; an empty or missing one is passed over."""
    for path in filter(None, paths):
        try:
            mode = mode_for_others(path)
        except OSError:
            continue  # who opens it says so
        if mode is not None:
            log.warning(
                "a secret can be read by others",
                extra={"path": path, "mode": f"{mode:04o}", "remedy": f"chmod 0600 {path}"},
            )
