"""The status of an entity and of its summaries, each with a reason and a sentence."""

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.episodes import PartKey
from nilometer.alert.calibrated.judge import BASE_SECONDS
from nilometer.alert.calibrated.life_cycle import COARSE_FACTOR, Phase
from nilometer_collector.alerting.watch_report import Reason, SummaryReport, WatchReport
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.watch.memory import BASE_NS, DAY_NS, HOUR_NS, Book, Memory, Watched
from nilometer_collector.watch.words import time_text

SILENT_WINDOWS = 2  # base windows without traffic or agent after which there is no data
SAME_DAYS = 4  # earlier days of the same weekday that are looked at
SAME_DAYS_BUSY = 3  # of these, how many had traffic in the hour
LAST_DAYS = 7  # earlier days that are looked at
LAST_DAYS_BUSY = 6  # of these, how many had traffic in the hour

_LEFT_OUT = {
    Reason.UNSTABLE_BASELINE: "more than 10 % of the windows were incidents, so there is no normal "
    "to compare with; the next fit tries again",
    Reason.TOO_FEW: "the windows have too few rows to learn what is normal",
    Reason.NOTHING_TO_JUDGE: "it has no values that can be compared",
}


def report_of(
    book: Book, memory: Memory | None, rule: WatchRule, now_ns: int, heard_ns: int
) -> WatchReport:
    """Return the status of an entity.

    Args:
        book: Its subjects.
        memory: Its state; None before the first window.
        rule: Its settings.
        now_ns: Wall time now.
        heard_ns: Wall time at which the last window of any agent has arrived.
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
    phase, left = _phase(book)
    summaries = tuple(_summary_report(one, memory) for one in book.watched)
    status, reason, sentence = _status(memory, phase, left, now_ns, heard_ns)
    next_ns = memory.end_ns + round(left * DAY_NS) if phase is not Phase.ACTIVE else None
    return WatchReport(
        status=status,
        reason=reason,
        sentence=sentence,
        phase=phase.value,
        next_phase_ns=next_ns,
        judged_ns=memory.end_ns,
        budget_days=rule.budget_days,
        summaries=summaries,
    )


def _phase(book: Book) -> tuple[Phase, float]:
    """Return the phase of the furthest baseline, and the days of traffic until its next phase."""
    if not book.watched:
        return Phase.LEARNING, 1.0
    order = list(Phase)
    best = max(book.watched, key=lambda one: (order.index(one.phase), -one.days_left))
    return best.phase, best.days_left


def _status(
    memory: Memory, phase: Phase, left: float, now_ns: int, heard_ns: int
) -> tuple[AlertStatus, Reason, str]:
    """Return the status of an entity with its reason, the hard rules first."""
    silent_ns = max(now_ns - heard_ns, 0)
    at_ns = max(memory.end_ns, memory.data_ns) + silent_ns
    limit_ns = SILENT_WINDOWS * BASE_NS
    is_quiet = at_ns - memory.data_ns >= limit_ns
    if is_quiet and _has_usual_traffic(memory.hours, at_ns):
        since = time_text(memory.data_ns)
        why = f"no request since {since}, although there are requests at this hour on other days"
        return AlertStatus.NO_DATA, Reason.NO_TRAFFIC, why
    if silent_ns >= limit_ns and len({one // 24 for one in memory.hours}) < LAST_DAYS:
        why = f"no agent has sent a window since {time_text(heard_ns)}"
        return AlertStatus.NO_DATA, Reason.NO_AGENT, why
    if memory.open_parts:
        lead = max(memory.open_parts, key=lambda part: part.record.bound).record
        return AlertStatus.ALERTING, Reason.DRIFT, lead.evidence
    if phase is Phase.LEARNING:
        why = f"it learns what is normal, for {_days(left)} more of traffic; nothing is judged yet"
        return AlertStatus.LEARNING, Reason.LEARNING, why
    if phase is Phase.COARSE:
        why = (
            f"tolerances are {COARSE_FACTOR:g} times as wide for {_days(left)} more of traffic, "
            "until the week is known"
        )
        return AlertStatus.LEARNING, Reason.COARSE, why
    return AlertStatus.OK, Reason.WATCHED, "every summary is within its tolerance"


def _has_usual_traffic(hours: tuple[int, ...], at_ns: int) -> bool:
    """Return whether earlier days had traffic at this hour: of this weekday, or most of a week."""
    now, known = (at_ns - 1) // HOUR_NS, frozenset(hours)
    weeks = sum(now - 24 * 7 * back in known for back in range(1, SAME_DAYS + 1))
    days = sum(now - 24 * back in known for back in range(1, LAST_DAYS + 1))
    return weeks >= SAME_DAYS_BUSY or days >= LAST_DAYS_BUSY


def _summary_report(one: Watched, memory: Memory) -> SummaryReport:
    status, reason, sentence = _summary_status(one, memory)
    return SummaryReport(
        summary=one.key.summary,
        labels=one.key.labels.as_dict(),
        status=status,
        reason=reason,
        sentence=sentence,
        phase=one.phase.value,
        window_seconds=one.length * BASE_SECONDS,
    )


def _summary_status(one: Watched, memory: Memory) -> tuple[AlertStatus, Reason, str]:
    for part in memory.open_parts:
        if PartKey(part.record.summary, part.record.labels) == one.key:
            return AlertStatus.ALERTING, Reason.DRIFT, part.record.evidence
    if one.reason is not None and one.reason is not Reason.LEARNING:
        return AlertStatus.NOT_WATCHED, one.reason, _LEFT_OUT[one.reason]
    newest = memory.newest.get(one.slot, 0)
    if newest and memory.data_ns - newest >= DAY_NS:
        why = f"no data since {time_text(newest)}, while the entity has requests"
        return AlertStatus.NO_DATA, Reason.VERSION_GONE, why
    if one.phase is Phase.LEARNING:
        why = f"it learns what is normal, for {_days(one.days_left)} more of traffic"
        return AlertStatus.LEARNING, Reason.LEARNING, why
    if one.phase is Phase.COARSE:
        why = f"tolerances are {COARSE_FACTOR:g} times as wide until the week is known"
        return AlertStatus.LEARNING, Reason.COARSE, why
    return AlertStatus.OK, Reason.WATCHED, "within its tolerance"


def _days(days: float) -> str:
    if days * 24 < 1:
        return "less than an hour"
    return f"{days * 24:.0f} hours" if days < 2 else f"{days:.1f} days"
