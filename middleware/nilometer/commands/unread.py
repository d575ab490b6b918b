"""Warns of environment variables that look like settings but have no effect."""

import logging
import os

from nilometer.handoff.settings import CaptureSettings
from nilometer.settings.mistakes import unread_variables

log = logging.getLogger("nilometer.settings")


def warn_of_unread_variables() -> None:
    """Log a warning for each ``NILOMETER_*`` variable that no component reads."""
    for line in unread_variables(os.environ, CaptureSettings):
        log.warning(line)
