"""Sentences about drifts that have ended."""

from nilometer.alert.calibrated.parts import PartChange
from nilometer.alert.calibrated.words import where
from nilometer.values.times import time_text
from nilometer_collector.alerting.decisions import Decision, normal_sentence
from nilometer_collector.store import PartRecord

_ENDS = {
    PartChange.CLOSED: "{summary}{where} is back within its tolerance",
    PartChange.CLOSED_WITHOUT_DATA: "{summary}{where} has no more data",
    PartChange.REPLACED: "{summary}{where} is compared with a new baseline",
}
LEARNS_ANEW = "it is learned again from {since} on"


def closing_sentence(part: PartRecord, change: PartChange, decision: Decision | None) -> str:
    """Return why *part*, the last one of its episode, has closed.

    Args:
        part: The part.
        change: How it closed.
        decision: The new normal that closed it, or None.
    """
    if decision is not None:
        return normal_sentence(decision, LEARNS_ANEW.format(since=time_text(part.onset_ns)))
    return _ENDS[change].format(summary=part.summary, where=where(str(part.labels)))
