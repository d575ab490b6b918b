"""Environment variables by which nilometer's processes inform each other."""

RUN = "_NILOMETER_RUN"  # set by `nilometer run`; not a setting, so without the settings' prefix
