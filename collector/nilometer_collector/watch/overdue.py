"""Finds what is overdue in monitoring an entity: silent agents, slow agents, the judgement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from nilometer.values.clock import NANOSECONDS
from nilometer.values.senders import TABLES
from nilometer_collector.alerting.watch_report import Reason, WatchReport
from nilometer_collector.store import HeardRecord
from nilometer_collector.watch.memory import BASE_NS
from nilometer_collector.watch.watch import SILENT_NS
from nilometer_collector.watch.words import time_text

BEHIND_NS = 3 * BASE_NS  # an agent is behind if its newest window arrives older than this
CAUGHT_UP_NS = 2 * BASE_NS  # an agent has caught up if its newest window arrives younger
LATE_SECONDS = 600.0  # longest wall time that complete windows may wait to be judged

_SILENT = frozenset({Reason.NO_TRAFFIC, Reason.NO_AGENT})


class Awaited(Enum):
    """A kind of overdue work. The values are the summaries of its episodes."""

    AGENTS = "nilometer.agents"  # no window from any agent, or no requests at a usual hour
    WINDOWS = "nilometer.windows"  # an agent sends its windows late
    JUDGEMENT = "nilometer.judgement"  # the default alerter judges late

    @property
    def limit_seconds(self) -> float:
        """Longest acceptable time."""
        if self is Awaited.WINDOWS:
            return BEHIND_NS / NANOSECONDS
        return SILENT_NS / NANOSECONDS if self is Awaited.AGENTS else LATE_SECONDS


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


def silence(report: WatchReport | None, heard: Sequence[HeardRecord], now_ns: int) -> Finding:
    """Return how long no agent has sent a window, if the default alerter expects windows."""
    if report is None or report.reason not in _SILENT or not heard:
        return Finding(0.0, is_late=False, evidence="agents send windows again")
    silent_ns = max(now_ns - max(one.received_ns for one in heard), 0)
    return Finding(silent_ns / NANOSECONDS, is_late=True, evidence=report.sentence)


def behind(
    heard: Iterable[HeardRecord], was_on_time: Mapping[str, bool], now_ns: int, *, is_open: bool
) -> Finding:
    """Return how late the newest window of the slowest agent arrived.

    Agents that replay old requests, or send late ground truth, were never on time and do not count.

    Args:
        heard: How far the windows of each agent have arrived.
        was_on_time: Whether each agent has ever sent its newest window in time.
        now_ns: Wall time now.
        is_open: Whether an episode about a late agent is open.
    """
    limit_ns = CAUGHT_UP_NS if is_open else BEHIND_NS
    slow = [
        one
        for one in heard
        if one.agent != TABLES
        and one.received_ns > now_ns - SILENT_NS
        and was_on_time.get(one.agent, False)
        and age_ns(one) > limit_ns
    ]
    if not slow:
        return Finding(
            0.0, is_late=False, evidence="the windows of all agents arrive in time again"
        )
    slowest = max(slow, key=lambda one: (age_ns(one), one.agent))
    more = f", and {len(slow) - 1} more agents are late" if len(slow) > 1 else ""
    evidence = (
        f"the agent {slowest.agent} sends its windows late: the newest one ended at "
        f"{time_text(slowest.end_ns)} and arrived at {time_text(slowest.received_ns)}{more}"
    )
    return Finding(age_ns(slowest) / NANOSECONDS, is_late=True, evidence=evidence)


def age_ns(one: HeardRecord) -> int:
    """Return the age of the newest window of an agent at its last arrival."""
    return one.received_ns - one.end_ns


def judgement(waiting_seconds: float, judged_ns: int | None, *, is_open: bool) -> Finding:
    """Return how long complete windows have waited to be judged.

    Args:
        waiting_seconds: Wall time since the last judgement while windows wait; 0 if none waits.
        judged_ns: End of the newest window that was judged; None if none was.
        is_open: Whether an episode about late judgement is open.
    """
    if not waiting_seconds:
        return Finding(0.0, is_late=False, evidence="every complete window is judged again")
    since = (
        "no window was judged yet" if judged_ns is None else f"none after {time_text(judged_ns)}"
    )
    return Finding(
        waiting_seconds,
        is_late=is_open or waiting_seconds > LATE_SECONDS,
        evidence=f"complete windows wait to be judged, {since}: see the log of the collector",
    )
