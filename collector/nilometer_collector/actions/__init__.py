"""Actions: sends the runs that are due to their targets, and watches whether they work."""
