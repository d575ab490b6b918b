"""Environment variables with which nilometer's processes inform each other."""

RUN = "_NILOMETER_RUN"  # set by `nilometer run`; not a setting, so it lacks the settings' prefix
