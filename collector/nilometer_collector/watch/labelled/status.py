"""The status of performance: judged up to where labels have arrived, and what it waits for."""

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.counting import is_pooled
from nilometer.alert.calibrated.words import percent
from nilometer.alert.reason import Reason
from nilometer.values.times import time_text
from nilometer_collector.watch.memory import Memory, Watched
from nilometer_collector.watch.performance_memory import Selection, Waiting
from nilometer_collector.watch.stages import Status, open_or_left_out, stage_status

SELECTED = 0.05  # smallest distance between labelled rows and all rows that a sentence mentions


def performance_status(one: Watched, memory: Memory) -> Status:
    """Return the status of a summary of performance, or of one of its label sets."""
    found = open_or_left_out(one, memory)
    if found is not None:
        return found
    status, reason, sentence = stage_status(one)
    own = memory.performance.get(one.key.summary)
    if own is None:
        return status, reason, sentence
    if is_pooled(one.key) and own.selection is not None:
        sentence += selected(own.selection)
    if own.waiting is None:
        return status, reason, sentence
    if status is AlertStatus.OK:
        reason = Reason.IMMATURE
    return status, reason, f"{_waits(own.waiting, own.end_ns)}; {sentence}"


def _waits(one: Waiting, judged_ns: int) -> str:
    share = one.labelled / one.predicted if one.predicted else 0.0
    return (
        f"judged up to {time_text(judged_ns)}; the window that ended at {time_text(one.end_ns)} "
        f"waits for labels: {percent(share)} of {one.predicted:.0f} predictions have one, and "
        f"{percent(one.needed)} are needed"
    )


def selected(found: Selection) -> str:
    """Return how the labelled predictions differ from all, as the end of a sentence; empty if little."""
    if found.distance < SELECTED:
        return ""
    side = "higher" if found.labelled_mean > found.mean else "lower"
    return (
        f"; predictions that get a label differ from the others: their mean score is "
        f"{found.labelled_mean:.2f}, {side} than {found.mean:.2f} of all, so the performance of all "
        "may differ from what is measured"
    )
