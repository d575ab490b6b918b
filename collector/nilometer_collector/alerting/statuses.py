"""The status of an alerter on one summary and label set, with its reason and the sentence that says it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nilometer.alert import AlertStatus, EpisodeState, Reason
from nilometer.values.labels import Labels

# Reasons that an evaluation gives, each with the status that it means while no episode is open.
STATUSES = {
    Reason.NO_WINDOW_YET: AlertStatus.LEARNING,
    Reason.NO_EARLIER_WINDOW: AlertStatus.LEARNING,
    Reason.IMMATURE: AlertStatus.LEARNING,
    Reason.WITHIN_LIMIT: AlertStatus.OK,
    Reason.BREACH_TOO_SHORT: AlertStatus.OK,
    Reason.BREACH: AlertStatus.OK,  # of an agent whose episode was closed meanwhile
    Reason.NOT_YET_CLOSED: AlertStatus.OK,
    Reason.NO_WINDOW: AlertStatus.NO_DATA,
    Reason.OUTSIDE_SCHEDULE: AlertStatus.PAUSED,
    Reason.MAINTENANCE: AlertStatus.PAUSED,
    Reason.NEW_NORMAL: AlertStatus.PAUSED,
    Reason.TOO_FEW: AlertStatus.NOT_WATCHED,
    Reason.NOTHING_TO_JUDGE: AlertStatus.NOT_WATCHED,
    Reason.NO_SUCH_SUMMARY: AlertStatus.NOT_WATCHED,
    Reason.NO_SUCH_REFERENCE: AlertStatus.NOT_WATCHED,
    Reason.REFERENCE_EXPIRED: AlertStatus.NOT_WATCHED,
    Reason.FAILED: AlertStatus.NOT_WATCHED,
    Reason.UNREADABLE: AlertStatus.NOT_WATCHED,
}
_OF_OPEN = frozenset({Reason.BREACH, Reason.NOT_YET_CLOSED})
NO_WINDOW_YET = "no window has arrived since the alerter was set"
NO_REPORT_YET = "its code has reported nothing since the alerter was set"
NO_WINDOW = "no window arrives any more"
OPENINGS_DAYS = 30  # days of the openings that a status counts
ACCEPTED = "a person accepted a new normal, and no window was within the limit since"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlerterStatus:
    """The status of an alerter on one summary and label set.

    Attributes:
        entity: Name of the entity.
        alerter: Name of the alerter.
        summary: Name of the summary.
        labels: Label set.
        status: Status.
        reason: Reason of the status.
        sentence: The reason in words; the evidence of the newest evaluation if there is one.
        judged_ns: End of the newest evaluated window, Unix nanoseconds; 0 before the first.
        value: Newest measured value, in the unit of the alerter; None before the first.
        value_ns: End of the window in which it was measured; 0 before the first.
        openings: Episodes that the alerter has opened in the last `OPENINGS_DAYS`, over all its
            summaries and label sets.
    """

    entity: str
    alerter: str
    summary: str
    labels: Labels
    status: AlertStatus
    reason: Reason
    sentence: str
    judged_ns: int = 0
    value: float | None = None
    value_ns: int = 0
    openings: int = 0

    def silent(self) -> "AlerterStatus":
        """Return the status if no window arrives any more; an open episode stays ALERTING."""
        if self.status in {AlertStatus.ALERTING, AlertStatus.NOT_WATCHED}:
            return self
        return replace(
            self, status=AlertStatus.NO_DATA, reason=Reason.NO_WINDOW, sentence=NO_WINDOW
        )


def status_over_agents(
    key: tuple[str, str, str, Labels],
    states: Sequence[EpisodeState],
    *,
    is_open: bool,
    is_quiet: bool,
) -> AlerterStatus:
    """Return the status over all agents.

    Args:
        key: Entity, alerter, summary and labels.
        states: State of each agent, and of the collector; at least one.
        is_open: Whether an episode is open.
        is_quiet: Whether a person accepted a new normal, so that no episode opens.
    """
    entity, alerter, summary, labels = key
    newest = max(states, key=lambda one: one.last_end_ns)
    measured = max(states, key=lambda one: one.value_end_ns)
    reason, sentence = newest.reason, newest.sentence or NO_WINDOW_YET
    status = STATUSES[reason]
    if is_open:
        status = AlertStatus.ALERTING
        reason = reason if reason in _OF_OPEN else Reason.BREACH
    elif all(one.status is AlertStatus.NO_DATA for one in states):
        status, reason, sentence = AlertStatus.NO_DATA, Reason.NO_WINDOW, NO_WINDOW
    elif is_quiet:
        status, reason, sentence = AlertStatus.PAUSED, Reason.NEW_NORMAL, ACCEPTED
    return AlerterStatus(
        entity=entity,
        alerter=alerter,
        summary=summary,
        labels=labels,
        status=status,
        reason=reason,
        sentence=sentence,
        judged_ns=newest.last_end_ns,
        value=measured.value if measured.value_end_ns else None,
        value_ns=measured.value_end_ns,
    )
