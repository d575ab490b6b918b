"""The commands `nilometer collector` and `nilometer alerters`."""
