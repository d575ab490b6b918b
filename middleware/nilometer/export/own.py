"""The series about itself that every process of nilometer exports: its counters and its cost."""

import os
import resource
from collections.abc import Mapping

from nilometer.export.keys import ENTITY, LABEL_PREFIX
from nilometer.export.metric import Exporter
from nilometer.export.series import Attributes, Series, attributes_of
from nilometer.export.telemetry import CPU_TIME, MEMORY, own_counter
from nilometer.values.labels import Labels


def where(entity: str, labels: Labels) -> Attributes:
    """Return the attributes for the place of a measurement: its entity and labels."""
    return attributes_of({ENTITY: entity, **{LABEL_PREFIX + key: value for key, value in labels}})


def add_counters(series: Series, exporter: Exporter, counters: Mapping[str, int]) -> None:
    """Add the counters of docs/telemetry.md by name; a zero makes the first increase visible."""
    for name, value in counters.items():
        series.add(own_counter(exporter, name), (), value)


def add_cost(series: Series) -> None:
    """Add the cost of this process since its start: CPU time and resident memory."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    series.add(CPU_TIME, (), used.ru_utime + used.ru_stime)
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123  one read of a small file
            pages = int(statm.read().split()[1])
    except (OSError, ValueError, IndexError):
        return  # the file only exists on Linux
    series.set(MEMORY, (), pages * os.sysconf("SC_PAGE_SIZE"))
