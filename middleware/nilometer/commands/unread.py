"""Warnings for environment variables that look like settings and set nothing."""

import logging
import os

from nilometer.handoff.settings import CaptureSettings
from nilometer.settings.mistakes import unread_variables

log = logging.getLogger("nilometer.settings")


def warn_of_unread_variables() -> None:
    """Log a warning for each variable of this process that no component of nilometer reads."""
    for line in unread_variables(os.environ, CaptureSettings):
        log.warning(line)
