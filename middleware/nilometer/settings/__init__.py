"""Settings: one frozen structure per component, read from files, variables and arguments."""
