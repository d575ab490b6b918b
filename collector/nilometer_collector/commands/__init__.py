"""The commands `nilometer collector` and `nilometer rules`."""
