"""Environment variables that processes of nilometer set for each other."""

RUN = "_NILOMETER_RUN"  # set by `nilometer run`; not a setting, so without the settings' prefix
