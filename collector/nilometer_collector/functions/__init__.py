"""Alerters of the user's own code: functions that the collector runs, and reports from elsewhere."""
