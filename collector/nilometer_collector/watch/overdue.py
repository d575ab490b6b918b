"""Finds what is overdue in monitoring an entity: silent agents, slow agents, the judgement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from nilometer.alert import AlertStatus
from nilometer.alert.calibrated.slots import BASE_NS
from nilometer.values.clock import NANOSECONDS
from nilometer.values.senders import TABLES
from nilometer.values.times import time_text
from nilometer_collector.alerting.watch_report import WatchReport
from nilometer_collector.store import HeardRecord
from nilometer_collector.watch.usual import LEAST_SILENCE_NS
from nilometer_collector.watch.watch import SILENT_NS

BEHIND_NS = 3 * BASE_NS  # an agent is behind if its newest window arrives older than this
CAUGHT_UP_NS = 2 * BASE_NS  # an agent has caught up if its newest window arrives younger
LATE_SECONDS = 600.0  # longest wall time that complete windows may wait to be judged


class Awaited(Enum):
    """A kind of overdue work. The values are the summaries of its episodes."""

    AGENTS = "nilometer.agents"  # no request for an unusually long time
    WINDOWS = "nilometer.windows"  # an agent sends its windows late
    JUDGEMENT = "nilometer.judgement"  # the default alerter judges late

    @property
    def limit_seconds(self) -> float:
        """Longest acceptable time."""
        if self is Awaited.WINDOWS:
            return BEHIND_NS / NANOSECONDS
        return LEAST_SILENCE_NS / NANOSECONDS if self is Awaited.AGENTS else LATE_SECONDS


@dataclass(frozen=True, slots=True)
class Finding:
    """How long the monitoring waits for something.

    Attributes:
        seconds: Time it has waited; 0 if it does not wait.
        is_late: Whether this time is too long.
        evidence: The reason in one sentence.
    """

    seconds: float
    is_late: bool
    evidence: str


def silence(
    report: WatchReport | None, heard: Sequence[HeardRecord], now_ns: int, opened_ns: int | None
) -> Finding:
    """Return for how long there was no request, if this is unusual.

    An open episode ends with a request after its opening, and not when the usual hours have passed.

    Args:
        report: Status of the default alerter; None before the first.
        heard: How far the windows of each agent have arrived.
        now_ns: Wall time now.
        opened_ns: Opening of the open episode, Unix nanoseconds; None if none is open.
    """
    if report is not None and report.status is AlertStatus.NOT_WATCHED:
        return Finding(0.0, is_late=False, evidence=report.sentence)
    if report is None or report.data_ns is None:  # unknown, so nothing changes
        return Finding(0.0, is_late=opened_ns is not None, evidence="no window was judged yet")
    since = time_text(report.data_ns)
    is_late = report.is_silent if opened_ns is None else report.data_ns < opened_ns
    if not is_late:
        evidence = f"there are requests again: the newest window with data ended at {since}"
        return Finding(0.0, is_late=False, evidence=evidence)
    evidence = f"no judged window has requests since {since}, which is unusually long"
    heard_ns = max((one.received_ns for one in heard), default=report.data_ns)
    if now_ns - heard_ns > SILENT_NS:
        evidence += f"; no agent has sent a window since {time_text(heard_ns)}"
    return Finding(max(now_ns - report.data_ns, 0) / NANOSECONDS, is_late=True, evidence=evidence)


@dataclass(frozen=True, slots=True)
class Slow:
    """Since when a collector has seen that an agent is late.

    Attributes:
        since_ns: Wall time since which the lag has not become smaller.
        lag_ns: Smallest lag up to now.
    """

    since_ns: int
    lag_ns: int


def slow_agents(
    heard: Iterable[HeardRecord], before: Mapping[str, Slow], now_ns: int
) -> dict[str, Slow]:
    """Return the late agents, given those of the last check.

    An agent that sends a backlog faster than new windows arise starts again with each check.
    """
    found = {}
    for one in _late(heard, BEHIND_NS, now_ns):
        known = before.get(one.agent)
        is_worse = known is not None and known.lag_ns <= one.lag_ns
        found[one.agent] = known if known and is_worse else Slow(now_ns, one.lag_ns)
    return found


def behind(
    heard: Iterable[HeardRecord], slow: Mapping[str, Slow], now_ns: int, *, is_open: bool
) -> Finding:
    """Return how late the newest window of the slowest agent arrived.

    An episode opens if the lag has not become smaller for `LATE_SECONDS`. The end of an episode
    follows from stored data alone, so that a restart or another collector does not end it.

    Args:
        heard: How far the windows of each agent have arrived.
        slow: Late agents, from `slow_agents`.
        now_ns: Wall time now.
        is_open: Whether an episode about a late agent is open.
    """
    patient_ns = now_ns - round(LATE_SECONDS * NANOSECONDS)
    late = _late(heard, CAUGHT_UP_NS if is_open else BEHIND_NS, now_ns)
    if not is_open:
        late = [one for one in late if one.agent in slow and slow[one.agent].since_ns <= patient_ns]
    if not late:
        return Finding(0.0, is_late=False, evidence="no agent that sends windows is late any more")
    slowest = max(late, key=lambda one: (one.lag_ns, one.agent))
    more = f", and {len(late) - 1} more agents are late" if len(late) > 1 else ""
    evidence = (
        f"the agent {slowest.agent} sends its windows late: the newest one ended at "
        f"{time_text(slowest.end_ns)} and arrived at {time_text(slowest.end_ns + slowest.lag_ns)}"
        f"{more}"
    )
    return Finding(slowest.lag_ns / NANOSECONDS, is_late=True, evidence=evidence)


def _late(heard: Iterable[HeardRecord], limit_ns: int, now_ns: int) -> list[HeardRecord]:
    """Return the sending agents whose newest window arrived later than *limit_ns*.

    Agents that replay old requests, or send late ground truth, were never on time and do not count.
    """
    return [
        one
        for one in heard
        if one.agent != TABLES
        and one.received_ns > now_ns - SILENT_NS
        and one.least_lag_ns <= BEHIND_NS
        and one.lag_ns > limit_ns
    ]


def judgement(waiting_seconds: float | None, judged_ns: int | None, *, is_open: bool) -> Finding:
    """Return how long complete windows have waited to be judged.

    Args:
        waiting_seconds: Wall time for which windows have waited since this collector has first
            seen it; None if none waits, or windows were judged in the meantime.
        judged_ns: End of the newest window that was judged; None if none was.
        is_open: Whether an episode about late judgement is open.
    """
    if waiting_seconds is None:
        return Finding(0.0, is_late=False, evidence="no complete window waits too long any more")
    since = (
        "no window was judged yet" if judged_ns is None else f"none after {time_text(judged_ns)}"
    )
    return Finding(
        waiting_seconds,
        is_late=is_open or waiting_seconds > LATE_SECONDS,
        evidence=f"complete windows wait to be judged, {since}: see the log of the collector",
    )
