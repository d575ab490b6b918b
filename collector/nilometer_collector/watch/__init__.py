"""Runs the default alerter, which judges the merged windows of every entity."""
