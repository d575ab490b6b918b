"""The status of an entity and of its summaries, each with a reason and a sentence."""

from dataclasses import dataclass

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.life_cycle import Phase
from nilometer.alert.calibrated.service import is_without_times
from nilometer.alert.calibrated.slots import BASE_NS, BASE_SECONDS
from nilometer.alert.reason import Reason
from nilometer.values.times import time_text
from nilometer_collector.alerting.watch_report import SummaryReport, WatchReport
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.watch.labelled.status import performance_status
from nilometer_collector.watch.late import CONSIDERABLE
from nilometer_collector.watch.memory import DAY_NS, Book, Memory, Watched
from nilometer_collector.watch.stages import Stage, Status, open_or_left_out, stage_status
from nilometer_collector.watch.usual import (
    HOUR_NS,
    LAST_DAYS,
    has_usual_traffic,
    is_unusual,
    unusual_silence_ns,
)

SILENT_WINDOWS = 2  # base windows without traffic or agent until the status is NO_DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What a collector has heard of an entity.

    Attributes:
        now_ns: Wall time now, Unix nanoseconds.
        heard_ns: Wall time at which the last window of any agent arrived.
        started_ns: Wall time since which this collector listens.
    """

    now_ns: int
    heard_ns: int
    started_ns: int

    @property
    def silent_ns(self) -> int:
        """Time for which this collector has listened without a window."""
        return max(self.now_ns - max(self.heard_ns, self.started_ns), 0)


def report_of(book: Book, memory: Memory | None, rule: WatchRule, hearing: Hearing) -> WatchReport:
    """Return the status of an entity.

    Args:
        book: Its subjects.
        memory: Its state; None before the first window.
        rule: Its settings.
        hearing: Times of the collector and of the last window.
    """
    if not rule.watch:
        return WatchReport(
            status=AlertStatus.NOT_WATCHED,
            reason=Reason.SWITCHED_OFF,
            sentence="the default alerter is switched off for this entity",
            budget_days=rule.budget_days,
        )
    if memory is None:
        return WatchReport(
            status=AlertStatus.LEARNING,
            reason=Reason.NO_WINDOW_YET,
            sentence="the first window of five minutes is not complete yet",
            budget_days=rule.budget_days,
        )
    first = _furthest(book, memory)
    summaries = tuple(
        _summary_report(one, _summary_status(one, memory)) for one in book.watched
    ) + tuple(_summary_report(one, performance_status(one, memory)) for one in book.performance)
    status, reason, sentence = _status(memory, rule, first, hearing)
    return WatchReport(
        status=status,
        reason=reason,
        sentence=sentence,
        phase=first.phase.value,
        next_phase_ns=first.next_ns or None,
        frozen=first.frozen,
        frozen_ns=first.frozen_ns or None,
        judged_ns=memory.end_ns,
        data_ns=memory.data_ns,
        is_silent=_is_silent(memory, rule, hearing),
        late_rows=memory.late.rows,
        budget_days=rule.budget_days,
        summaries=summaries,
    )


def _furthest(book: Book, memory: Memory) -> Stage:
    """Return the stage of the baseline that has learned the most."""
    order = list(Phase)
    stages = [Stage.of(one) for one in book.watched]
    first_fit_ns = memory.begun_ns + DAY_NS
    return max(
        stages,
        key=lambda one: (order.index(one.phase), one.frozen, -one.next_ns, -one.frozen_ns),
        default=Stage(Phase.LEARNING, frozen=False, next_ns=first_fit_ns, frozen_ns=0),
    )


def _status(memory: Memory, rule: WatchRule, stage: Stage, hearing: Hearing) -> Status:
    """Return the status of an entity with its reason; hard rules take precedence."""
    silent_ns = hearing.silent_ns
    at_ns = max(memory.end_ns, memory.data_ns) + silent_ns
    limit_ns = SILENT_WINDOWS * BASE_NS
    is_quiet = at_ns - memory.data_ns >= limit_ns and not rule.is_holiday(at_ns - 1)
    if is_quiet and has_usual_traffic(memory.hours, (at_ns - 1) // HOUR_NS):
        since = time_text(memory.data_ns)
        why = f"no request since {since}, although there are requests at this hour on other days"
        return AlertStatus.NO_DATA, Reason.NO_TRAFFIC, why
    if silent_ns >= limit_ns and _is_young_and_busy(memory, at_ns):
        why = f"no agent has sent a window since {time_text(hearing.heard_ns)}"
        return AlertStatus.NO_DATA, Reason.NO_AGENT, why
    if memory.open_parts:
        lead = max(memory.open_parts, key=lambda part: part.record.bound).record
        return AlertStatus.ALERTING, Reason.DRIFT, lead.evidence
    if stage.phase is Phase.LEARNING:
        return AlertStatus.LEARNING, Reason.LEARNING, stage.sentence
    if stage.phase is Phase.COARSE:
        return AlertStatus.LEARNING, Reason.COARSE, stage.sentence
    why = f"every summary is within its tolerance; {stage.sentence}"
    late = memory.late
    if late.share >= CONSIDERABLE:
        why += (
            f"; {100 * late.share:.0f} % of the rows of the last days arrived after their windows "
            "were judged, and changed no evidence"
        )
    return AlertStatus.OK, Reason.WATCHED, why


def _is_silent(memory: Memory, rule: WatchRule, hearing: Hearing) -> bool:
    """Return whether there was no request for an unusually long time.

    A collector that has just started waits as long again, because agents send their stored windows.
    """
    limit_ns = unusual_silence_ns(memory.pauses)
    if limit_ns is None or hearing.now_ns - hearing.started_ns <= limit_ns:
        return False
    at_ns = max(memory.end_ns, memory.data_ns) + max(hearing.now_ns - hearing.heard_ns, 0)
    end_ns = min(at_ns, hearing.now_ns)
    return is_unusual(memory.pauses, memory.hours, memory.data_ns, end_ns, rule.is_holiday)


def _is_young_and_busy(memory: Memory, at_ns: int) -> bool:
    """Return whether an entity in its first week had traffic at this hour yesterday.

    On its first day, traffic is expected at all hours.
    """
    if at_ns - memory.begun_ns < DAY_NS:
        return True
    yesterday = (at_ns - 1) // HOUR_NS - 24
    return at_ns - memory.begun_ns < LAST_DAYS * DAY_NS and yesterday in memory.hours


def _summary_report(one: Watched, found: Status) -> SummaryReport:
    status, reason, sentence = found
    return SummaryReport(
        summary=one.key.summary,
        labels=one.key.labels.as_dict(),
        status=status,
        reason=reason,
        sentence=sentence,
        phase=one.phase.value,
        window_seconds=one.length * BASE_SECONDS,
    )


def _summary_status(one: Watched, memory: Memory) -> Status:
    found = open_or_left_out(one, memory)
    if found is not None:
        return found
    newest = memory.newest.get(one.slot, 0)
    if newest and memory.data_ns - newest >= one.patience_ns:
        why = f"no data since {time_text(newest)}, while the entity has requests"
        return AlertStatus.NO_DATA, Reason.VERSION_GONE, why
    status, reason, sentence = stage_status(one)
    if is_without_times(one.counted.column):
        sentence += "; only failures are judged, because the latencies are those of a replay"
    return status, reason, sentence
