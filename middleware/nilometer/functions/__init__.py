"""Functions that users write and a collector runs, each call in a process of its own.

def late(interval: Interval) -> Report:
found = interval.client.entity(interval.entity).summary("input.age_days").samples(last="1h")
...
"""

from nilometer.client.report import Report
from nilometer.functions.interval import Interval

__all__ = ["Interval", "Report"]
