"""Judges the windows of a summary of performance in order, each once, when it is mature.

A window waits until enough labels have arrived. It is passed over if a window that ended an hour
later or more is mature. Labels that arrive after that change no evidence; the next fit of the
baselines learns from them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from nilometer.alert.calibrated.columns import Floats
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.group import History
from nilometer.alert.calibrated.judge import Judge
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.values.clock import NANOSECONDS
from nilometer_collector.ground_truth.maturity import MaturityRule
from nilometer_collector.watch.labelled.columns import performance_vector
from nilometer_collector.watch.labelled.windows import LabelledWindow, PerformanceReader
from nilometer_collector.watch.memory import Book, Watched
from nilometer_collector.watch.performance_memory import AGES_NS, PerformanceMemory, Waiting
from nilometer_collector.watch.usual import HOUR_NS

RECORD_NS = HOUR_NS  # time between two records of usual shares
# Distances at which later windows are looked at.
LATER_NS = tuple(hours * HOUR_NS for hours in (1, 2, 3, 6, 12, 24, 48, 72, 120, 168))


class Decision(Enum):
    """What is done with a window."""

    JUDGED = "judged"
    EMPTY = "empty"  # without predictions
    PASSED_OVER = "passed over"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Decided:
    """A decided window.

    Attributes:
        memory: State after it.
        window: The window.
        decision: What is done with it.
        needed: Smallest share of labels with which it is mature.
    """

    memory: PerformanceMemory
    window: LabelledWindow
    decision: Decision
    needed: float


def decided(
    reader: PerformanceReader,
    memory: PerformanceMemory,
    length: int,
    rule: MaturityRule,
    now_ns: int,
) -> Iterator[Decided]:
    """Decide the windows after ``memory.end_ns`` in order, until one waits for labels.

    Args:
        reader: Reader of the summary.
        memory: State of the summary.
        length: Number of base windows that are decided together.
        rule: When a window is mature.
        now_ns: Wall time now.
    """
    step_ns, pooled = length * BASE_NS, PartKey(reader.summary)
    newest_ns = max((one.last_end_ns for one in reader.series), default=0)
    while True:
        end_ns = memory.end_ns // step_ns * step_ns + step_ns
        if end_ns > now_ns:
            return
        window = reader.window(memory.end_ns, end_ns)
        share = window.share(pooled)
        if share is None and end_ns - step_ns >= newest_ns:  # it may still be logged
            return
        needed = rule.needed(memory.usual_at(now_ns - end_ns))
        if share is None:
            decision = Decision.EMPTY
        elif _is_mature(memory, rule, share, now_ns - end_ns):
            decision = Decision.JUDGED
        elif _is_later_mature(reader, memory, rule, end_ns, step_ns, now_ns):
            decision = Decision.PASSED_OVER
        else:
            waiting = Waiting(
                end_ns=end_ns,
                labelled=window.labelled(pooled),
                predicted=window.predicted(pooled),
                needed=needed,
            )
            yield Decided(replace(memory, waiting=waiting), window, Decision.WAITS, needed)
            return
        if decision is Decision.EMPTY:
            limit_ns = min(now_ns, newest_ns) // step_ns * step_ns
            end_ns = max(end_ns, reader.next_data_ns(end_ns, limit_ns) // step_ns * step_ns)
        memory = replace(
            memory,
            end_ns=end_ns,
            judged=memory.judged + (decision is Decision.JUDGED),
            passed_over=memory.passed_over + (decision is Decision.PASSED_OVER),
            waiting=None,
        )
        yield Decided(memory, window, decision, needed)


def _is_mature(memory: PerformanceMemory, rule: MaturityRule, share: float, age_ns: int) -> bool:
    return rule.is_met(share, age_ns / NANOSECONDS, memory.usual_at(age_ns))


def _is_later_mature(
    reader: PerformanceReader,
    memory: PerformanceMemory,
    rule: MaturityRule,
    end_ns: int,
    step_ns: int,
    now_ns: int,
) -> bool:
    """Return whether a window of *step_ns* that ends an hour or more after *end_ns* is mature."""
    pooled = PartKey(reader.summary)
    starts = [-(-(end_ns + max(each - step_ns, 0)) // step_ns) * step_ns for each in LATER_NS]
    for start_ns in dict.fromkeys(starts):
        until_ns = start_ns + step_ns
        if until_ns > now_ns:
            return False
        share = reader.window(start_ns, until_ns).share(pooled)
        if share is not None and _is_mature(memory, rule, share, now_ns - until_ns):
            return True
    return False


def recorded(
    reader: PerformanceReader, memory: PerformanceMemory, now_ns: int
) -> PerformanceMemory:
    """Return the state with the shares of the hours that have an age of `AGES_NS` now.

    They are recorded once an hour.
    """
    if now_ns - memory.recorded_ns < RECORD_NS:
        return memory
    pooled = PartKey(reader.summary)
    for place, age_ns in enumerate(AGES_NS):
        end_ns = (now_ns - age_ns) // BASE_NS * BASE_NS
        if end_ns - HOUR_NS < memory.begun_ns:
            continue
        share = reader.window(end_ns - HOUR_NS, end_ns).share(pooled)
        if share is not None:
            memory = memory.recorded(place, share)
    return replace(memory, recorded_ns=now_ns)


def due_counts(
    reader: PerformanceReader, judge: Judge, book: Book, window: LabelledWindow, needed: float
) -> dict[PartKey, Floats]:
    """Return the counts of each subject of *judge* whose window ends with *window* and is mature.

    Args:
        reader: Reader of the summary.
        judge: Judge of the summary.
        book: Subjects of the entity.
        window: Mature window of all traffic.
        needed: Smallest share of labels with which a window of its age is mature.
    """
    wholes = {window.start_ns: window}
    found = {}
    for key, start_ns in judge.due(window.end_ns).items():
        whole = wholes.get(start_ns) or reader.window(start_ns, window.end_ns)
        wholes[start_ns] = whole
        share = whole.share(key)
        if share is not None and share >= needed and key in whole.rows:
            found[key] = performance_vector(book.of(key).counted, whole.rows[key])
    return found


def history(reader: PerformanceReader, watched: Watched, onset_ns: int, end_ns: int) -> History:
    """Return the windows of *watched* from *onset_ns* up to *end_ns*."""
    length_ns = watched.length * BASE_NS
    first = onset_ns // length_ns * length_ns
    counts = np.zeros(((end_ns - first) // length_ns, watched.counted.column.width))
    for window in reader.windows(first, end_ns):
        place = (window.end_ns - 1 - first) // length_ns
        if watched.key in window.rows and place < len(counts):
            counts[place] += performance_vector(watched.counted, window.rows[watched.key])
    starts = first + np.arange(len(counts), dtype=np.int64) * length_ns
    return History(starts, counts)
