"""Runs the default alerter: it judges the merged windows of every entity, by calibrated evidence."""
